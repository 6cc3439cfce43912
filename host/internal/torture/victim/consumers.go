package main

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
	"github.com/taskhost/taskhost/sdk/task"
)

type message = task.Message[journal.Value]

// handle writes down that a handler was entered. Some messages fail at first, some are slow, some are poison: by
// their name, so that one run of the test is like another.
func (v victim) handle(ctx context.Context, h *task.Host, m *message) error {
	e := journal.Entry{Kind: journal.Handle, Queue: m.Queue, Message: m.ID, Attempt: m.Attempt, Names: []string{m.Value.Name}, Altered: m.Value.Altered()}
	if err := v.Write(e); err != nil {
		return err
	}
	v.marks.send(journal.Handle)
	switch {
	case journal.Poison(m.Value.Name):
		return task.Permanent(errors.New("it is poison"))
	case m.Attempt == 1 && share(m.Queue+m.Value.Name, 12) == 0:
		return errors.New("fails once")
	case share(m.Queue+m.Value.Name, 5) == 1:
		return h.Wait(ctx, 30*time.Millisecond)
	}
	return nil
}

// settle writes down that a handler is about to return well.
func (v victim) settle(m *message) error {
	err := v.Write(journal.Entry{Kind: journal.Settle, Queue: m.Queue, Message: m.ID})
	v.marks.send(journal.Settle)
	return err
}

// relay makes one message of each. No two tries make the same, so that what a try that failed has made would be seen.
type relay struct{ victim }

func (r *relay) Handle(ctx context.Context, h *task.Host, m *message) error {
	next := m.Value
	next.Via = via()
	m.Emit("out", next)
	if err := r.handle(ctx, h, m); err != nil {
		return err
	}
	return r.settle(m)
}

// sink is the end of the way.
type sink struct{ victim }

func (s *sink) Handle(ctx context.Context, h *task.Host, m *message) error {
	if err := s.handle(ctx, h, m); err != nil {
		return err
	}
	return s.settle(m)
}
