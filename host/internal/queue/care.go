package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	redriveAtOnce = 50   // messages in one commit, bodies included
	purgeAtOnce   = 1000 // messages in one commit
)

// Redrive puts dead letters back into their queue: those with these ids, or all that are there now. Each becomes a
// message with a new id, which is returned. It goes in steps, each of which takes effect wholly or not at all, and
// ends when the queue is full.
func (b *Broker) Redrive(ctx context.Context, queue string, ids []string, by string) (moved []string, err error) {
	l, err := b.find(queue)
	if err != nil {
		return nil, err
	}
	if err := l.care.lock(ctx); err != nil {
		return nil, err
	}
	defer l.care.unlock()
	letters, err := b.letters(ctx, queue, ids)
	if err != nil {
		return nil, err
	}
	for len(letters) > 0 && err == nil {
		n := min(len(letters), redriveAtOnce)
		var some []string
		some, err = b.redriveStep(ctx, queue, letters[:n], by)
		moved, letters = append(moved, some...), letters[n:]
	}
	if len(moved) > 0 {
		b.told(kindRedriven, "%s: %d by %s", queue, len(moved), by)
	}
	return moved, err
}

// letter names a dead letter.
type letter struct {
	seq uint64
	id  string
}

// letters finds dead letters by their ids, or all that are there now, the oldest first. They are all known before the
// first is moved: one that dies again meanwhile is not moved again.
func (b *Broker) letters(ctx context.Context, queue string, ids []string) ([]letter, error) {
	if len(ids) == 0 {
		return b.lettersOf(ctx, task.DeadQuery{Queue: queue})
	}
	var all []letter
	for part := range slices.Chunk(ids, maxLimit) {
		found, err := b.lettersOf(ctx, task.DeadQuery{Queue: queue, IDs: part})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	var missing []string
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(l letter) bool { return l.id == id }) {
			missing = append(missing, fmt.Sprintf("%.40q", id))
		}
	}
	if len(missing) > 0 {
		more := ""
		if len(missing) > 10 {
			more = fmt.Sprintf(" and %d more", len(missing)-10)
			missing = missing[:10]
		}
		return nil, &task.Error{
			Code:   task.CodeDeadUnknown,
			Detail: fmt.Sprintf("the queue %q has no dead letter %s%s; nothing was moved", queue, strings.Join(missing, ", "), more),
			Remedy: "list its dead letters to see those that are there",
		}
	}
	slices.SortFunc(all, func(a, b letter) int { return cmp.Compare(a.seq, b.seq) })
	return slices.CompactFunc(all, func(a, b letter) bool { return a.seq == b.seq }), nil
}

// lettersOf reads the names of all dead letters of a query.
func (b *Broker) lettersOf(ctx context.Context, q task.DeadQuery) (all []letter, err error) {
	q.Limit = defaultLimit
	for {
		page, err := b.cfg.Store.DeadLetters(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			all = append(all, letter{d.Seq, d.ID})
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.SortFunc(all, func(a, b letter) int { return cmp.Compare(a.seq, b.seq) })
			return all, nil
		}
	}
}

// redriveStep puts back some dead letters in one commit: all of them, or as many as fit.
func (b *Broker) redriveStep(ctx context.Context, queue string, letters []letter, by string) ([]string, error) {
	dead, err := b.deadWithBodies(ctx, queue, letters)
	if err != nil {
		return nil, err
	}
	t, err := b.target(queue)
	if err != nil {
		return nil, err
	}
	fit, full := b.fitting(t.line, dead)
	if len(dead) > 0 && fit == 0 {
		return nil, full
	}
	p, w := &put{}, &task.QueueWrite{}
	for _, d := range dead[:fit] {
		one, err := b.draft(t, task.NewMessage{Key: d.Key, Body: d.Body, Source: by, TraceParent: d.TraceParent}, false)
		if err != nil {
			return nil, err
		}
		one.message.RedrivenFrom = d.ID
		p.add(one)
		w.Exhume = append(w.Exhume, d.Seq)
	}
	if fit == 0 {
		return nil, nil // all of them are gone meanwhile
	}
	if err := b.write(ctx, w, p, true); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.dead.stale()
	b.mu.Unlock()
	moved := make([]string, fit)
	for i, d := range p.drafts {
		moved[i] = d.message.ID
	}
	return moved, full
}

// deadWithBodies reads dead letters that are still there, the oldest first.
func (b *Broker) deadWithBodies(ctx context.Context, queue string, letters []letter) (dead []task.DeadLetter, err error) {
	q := task.DeadQuery{Queue: queue, Limit: defaultLimit}
	for _, l := range letters {
		if !slices.Contains(q.IDs, l.id) {
			q.IDs = append(q.IDs, l.id)
		}
	}
	for {
		page, err := b.cfg.Store.DeadLetters(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			if slices.ContainsFunc(letters, func(l letter) bool { return l.seq == d.Seq }) {
				dead = append(dead, d)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.SortFunc(dead, func(a, b task.DeadLetter) int { return cmp.Compare(a.Seq, b.Seq) })
			return dead, nil
		}
	}
}

// fitting is how many of the first dead letters there is room for now, and the refusal of the rest.
func (b *Broker) fitting(l *line, dead []task.DeadLetter) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &claim{line: l}
	for i, d := range dead {
		c.take = c.take.plus(room{1, int64(len(d.Body))})
		if c.lack() != (room{}) {
			return i, fullError(l)
		}
	}
	return len(dead), nil
}

// Purge deletes what waits in a queue, never what a process has; with dead, its dead letters instead. It returns how many
// were deleted, also when it could not go on.
func (b *Broker) Purge(ctx context.Context, queue string, dead bool, by string) (n int, err error) {
	l, err := b.find(queue)
	if err != nil {
		return 0, err
	}
	if err := l.care.lock(ctx); err != nil {
		return 0, err
	}
	defer l.care.unlock()
	what := "messages"
	if dead {
		what = "dead letters"
		n, err = b.purgeDead(ctx, queue)
	} else {
		n, err = b.purgeWaiting(ctx, l)
	}
	if n > 0 {
		b.told(kindPurged, "%s: %d %s by %s", queue, n, what, by)
	}
	return n, err
}

func (b *Broker) purgeDead(ctx context.Context, queue string) (n int, err error) {
	letters, err := b.letters(ctx, queue, nil)
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(letters, purgeAtOnce) {
		w := &task.QueueWrite{}
		for _, l := range part {
			w.Exhume = append(w.Exhume, l.seq)
		}
		if err := b.write(ctx, w, &put{}, true); err != nil {
			return n, err
		}
		n += len(part)
		b.mu.Lock()
		b.dead.stale()
		b.mu.Unlock()
	}
	return n, nil
}

func (b *Broker) purgeWaiting(ctx context.Context, l *line) (n int, err error) {
	b.mu.Lock()
	after, last := uint64(0), b.last
	b.mu.Unlock()
	for ctx.Err() == nil {
		b.mu.Lock()
		part := l.waiting(after, last, purgeAtOnce)
		w := &task.QueueWrite{Waiting: true}
		for _, e := range part {
			l.pull(e, leaving)
			w.Delete = append(w.Delete, e.seq)
			after = e.seq
		}
		b.mu.Unlock()
		if len(part) == 0 {
			return n, nil
		}
		done := make(chan error, 1)
		w.Done = func(err error) {
			b.purged(l, part, err)
			done <- err
		}
		b.cfg.Store.WriteQueues(w)
		if err := <-done; err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, ctx.Err()
}

// waiting returns messages between two seqs that are in nobody's hands.
func (l *line) waiting(after, last uint64, limit int) (out []*entry) {
	for _, e := range l.all[l.from(after):] {
		if e.seq > last || len(out) == limit {
			break
		}
		if e.place.waits() {
			out = append(out, e)
		}
	}
	return out
}

// purged books what became of a step of a purge.
func (b *Broker) purged(l *line, part []*entry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, e := range part {
		if err != nil {
			l.wait(e, now)
		} else {
			l.remove(e, now)
		}
	}
	l.admit()
	b.touch(l)
}

// told has an event told by the next step.
func (b *Broker) told(kind, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.event(kind, format, args...)
	signal(b.wake)
}

// latch lets one in at a time; who waits for it can give up.
type latch chan struct{}

func (l latch) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l latch) unlock() { <-l }
