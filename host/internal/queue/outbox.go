package queue

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// maxParts bounds one write of what nobody waits for.
const maxParts = 4096

// outbox is what is to be written and nobody waits for. While the store takes no writes it stays here.
type outbox struct {
	acks    []ack
	burials []burial
	updates []*entry
	settles []*settle
	hurry   bool // somebody waits for it after all
}

// ack is a message that was handled and whose handler committed nothing.
type ack struct {
	entry    *entry
	consumer *consumer
}

type burial struct {
	entry  *entry
	reason task.DeadReason
	at     time.Time
}

// fence holds back what nobody waits for while the store takes no writes. Nothing is handed out meanwhile,
// because nothing could be acknowledged. A disk that is nearly full takes what needs no room and nothing else: the fence comes and
// goes then, and that is told once.
type fence struct {
	down  bool
	told  bool  // that writes fail
	small bool  // some of them need no room
	at    int64 // when to try again; 0 while a try is under way
	pause time.Duration
}

const (
	minPause = 50 * time.Millisecond
	maxPause = time.Second
)

// save has what is known of a message written. The lock is held.
func (b *Broker) save(e *entry) {
	if !e.unsaved {
		e.unsaved = true
		b.out.updates = append(b.out.updates, e)
	}
}

// bury makes a dead letter of a message that is in nobody's hands any more, and does not wait. text is its last
// error when it has none. The lock is held.
func (b *Broker) bury(e *entry, reason task.DeadReason, text string) {
	if p := e.history(); p.lastError == "" {
		p.lastError = text
	}
	b.out.burials = append(b.out.burials, burial{e, reason, b.cfg.Now()})
	b.out.hurry = b.out.hurry || e.line.pressing()
}

// flush makes writes of the outbox; of none while the store takes none. The lock is held.
func (b *Broker) flush(now int64) (writes []*task.QueueWrite) {
	if b.fence.down {
		if b.fence.at == 0 || b.fence.at > now && !b.closed {
			return nil
		}
		b.fence.at = 0
	}
	for _, s := range b.out.settles {
		writes = append(writes, b.writeOf(s))
	}
	clear(b.out.settles)
	b.out.settles = b.out.settles[:0]
	for {
		t := b.out.take()
		if t == nil {
			break
		}
		writes = append(writes, b.tripWrite(t))
	}
	if b.fence.down && len(writes) == 0 {
		b.wrote(true)
	}
	return writes
}

func (b *Broker) writeOf(s *settle) *task.QueueWrite {
	w := &task.QueueWrite{
		Task: s.consumer.worker.name, Run: s.consumer.run, Ops: s.ops, Settles: true, Waiting: true, Delete: make([]uint64, len(s.acks)),
	}
	for i, e := range s.acks {
		w.Delete[i] = e.seq
	}
	if s.put != nil {
		s.put.into(w)
	}
	w.Done = func(err error) { b.settled(s, w.Put, err) }
	return w
}

// trip is a part of the outbox on its way to the store.
type trip struct {
	acks    []ack
	burials []burial
	updates []*entry
	told    []task.MessageUpdate // of updates
	hurry   bool
}

// grows reports whether it needs room on the disk.
func (t *trip) grows() bool { return len(t.burials)+len(t.updates) > 0 }

// take takes the next part out of the outbox; nil when there is none.
func (o *outbox) take() *trip {
	t := &trip{hurry: o.hurry}
	t.acks, o.acks = cut(o.acks)
	t.burials, o.burials = cut(o.burials)
	updates, rest := cut(o.updates)
	o.updates = rest
	for _, e := range updates {
		e.unsaved = false
		if e.place != gone && e.place != settling {
			t.updates, t.told = append(t.updates, e), append(t.told, e.update())
		}
	}
	if len(t.acks)+len(t.burials)+len(t.updates) == 0 {
		o.hurry = false
		return nil
	}
	return t
}

// cut splits off what goes into one write.
func cut[T any](all []T) (part, rest []T) {
	if len(all) <= maxParts {
		return all, nil
	}
	return all[:maxParts], all[maxParts:]
}

func (b *Broker) tripWrite(t *trip) *task.QueueWrite {
	w := &task.QueueWrite{Update: t.told, Waiting: t.hurry}
	if len(t.acks) > 0 {
		w.Delete = make([]uint64, len(t.acks))
	}
	for i, a := range t.acks {
		w.Delete[i] = a.entry.seq
	}
	for _, u := range t.burials {
		w.Bury = append(w.Bury, task.Burial{MessageUpdate: u.entry.update(), Reason: u.reason, At: u.at})
	}
	w.Done = func(err error) { b.returned(t, err) }
	return w
}

// returned books what became of a part of the outbox. Nothing in it could be refused for what it is, so every error
// says that the store takes no writes now.
func (b *Broker) returned(t *trip, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if err != nil {
		b.out.acks = append(b.out.acks, t.acks...)
		b.out.burials = append(b.out.burials, t.burials...)
		b.out.hurry = b.out.hurry || t.hurry
		for _, e := range t.updates {
			b.save(e)
		}
		b.failed(err, t.grows(), now)
		return
	}
	b.wrote(t.grows())
	for _, a := range t.acks {
		a.consumer.synced(1, 0)
		b.acked(a.entry, now)
	}
	for _, u := range t.burials {
		b.buried(u, now)
	}
	for i, e := range t.updates {
		if e.place == gone {
			continue
		}
		e.history().saved = int32(t.told[i].Attempts)
		if e.saved() > e.attempts {
			b.save(e) // it was given back uncounted meanwhile
			b.touch(e.line)
		}
	}
}

// buried forgets a message that is a dead letter now. The lock is held.
func (b *Broker) buried(u burial, now int64) {
	l := u.entry.line
	b.dead.stale()
	l.buried++
	b.tellDead(l, u.entry.id, u.reason, now)
	l.remove(u.entry, now)
	l.admit()
	b.touch(l)
}

// failed puts up the fence, or keeps it up for longer. The lock is held.
func (b *Broker) failed(err error, grows bool, now int64) {
	f := &b.fence
	f.small = f.small || !grows
	if f.down && f.at != 0 {
		return
	}
	if !f.told {
		b.cfg.Log.Warn("what became of messages cannot be written; nothing is handed out until it can", "err", err)
	}
	f.down, f.told, f.pause = true, true, min(max(2*f.pause, minPause), maxPause)
	f.at = now + int64(f.pause)
	signal(b.wake)
}

// wrote takes down the fence: the store takes such writes. The lock is held.
func (b *Broker) wrote(grows bool) {
	f := &b.fence
	if f.down {
		f.down, f.at = false, 0
		b.touchAll()
	}
	if f.told && (grows || f.small) {
		b.cfg.Log.Info("what became of messages can be written again")
		*f = fence{}
	}
}
