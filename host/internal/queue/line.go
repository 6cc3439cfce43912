package queue

import (
	"sort"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// line is one queue: its messages, in order, and who takes them. It is pure: whoever owns it tells it the time, in
// unix nanoseconds, and carries out what it decides.
type line struct {
	spec      task.Queue
	declared  bool
	orderBy   string // of its consumers: a field, task.OrderByKey or ""
	producers []string

	all      []*entry // by seq; some of them gone
	head     int      // what lies before it is gone
	next     int      // nothing before it is fresh
	size     room     // of what is there
	reserved room     // for what is being written
	counts   [leaving + 1]int
	ready    pile
	suspects pile
	delayed  pile
	ages     pile // all that wait, by age; with max_age
	lanes    map[string]*lane
	unlaned  int    // nothing is handed out until their lanes are known
	scanned  uint64 // lanes are known up to this seq, or being looked up
	fetch    bool   // bodies are wanted
	cache    *cache

	consumers []*consumer
	turn      int       // who is next among equals
	lone      *consumer // has a suspect, or gets ready for one
	sweepAt   int64     // when attempts become durable; 0 is never
	waiters   []*waiter
	full      fullness

	care   latch // redrives and purges, one at a time
	wakeAt int64 // when time alone brings something; 0 is never
	dirty  bool

	in, out                                                      meter // of posted and acked
	posted, duplicates, acked, failed, dropped, rejected, buried uint64

	waited func(time.Duration) // takes how long messages waited for their first handler; nil: nobody

	drops  notice
	deaths notice
}

// room is a number of messages and the bytes of their bodies.
type room struct {
	n     int
	bytes int64
}

func (r room) plus(o room) room  { return room{r.n + o.n, r.bytes + o.bytes} }
func (r room) minus(o room) room { return room{r.n - o.n, r.bytes - o.bytes} }

func (e *entry) room() room { return room{1, int64(e.size)} }

// fullness says what people know of a queue that is full.
type fullness uint8

const (
	fullNot fullness = iota
	fullNews
	fullTold
)

// overflowed notes that something found no room.
func (l *line) overflowed() {
	if l.full == fullNot {
		l.full = fullNews
	}
}

func newLine(name string, c *cache) *line {
	return &line{
		spec:     task.Queue{Name: name},
		ready:    pile{before: bySeq, index: byAt},
		suspects: pile{before: bySeq, index: byAt},
		delayed:  pile{before: byTime, index: byAt},
		ages:     pile{before: byPosted, index: byAgeAt},
		cache:    c,
		care:     make(latch, 1),
	}
}

// insert adds a message that the store has; its seq is higher than that of any other.
func (l *line) insert(e *entry, now int64) {
	l.all = append(l.all, e)
	l.size = l.size.plus(e.room())
	l.enlane(e)
	l.wait(e, now)
}

func (l *line) move(e *entry, to place) {
	if e.place != gone {
		l.counts[e.place]--
	}
	if to != gone {
		l.counts[to]++
	}
	e.place = to
}

// wait puts an entry that is in nobody's hands where it belongs.
func (l *line) wait(e *entry, now int64) {
	if l.spec.MaxAge > 0 {
		l.ages.add(e)
	}
	if !l.isFirst(e) {
		l.move(e, behind)
		return
	}
	l.offer(e, now)
}

// offer makes an entry that nothing of its key holds up ready, at once or when its time comes.
func (l *line) offer(e *entry, now int64) {
	last := len(l.all) - 1
	switch {
	case e.notBefore() > now:
		l.move(e, delayed)
		l.delayed.add(e)
	case e.crashes() > 0:
		l.move(e, suspect)
		l.suspects.add(e)
	case l.next <= last && l.all[last] == e:
		l.move(e, fresh)
	default:
		l.move(e, ready)
		l.ready.add(e)
	}
}

// pull takes an entry out of what waits.
func (l *line) pull(e *entry, to place) {
	switch e.place {
	case ready:
		l.ready.drop(e)
	case suspect:
		l.suspects.drop(e)
	case delayed:
		l.delayed.drop(e)
	}
	l.ages.drop(e)
	l.move(e, to)
}

// remove forgets an entry that the store does not have any more. The next one of its key may go on.
func (l *line) remove(e *entry, now int64) {
	if e.place == gone {
		return
	}
	l.pull(e, gone)
	l.size = l.size.minus(e.room())
	l.cache.drop(e)
	l.unlane(e, now)
	for l.head < len(l.all) && l.all[l.head].place == gone {
		l.head++
	}
	l.tidy()
}

// tidy closes the gaps in all once they are more than what is there.
func (l *line) tidy() {
	const slack = 64
	if len(l.all) <= 2*l.size.n+slack {
		return
	}
	kept, next := l.all[:0], 0
	for i, e := range l.all {
		if i == l.next {
			next = len(kept)
		}
		if e.place != gone {
			kept = append(kept, e)
		}
	}
	if l.next >= len(l.all) {
		next = len(kept)
	}
	clear(l.all[len(kept):])
	l.all, l.next, l.head = kept, next, 0
}

// first is the oldest entry that may be handed out beside others, nil when there is none.
func (l *line) first() *entry {
	for l.next < len(l.all) && l.all[l.next].place != fresh {
		l.next++
	}
	back := l.ready.first()
	if l.next == len(l.all) {
		return back
	}
	if e := l.all[l.next]; back == nil || e.seq < back.seq {
		return e
	}
	return back
}

// from is the index in all of the first entry after seq.
func (l *line) from(seq uint64) int {
	return sort.Search(len(l.all), func(i int) bool { return l.all[i].seq > seq })
}

// oldest returns up to want of the oldest that are in nobody's hands, until they make up for over.
func (l *line) oldest(over room) (out []*entry, size room) {
	for _, e := range l.all[l.head:] {
		if size.n >= over.n && size.bytes >= over.bytes {
			break
		}
		if e.place.waits() {
			out, size = append(out, e), size.plus(e.room())
		}
	}
	return out, size
}

// due makes ready what waited for its time.
func (l *line) due(now int64) {
	for e := l.delayed.first(); e != nil && e.notBefore() <= now; e = l.delayed.first() {
		l.delayed.drop(e)
		l.offer(e, now)
	}
}

// expire takes out what has waited for too long, and returns it.
func (l *line) expire(now int64) (out []*entry) {
	if !l.declared || l.spec.MaxAge <= 0 {
		return nil
	}
	for e := l.ages.first(); e != nil && e.posted+int64(l.spec.MaxAge) <= now; e = l.ages.first() {
		l.pull(e, leaving)
		out = append(out, e)
	}
	return out
}

// spent reports whether nobody may try the message any more.
func (l *line) spent(e *entry) bool {
	return l.spec.MaxDeliveries > 0 && int(e.attempts) >= l.spec.MaxDeliveries
}

// define takes over what the configuration says of the queue, and of the order that its consumers want.
func (l *line) define(spec task.Queue, declared bool, orderBy string, now int64) {
	aged := (spec.MaxAge > 0) != (l.spec.MaxAge > 0)
	reordered := orderBy != l.orderBy
	l.spec, l.declared, l.orderBy = spec, declared, orderBy
	if reordered {
		for _, e := range l.all {
			e.laned, e.lane = false, ""
		}
	}
	if aged || reordered {
		l.rebuild(now)
	}
}

// rebuild sorts anew everything that waits.
func (l *line) rebuild(now int64) {
	l.ready.clear()
	l.suspects.clear()
	l.delayed.clear()
	l.ages.clear()
	l.lanes, l.unlaned, l.scanned, l.next = nil, 0, 0, len(l.all)
	for _, e := range l.all {
		if e.place != gone {
			l.enlane(e)
		}
	}
	for _, e := range l.all {
		if e.place.waits() {
			l.wait(e, now)
		}
	}
}

// wake is when time alone brings something; 0 is never.
func (l *line) wake() int64 {
	at := l.sweepAt
	if e := l.delayed.first(); e != nil {
		at = sooner(at, e.notBefore())
	}
	if e := l.ages.first(); e != nil && l.declared {
		at = sooner(at, e.posted+int64(l.spec.MaxAge))
	}
	return at
}

// sooner is the earlier of two times, of which 0 is never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// since is when the oldest message was posted; zero when there is none.
func (l *line) since() time.Time {
	if l.head >= len(l.all) {
		return time.Time{}
	}
	return time.Unix(0, l.all[l.head].posted).UTC()
}
