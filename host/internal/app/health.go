package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// pulseTime bounds the answer of what must always answer soon: the fleet, and the clock of the slots.
	pulseTime = 5 * time.Second
	// overdueTime is how long a slot may be due before nobody can be looking after it. Every loop looks at the clock
	// twice in it, whatever the clock did.
	overdueTime = time.Minute
)

// health looks after the host from inside.
type health struct{ *host }

var _ api.Health = health{}

// Alive says why the scheduler makes no progress: its goroutine does not answer, its clock does not ring, or a slot
// is due that nobody looks after. While the host starts or ends there is no scheduler to ask.
func (h health) Alive(ctx context.Context) error {
	if !h.verbs.running() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pulseTime, fmt.Errorf("no answer within %s", pulseTime))
	defer cancel()
	if _, err := h.fleet.Host(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("ask the fleet: %w", context.Cause(ctx))
	}
	if err := h.rings(ctx); err != nil {
		return fmt.Errorf("ring the clock of the slots: %w", err)
	}
	return overdue(h.store.Statuses(), time.Now())
}

// rings waits for a timer that is due at once.
func (h health) rings(ctx context.Context) error {
	timer := h.clock.Timer()
	defer timer.Stop()
	timer.Reset(time.Millisecond)
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// overdue finds a slot that should long have become a run or a record.
func overdue(statuses []task.Status, now time.Time) error {
	for i := range statuses {
		s := &statuses[i]
		if late := now.Sub(s.NextSlot); !s.NextSlot.IsZero() && late > overdueTime {
			return fmt.Errorf("the slot of task %q at %s is %s overdue", s.Task, s.NextSlot.UTC().Format(time.RFC3339), late.Round(time.Second))
		}
	}
	return nil
}

// Checks are what readiness rests on.
func (h health) Checks(ctx context.Context) []api.Check {
	bytes, free := h.store.Usage()
	gen := h.fleet.Generation()
	listens := append(append([]string{}, h.listens...), h.intakes...)
	return []api.Check{
		{Name: "host", Err: h.verbs.phase()},
		{Name: "scheduler", Err: h.Alive(ctx), Detail: fmt.Sprintf("%d tasks", len(gen.Tasks))},
		{Name: "store", Err: h.store.Fenced(), Detail: fmt.Sprintf("%d bytes", bytes)},
		{Name: "disk", Err: h.store.Scarce(), Detail: fmt.Sprintf("%d bytes free", free)},
		{Name: "config", Err: configured(gen), Detail: fmt.Sprintf("generation %d, applied at %s", gen.Number, gen.Applied.UTC().Format(time.RFC3339))},
		{Name: "listeners", Err: listening(listens), Detail: strings.Join(listens, ", ")},
	}
}

func configured(gen task.Generation) error {
	if gen.Number == 0 {
		return errors.New("no configuration is applied yet")
	}
	return nil
}

func listening(addrs []string) error {
	if len(addrs) == 0 {
		return errors.New("nothing is listened on yet")
	}
	return nil
}
