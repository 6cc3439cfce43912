package task

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Buffer collects ops and commits them together: by their number, their size and
// the time that the oldest has waited. It is made by [Host.Buffer] and safe for
// concurrent use.
type Buffer struct {
	host  *Host
	max   int
	delay time.Duration
	turn  chan struct{} // holds one token: who has it owns what follows

	ops   []Op
	bytes int
	timer *time.Timer
	err   error // of a commit that the timer made, for the next caller
}

// BufferOption sets a bound of a buffer.
type BufferOption func(*Buffer)

// MaxOps commits as soon as n ops are there; the default is 256, at most 1,000.
func MaxOps(n int) BufferOption { return func(b *Buffer) { b.max = min(max(n, 1), 1000) } }

// MaxDelay commits when the oldest op has waited for d; the default is 50 ms.
// 0 commits every Add by itself.
func MaxDelay(d time.Duration) BufferOption { return func(b *Buffer) { b.delay = max(d, 0) } }

// Buffer makes a buffer for this run. What is in it when the run returns nil or
// [Interrupted] is committed then, before the run counts as done; when the run
// fails, it is dropped. In a handler it is one for this call, with [Skip] in place of Interrupted.
func (h *Host) Buffer(options ...BufferOption) *Buffer {
	b := &Buffer{host: h, max: 256, delay: 50 * time.Millisecond, turn: make(chan struct{}, 1)}
	for _, o := range options {
		o(b)
	}
	b.turn <- struct{}{}
	if h.work != nil {
		h.work.AtEnd(b.Flush)
	} else {
		h.handle.AtEnd(b.Flush)
	}
	return b
}

// Add puts ops into the buffer, those of one call always into the same commit. It
// waits while a commit is under way, and commits itself when the buffer is full.
// It fails with the error of any commit since the last call; what that commit held
// is lost.
func (b *Buffer) Add(ctx context.Context, ops ...Op) error {
	if err := b.lock(ctx); err != nil {
		return err
	}
	defer b.unlock()
	size := 0
	for _, op := range ops {
		if err := op.mistake(); err != nil {
			return fmt.Errorf("buffer: %w", err)
		}
		size += proto.Size(op.op) + 4
		if e := op.op.GetEmit(); e != nil && e.GetId() == "" {
			size += session.IDRoom
		}
	}
	full := len(b.ops)+len(ops) > 1000 || b.bytes+size > b.host.handle.MaxOpBytes()
	if full {
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	b.ops, b.bytes = append(b.ops, ops...), b.bytes+size
	if len(b.ops) >= b.max || b.delay == 0 {
		return b.commit(ctx)
	}
	if b.timer == nil && len(b.ops) > 0 {
		b.timer = time.AfterFunc(b.delay, b.late)
	}
	return b.take()
}

// Flush commits what is in the buffer.
func (b *Buffer) Flush(ctx context.Context) error {
	if err := b.lock(ctx); err != nil {
		return err
	}
	defer b.unlock()
	return b.commit(ctx)
}

// late is the timer's commit.
func (b *Buffer) late() {
	ctx := b.host.handle.Context()
	if b.host.work != nil {
		ctx = b.host.work.Context()
	}
	if b.lock(ctx) != nil {
		return
	}
	defer b.unlock()
	b.timer = nil
	b.err = b.commit(ctx)
}

// commit sends what is there. It and take are called with the turn held.
func (b *Buffer) commit(ctx context.Context) error {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if err := b.take(); err != nil {
		return err
	}
	if len(b.ops) == 0 {
		return nil
	}
	raw := make([]*taskv1.Op, len(b.ops))
	for i, op := range b.ops {
		raw[i] = op.op
	}
	clear(b.ops)
	b.ops, b.bytes = b.ops[:0], 0
	if err := b.host.commit(ctx, raw); err != nil {
		return fmt.Errorf("commit buffer: %w", err)
	}
	return nil
}

func (b *Buffer) take() error {
	err := b.err
	b.err = nil
	return err
}

func (b *Buffer) lock(ctx context.Context) error {
	select {
	case <-b.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Buffer) unlock() { b.turn <- struct{}{} }
