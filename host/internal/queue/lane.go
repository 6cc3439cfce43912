package queue

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sort"

	"github.com/taskhost/taskhost/host/internal/task"
)

// lane is what is there of one key, by seq. Only its first is ever handed out.
type lane struct{ all []*entry }

// enlane puts an entry into its lane, when its queue is ordered.
func (l *line) enlane(e *entry) {
	if l.orderBy == task.OrderByKey {
		e.lane, e.laned = laneKey(e.key), true
	}
	if l.orderBy == "" {
		return
	}
	if !e.laned {
		l.unlaned++
		l.fetch = true
		return
	}
	if e.lane == "" {
		return
	}
	if l.lanes == nil {
		l.lanes = map[string]*lane{}
	}
	ln := l.lanes[e.lane]
	if ln == nil {
		ln = &lane{}
		l.lanes[e.lane] = ln
	}
	ln.all = append(ln.all, e)
}

// isFirst reports whether nothing of the entry's key comes before it.
func (l *line) isFirst(e *entry) bool {
	if e.lane == "" {
		return true
	}
	ln := l.lanes[e.lane]
	return ln == nil || ln.all[0] == e
}

// unlane takes an entry that is gone out of its lane, and lets the next one go on.
func (l *line) unlane(e *entry, now int64) {
	if l.orderBy != "" && !e.laned {
		l.unlaned--
		if l.unlaned == 0 {
			l.rebuild(now)
		}
		return
	}
	ln := l.lanes[e.lane]
	if e.lane == "" || ln == nil {
		return
	}
	i := sort.Search(len(ln.all), func(i int) bool { return ln.all[i].seq >= e.seq })
	if i == len(ln.all) || ln.all[i] != e {
		return
	}
	if i > 0 {
		ln.all = slices.Delete(ln.all, i, i+1)
		return
	}
	ln.all[0] = nil
	ln.all = ln.all[1:]
	if len(ln.all) == 0 {
		delete(l.lanes, e.lane)
	} else if next := ln.all[0]; next.place == behind {
		l.offer(next, now)
	}
}

// unknown returns the next entries whose lanes must be looked up, and reports whether there were any.
func (l *line) unknown(limit room) (out []*entry) {
	size := room{}
	for _, e := range l.all[l.from(l.scanned):] {
		if size.n >= limit.n || size.bytes >= limit.bytes {
			break
		}
		l.scanned = e.seq
		if e.place != gone && !e.laned {
			out, size = append(out, e), size.plus(e.room())
		}
	}
	return out
}

// known sets the lane of an entry. With the last one the queue is sorted anew, and goes on.
func (l *line) known(e *entry, lane string, now int64) {
	if e.laned || e.place == gone {
		return
	}
	e.lane, e.laned = lane, true
	l.unlaned--
	if l.unlaned == 0 {
		l.rebuild(now)
	}
}

// laneOf is the lane of a message whose queue is ordered by orderBy: the text of that field, or the key.
func laneOf(orderBy, key string, body json.RawMessage) string {
	switch orderBy {
	case "":
		return ""
	case task.OrderByKey:
		return laneKey(key)
	}
	if text := string(field(body, orderBy)); text != "null" {
		return laneKey(text)
	}
	return ""
}

// laneKey keeps a lane small, whatever its text is.
func laneKey(text string) string {
	if len(text) <= 64 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}
