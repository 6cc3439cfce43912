package queue

import (
	"encoding/json"
	"time"
)

// What is read back at a time. Once memory is well over its budget it is one message.
var (
	readAtOnce = room{256, 1 << 20}
	readOne    = room{1, 1}
)

const cacheSlack = 16 << 20

// tryAgain is after how long it is tried again to read a body that could not be read when others could.
const tryAgain = time.Minute

// readBodies is the goroutine that reads bodies: of what is about to be handed out, and of what must be ordered by
// one of its fields.
func (b *Broker) readBodies() {
	pause := minPause
	for {
		select {
		case <-b.bodies:
		case <-b.life.Done():
			return
		}
		for more := true; more; {
			var err error
			if more, err = b.readSome(); err == nil {
				pause = minPause
				continue
			}
			if b.life.Err() != nil {
				return
			}
			b.cfg.Log.Warn("messages cannot be read; they wait", "err", err)
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-b.life.Done():
				timer.Stop()
				return
			}
			more, pause = true, min(2*pause, 5*time.Second)
		}
	}
}

// readSome reads the bodies that one queue wants, and reports whether there may be more to read.
func (b *Broker) readSome() (more bool, err error) {
	l, entries, orderBy := b.wanted()
	if l == nil {
		return false, nil
	}
	seqs := make([]uint64, len(entries))
	for i, e := range entries {
		seqs[i] = e.seq
	}
	var bodies []json.RawMessage
	var damage error // of some of them
	if len(seqs) > 0 {
		if bodies, damage = b.cfg.Store.Bodies(b.life, seqs); bodies == nil {
			b.mu.Lock()
			l.fetch = true
			l.scanned = min(l.scanned, seqs[0]-1)
			b.mu.Unlock()
			return false, damage
		}
	}
	lanes := make([]string, len(entries))
	for i, body := range bodies {
		lanes[i] = laneOf(orderBy, entries[i].key, body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if damage != nil {
		b.cfg.Log.Error("some messages cannot be read; they wait, and the others go on", "queue", l.spec.Name, "err", damage)
	}
	for i, e := range entries {
		if bodies[i] == nil && damage != nil {
			l.setAside(e, orderBy == l.orderBy, now)
			continue
		}
		b.read(e, bodies[i], lanes[i], orderBy == l.orderBy, now)
	}
	l.fetch = l.fetch || l.unlaned > 0 && len(entries) > 0
	b.touch(l)
	return true, nil
}

// wanted picks a queue that wants bodies, and the messages whose.
func (b *Broker) wanted() (*line, []*entry, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		if !l.fetch {
			continue
		}
		l.fetch = false
		limit := readAtOnce
		if b.cache.used > b.cache.limit+cacheSlack {
			limit = readOne
		}
		if l.unlaned > 0 {
			return l, l.unknown(readAtOnce), l.orderBy
		}
		return l, l.wanted(limit), l.orderBy
	}
	return nil, nil, ""
}

// setAside lets a message wait whose body cannot be read. Where the order depends on it, it is in nobody's way.
func (l *line) setAside(e *entry, ordered bool, now int64) {
	if e.place.waits() {
		e.history().notBefore = now + int64(tryAgain)
	}
	if ordered && l.unlaned > 0 {
		l.known(e, "", now)
	}
	if e.place.waits() {
		l.pull(e, leaving)
		l.wait(e, now)
	}
}

// read takes one body. The lock is held.
func (b *Broker) read(e *entry, body json.RawMessage, lane string, ordered bool, now int64) {
	l := e.line
	if !e.place.waits() {
		if ordered {
			l.known(e, lane, now)
		}
		return
	}
	if body == nil {
		b.cfg.Log.Error("a message is not in the store any more; it is forgotten", "queue", l.spec.Name, "message", e.id)
		l.remove(e, now)
		l.admit()
		return
	}
	if l.unlaned > 0 {
		if ordered {
			l.known(e, lane, now)
		}
		b.cache.keep(e, body)
		return
	}
	b.cache.hold(e, body)
}
