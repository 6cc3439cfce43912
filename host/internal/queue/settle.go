package queue

import (
	"errors"

	"github.com/taskhost/taskhost/host/internal/task"
)

// settle is the commit of a handler: the acknowledgements of what it handled, what it saves and what it emits.
type settle struct {
	consumer *consumer
	acks     []*entry
	ops      []task.Op // no emits
	put      *put      // nil: it emits nothing
	bytes    int
}

// Handled settles deliveries. See task.Consumer.
func (c *consumer) Handled(h task.Handled) {
	b := c.broker
	s, refused := b.settlement(c, h)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, m := range h.Messages {
		if _, ok := c.held[m.Tag]; !ok {
			continue // it was settled before, or has gone back
		}
		e := b.handled(c, m, now)
		switch {
		case e == nil:
		case refused != nil:
			b.refuse(e, refused, now)
		case s == nil:
			c.unsynced++
			b.out.acks = append(b.out.acks, ack{e, c})
			b.out.hurry = b.out.hurry || c.line.pressing()
		default:
			s.acks = append(s.acks, e)
		}
	}
	if s != nil && len(s.acks) > 0 {
		b.begin(s, now)
	}
	b.touch(c.line)
}

// handled takes back one delivery. It returns the message when it is to be acknowledged. The lock is held.
func (b *Broker) handled(c *consumer, m task.HandledMessage, now int64) *entry {
	h := b.letGo(c, m.Tag)
	e := h.entry
	if m.Status == task.StatusInterrupted {
		if h.entered != 0 {
			e.attempts--
		}
		if e.saved() > e.attempts {
			b.save(e)
		}
		c.line.wait(e, now)
		return nil
	}
	if h.entered == 0 {
		e.attempts++ // a handler has had it, or there would be no word of it
	}
	if m.Status == task.StatusSucceeded || m.Status == task.StatusSkipped {
		return e
	}
	c.line.failed++
	b.decide(e, c.line.after(e, m, random()), now)
	return nil
}

// decide lets the fate of a message come true. The lock is held.
func (b *Broker) decide(e *entry, f fate, now int64) {
	if f.dead != "" {
		e.history().lastError = f.text
		b.bury(e, f.dead, f.text)
		return
	}
	e.line.again(e, f, now)
	b.save(e)
}

// refuse fails a message whose commit was refused. The lock is held.
func (b *Broker) refuse(e *entry, err error, now int64) {
	e.line.failed++
	b.decide(e, e.line.after(e, task.HandledMessage{Status: task.StatusFailed, Message: err.Error()}, random()), now)
}

// settlement prepares the commit of a handler; nil when it commits nothing. err is why it cannot be taken.
func (b *Broker) settlement(c *consumer, h task.Handled) (s *settle, err error) {
	if len(h.Ops) == 0 {
		return nil, nil
	}
	s = &settle{consumer: c}
	from := origin{acked: true}
	b.mu.Lock()
	for _, m := range h.Messages {
		if held, ok := c.held[m.Tag]; ok && (m.Status == task.StatusSucceeded || m.Status == task.StatusSkipped) {
			from.source, from.trace = "message "+held.entry.id, held.entry.trace()
			break
		}
	}
	b.mu.Unlock()
	if from.source == "" {
		return nil, nil
	}
	s.ops, s.put, err = b.split(h.Ops, c.outputs, from)
	for _, op := range h.Ops {
		s.bytes += len(op.Value)
	}
	return s, err
}

// begin takes room for a settlement, or lets it wait for it. The lock is held.
func (b *Broker) begin(s *settle, now int64) {
	c := s.consumer
	c.unsynced += len(s.acks)
	c.unsyncedBytes += s.bytes
	if s.put == nil {
		b.send(s)
		return
	}
	s.put.acknowledges(s.acks)
	wait, err := reserve(s.put.claims, nil, false)
	b.touchClaims(s.put.claims)
	switch {
	case err != nil:
		b.undo(s, err, now)
	case !wait:
		b.send(s)
	default:
		c.blocked++
		w := &waiter{claims: s.put.claims}
		w.ready = func(err error) {
			c.blocked--
			switch {
			case err == nil:
				b.send(s)
			case !errors.Is(err, errClosed):
				b.undo(s, err, b.now())
			}
			b.touch(c.line)
		}
		w.stand()
	}
}

// send has a settlement written by the next step. The lock is held.
func (b *Broker) send(s *settle) {
	b.out.settles = append(b.out.settles, s)
	b.touch(s.consumer.line)
}

// settled books what became of a settlement.
func (b *Broker) settled(s *settle, puts []task.Put, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if err != nil && !refusesContent(err) {
		b.out.settles = append(b.out.settles, s)
		b.failed(err, true, now)
		return
	}
	b.wrote(true) // also with a refusal of what was in it: the store answers
	if s.put != nil {
		b.landed(s.put, puts, err, now)
	}
	if err != nil {
		b.undo(s, err, now)
		return
	}
	s.consumer.synced(len(s.acks), s.bytes)
	for _, e := range s.acks {
		b.acked(e, now)
	}
}

// undo fails what a settlement would have acknowledged. The lock is held.
func (b *Broker) undo(s *settle, err error, now int64) {
	s.consumer.synced(len(s.acks), s.bytes)
	for _, e := range s.acks {
		b.refuse(e, err, now)
	}
	b.touch(s.consumer.line)
}

// acked forgets a message whose acknowledgement is on the disk. The lock is held.
func (b *Broker) acked(e *entry, now int64) {
	e.line.acked++
	e.line.out.pass(now)
	e.line.remove(e, now)
	e.line.admit()
	b.touch(e.line)
}

func (c *consumer) synced(n, bytes int) {
	c.unsynced -= n
	c.unsyncedBytes -= bytes
}

// pressing reports whether somebody waits for acknowledgements of the queue.
func (l *line) pressing() bool { return l.orderBy != "" || len(l.waiters) > 0 }

// refusesContent reports whether the store refused what was in a write, and would do so again.
func refusesContent(err error) bool {
	var refusal *task.Error
	return errors.As(err, &refusal) && refusal.Code != codeUnavailable
}
