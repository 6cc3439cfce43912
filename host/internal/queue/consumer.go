package queue

import (
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

// ahead is how many deliveries a consumer has under way for each that its handlers take at a time.
const ahead = 2

// nobody is the consumer of a task that consumes nothing.
type nobody struct{}

func (nobody) Window(int)           {}
func (nobody) Entered([]uint64)     {}
func (nobody) Handled(task.Handled) {}
func (nobody) Close(string)         {}

var _ task.Consumer = (*consumer)(nil)

// Consume begins to hand out messages to a process. See task.Queues.
func (b *Broker) Consume(def *task.Definition, run string, deliver func([]task.Delivery)) task.Consumer {
	if def.Consume == nil {
		return nobody{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	spec := def.Consume
	c := &consumer{
		worker: b.worker(def.Name), run: run, held: map[uint64]hold{}, broker: b, deliver: deliver,
		most: max(1, spec.Concurrency) * max(1, spec.Batch.Size) * ahead,
		line: b.line(spec.Queue), outputs: def.Outputs,
	}
	if b.cfg.Gate != nil {
		c.groups = slices.Clone(def.Groups)
	}
	c.worker.bucket.set(spec.Rate, spec.Per, b.now())
	c.line.consumers = append(c.line.consumers, c)
	return c
}

// worker finds what the processes of a task share. The lock is held.
func (b *Broker) worker(name string) *worker {
	w := b.workers[name]
	if w == nil {
		w = &worker{name: name}
		b.workers[name] = w
	}
	return w
}

// taken returns what was given to the consumer since the last time; nothing once it is closed.
func (c *consumer) taken() []task.Delivery {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	out := c.out
	c.out = nil
	if c.closed {
		return nil
	}
	return out
}

// Window says how many deliveries the process takes that it has not settled.
func (c *consumer) Window(n int) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed {
		return
	}
	c.window = max(0, n)
	b.touch(c.line)
}

// Entered counts the attempts of deliveries.
func (c *consumer) Entered(tags []uint64) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	now, sweep := b.now(), c.line.sweepAt
	for _, tag := range tags {
		c.line.enter(c, tag, now)
	}
	if c.line.sweepAt != sweep {
		b.touch(c.line)
	}
}

// Close gives back what was not settled.
func (c *consumer) Close(crash string) {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	l, now := c.line, b.now()
	l.consumers = slices.DeleteFunc(l.consumers, func(o *consumer) bool { return o == c })
	if c.joining || c.through {
		b.leaves = append(b.leaves, c.ticket)
		c.joining, c.through = false, false
	}
	held := make([]hold, 0, len(c.held))
	for tag := range c.held {
		held = append(held, b.letGo(c, tag))
	}
	if l.lone == c {
		l.lone = nil
	}
	for _, h := range held {
		switch {
		case h.entered == 0:
			l.wait(h.entry, now)
		case crash == "":
			b.ended(h.entry, now)
		default:
			h.entry.history().crashes++
			b.decide(h.entry, l.afterCrash(h.entry, crash, random()), now)
		}
	}
	b.touch(l)
}

// letGo takes a delivery out of the consumer's hands. The lock is held.
func (b *Broker) letGo(c *consumer, tag uint64) hold {
	h := c.held[tag]
	delete(c.held, tag)
	if h.ticket != 0 {
		b.leaves = append(b.leaves, h.ticket)
	}
	if c.alone {
		c.alone, c.owed = false, true
		c.line.lone = nil
	}
	c.line.pull(h.entry, settling)
	return h
}

// ended gives back a message whose handler was at work when its run ended. The lock is held.
func (b *Broker) ended(e *entry, now int64) {
	f := fate{text: runEnded}
	if e.line.spent(e) {
		f.dead = task.DeadFailed
	}
	b.decide(e, f, now)
}
