package store

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// forgetPiece is how many dead letters are forgotten at a time: a body can be large.
const forgetPiece = 16

// SetQueue bounds what is kept of a queue's dead letters, soon and from now on.
func (s *SQLite) SetQueue(name string, d task.DeadLetters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bounds[name] == d || s.closed {
		return
	}
	s.bounds[name] = d
	s.pending.queues = true
	s.signal(s.wake)
}

// queues forgets dead letters over the bounds of their queues, and ids that have been remembered long enough. All
// looks after the ages too; without it there is little to do for a transaction that touches no queue.
func (p *pruner) queues(ctx context.Context, s *SQLite, all bool, now time.Time) (done bool, err error) {
	s.mu.Lock()
	bounds := make(map[string]task.DeadLetters, len(s.bounds))
	counts := make(map[string]int, len(s.bounds))
	for name, b := range s.bounds {
		if n := s.dead[name] + p.t.queues.dead[name]; n > 0 && (all || p.t.queues.dead[name] > 0) {
			bounds[name], counts[name] = b, n
		}
	}
	s.mu.Unlock()
	for name, b := range bounds {
		if done, err := p.deadLetters(ctx, name, b, counts[name], now); !done || err != nil {
			return false, err
		}
	}
	if !all && len(p.t.queues.fresh) == 0 {
		return true, nil
	}
	// Whoever adds ids takes away as many that have expired, and some more: so there is never much to do.
	return p.ids(ctx, all, len(p.t.queues.fresh)/chunk+1, now)
}

func (p *pruner) deadLetters(ctx context.Context, queue string, b task.DeadLetters, n int, now time.Time) (done bool, err error) {
	const oldest = `seq IN (SELECT seq FROM dead_letters WHERE queue = ? AND seq < ? ORDER BY seq LIMIT 0 + ?)`
	before := uint64(0)
	if b.Age > 0 {
		before = micros(now.Add(-b.Age))
	}
	for b.Max > 0 && n > b.Max || before > 0 {
		if p.late() {
			return false, nil
		}
		some, below := forgetPiece, before
		if over := n - b.Max; b.Max > 0 && over > 0 {
			some, below = min(over, forgetPiece), forever
		}
		was := p.t.queues.dead[queue]
		if err := p.t.dropDead(ctx, oldest, queue, below, some); err != nil {
			return false, err
		}
		gone := was - p.t.queues.dead[queue]
		if gone == 0 {
			break
		}
		n -= gone
	}
	return true, nil
}

// ids forgets ids that have expired: some pieces, or all.
func (p *pruner) ids(ctx context.Context, all bool, pieces int, now time.Time) (done bool, err error) {
	for i := 0; all || i < pieces; i++ {
		if all && p.late() {
			return false, nil
		}
		n, err := p.t.change(ctx, `DELETE FROM message_ids WHERE (queue, id) IN (SELECT queue, id FROM message_ids WHERE expires <= ? ORDER BY expires LIMIT 0 + ?)`,
			now.UnixMicro(), 2*chunk)
		if err != nil {
			return false, err
		}
		if n < 2*chunk {
			return true, nil
		}
	}
	return true, nil
}
