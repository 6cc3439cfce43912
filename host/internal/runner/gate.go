package runner

import (
	"context"
	"slices"
	"sync"
)

// gate lets a bounded number of launches through at a time: those that a run waits for
// first, and otherwise in order.
type gate struct {
	mu      sync.Mutex
	free    int
	waiting []*ticket
}

// ticket is one launch's place in the queue.
type ticket struct {
	urgent bool
	turn   chan struct{} // closed when it is let through
}

func newTicket(urgent bool) *ticket { return &ticket{urgent: urgent, turn: make(chan struct{})} }

// enter waits for the ticket's turn. It reports false when ctx ended before.
func (g *gate) enter(ctx context.Context, t *ticket) bool {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return true
	}
	g.waiting = append(g.waiting, t)
	g.mu.Unlock()
	select {
	case <-t.turn:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, t); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		return false
	}
	return true // let through at the same moment
}

// leave lets the next one through.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.free++
		return
	}
	next := max(slices.IndexFunc(g.waiting, func(t *ticket) bool { return t.urgent }), 0)
	close(g.waiting[next].turn)
	g.waiting = slices.Delete(g.waiting, next, next+1)
}

// hurry moves a ticket before those that nobody waits for.
func (g *gate) hurry(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.urgent = true
}
