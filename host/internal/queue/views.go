package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	defaultLimit = 100
	maxLimit     = 500
	maxPeekBytes = 8 << 20 // of bodies in one page
	deadFor      = 5 * time.Second
	deadWait     = 2 * time.Second
)

// deadCounts remembers for a while how many dead letters each queue has.
type deadCounts struct {
	by    map[string]int
	until int64
}

func (d *deadCounts) set(by map[string]int, now int64) { d.by, d.until = by, now+int64(deadFor) }
func (d *deadCounts) stale()                           { d.until = 0 }
func (d *deadCounts) of(queue string) int              { return d.by[queue] }

// countDead asks the store how many dead letters there are, when what is known is old. A store that does not answer leaves it.
func (b *Broker) countDead() {
	b.mu.Lock()
	now := b.now()
	old := now >= b.dead.until || b.dead.until > now+int64(deadFor)
	if old {
		b.dead.until = now + int64(deadFor) // what is buried while the store is asked makes it stale again
	}
	b.mu.Unlock()
	if !old {
		return
	}
	ctx, cancel := context.WithTimeout(b.life, deadWait)
	defer cancel()
	by, err := b.cfg.Store.DeadCounts(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.dead.stale()
		return
	}
	b.dead.by = by
	for name := range by {
		b.line(name)
	}
}

// Queues describes all queues, sorted by name: those that are declared, and those that something is left of.
func (b *Broker) Queues() []task.QueueStatus {
	b.countDead()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]task.QueueStatus, 0, len(b.lines))
	for _, name := range slices.Sorted(maps.Keys(b.lines)) {
		if b.visible(name) {
			out = append(out, b.status(b.lines[name]))
		}
	}
	return out
}

// Queue describes one queue.
func (b *Broker) Queue(name string) (task.QueueStatus, bool) {
	b.countDead()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.visible(name) {
		return task.QueueStatus{}, false
	}
	return b.status(b.lines[name]), true
}

// visible reports whether people see the queue. The lock is held.
func (b *Broker) visible(name string) bool {
	l := b.lines[name]
	return l != nil && (l.declared || l.size.n > 0 || b.dead.of(name) > 0)
}

// status describes a queue. The lock is held.
func (b *Broker) status(l *line) task.QueueStatus {
	now := b.now()
	s := task.QueueStatus{
		Queue: l.spec, Declared: l.declared, Messages: l.size.n, Bytes: l.size.bytes,
		Ready:   l.counts[fresh] + l.counts[ready] + l.counts[suspect],
		Delayed: l.counts[delayed], InFlight: l.counts[held] + l.counts[settling],
		Dead: b.dead.of(l.spec.Name), Oldest: l.since(),
		In: l.in.rate(now), Out: l.out.rate(now),
		Posted: l.posted, Duplicate: l.duplicates, Acked: l.acked, Failed: l.failed, Dropped: l.dropped, Rejected: l.rejected, Buried: l.buried,
		Producers: slices.Clone(l.producers),
	}
	for _, c := range l.consumers {
		s.Consumers = append(s.Consumers, task.ConsumerView{Task: c.worker.name, Run: c.run, InFlight: len(c.held), Paused: c.worker.paused})
	}
	slices.SortFunc(s.Consumers, func(a, b task.ConsumerView) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Run, b.Run))
	})
	return s
}

// find finds a queue that people see.
func (b *Broker) find(name string) (*line, error) {
	b.countDead()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		return nil, err
	}
	if !b.visible(name) {
		return nil, unknownQueue(name, b.names())
	}
	return b.lines[name], nil
}

// Peek returns messages that wait or are in flight, in their order, with bodies. A page ends early when it becomes large.
func (b *Broker) Peek(ctx context.Context, queue string, limit int, cursor string) (task.Page[task.Message], error) {
	var page task.Page[task.Message]
	l, err := b.find(queue)
	if err != nil {
		return page, err
	}
	after, err := parseCursor(cursor)
	if err != nil {
		return page, err
	}
	switch {
	case limit == 0:
		limit = defaultLimit
	case limit < 0 || limit > maxLimit:
		return page, invalid(fmt.Sprintf("a page takes 1 to %d", maxLimit), "limit %d is out of range", limit)
	}
	items, more := b.glance(l, after, limit)
	if len(items) > 0 && more {
		page.Next = strconv.FormatUint(items[len(items)-1].Seq, 10)
	}
	page.Items, err = b.fill(ctx, items)
	return page, err
}

func parseCursor(cursor string) (uint64, error) {
	if cursor == "" {
		return 0, nil
	}
	after, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil || strconv.FormatUint(after, 10) != cursor {
		return 0, invalid("leave it out to read from the beginning", "the cursor does not belong to this list")
	}
	return after, nil
}

// glance copies what memory knows of the messages after a seq.
func (b *Broker) glance(l *line, after uint64, limit int) (items []task.Message, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := room{}
	for _, e := range l.all[l.from(after):] {
		if e.place == gone {
			continue
		}
		if size.n >= limit || size.n > 0 && size.bytes+int64(e.size) > maxPeekBytes {
			return items, true
		}
		items, size = append(items, e.message()), size.plus(e.room())
	}
	return items, false
}

// fill reads the bodies that memory did not hold. What is gone meanwhile is left out.
func (b *Broker) fill(ctx context.Context, items []task.Message) ([]task.Message, error) {
	var seqs []uint64
	for _, m := range items {
		if m.Body == nil {
			seqs = append(seqs, m.Seq)
		}
	}
	if len(seqs) == 0 {
		return items, nil
	}
	read, err := b.cfg.Store.Bodies(ctx, seqs)
	if err != nil {
		return nil, err
	}
	bodies := make(map[uint64]json.RawMessage, len(seqs))
	for i, seq := range seqs {
		bodies[seq] = read[i]
	}
	for i := range items {
		if items[i].Body == nil {
			items[i].Body = bodies[items[i].Seq]
		}
	}
	return slices.DeleteFunc(items, func(m task.Message) bool { return m.Body == nil }), nil
}

// DeadLetters returns dead letters of a queue, the newest first.
func (b *Broker) DeadLetters(ctx context.Context, q task.DeadQuery) (task.Page[task.DeadLetter], error) {
	if _, err := b.find(q.Queue); err != nil {
		return task.Page[task.DeadLetter]{}, err
	}
	return b.cfg.Store.DeadLetters(ctx, q)
}
