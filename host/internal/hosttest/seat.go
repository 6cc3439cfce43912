package hosttest

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Seat is one task's part in a shared Process in memory. Its behaviour is the Launcher's for that task.
type Seat struct {
	*Process
	whole *Process
}

var _ task.Shareable = (*Process)(nil)

// Join gives a task a seat. See task.Shareable.
func (p *Process) Join(name string, log task.LogSink) task.Seat {
	spec := p.Spec
	spec.Task, spec.Log = name, log
	s := &Seat{whole: p, Process: &Process{Spec: spec, info: p.info, life: make(chan struct{}), done: make(chan struct{})}}
	if p.behaviour != nil {
		s.plugin = p.behaviour(spec)
	}
	p.mu.Lock()
	dead, exit := p.dead, p.exit
	p.seats = append(p.seats, s)
	p.mu.Unlock()
	s.Process.whole = p
	if dead {
		s.Process.die(exit)
	}
	return s
}

// Seats returns every seat that was taken in the process, oldest first.
func (p *Process) Seats() []*Seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Seat(nil), p.seats...)
}

// Drain with run "" closes the task; the process ends with its last one, as a real one does.
func (s *Seat) Drain(ctx context.Context, run string, deadline time.Duration, reason string) error {
	if err := s.Process.Drain(ctx, run, deadline, reason); err != nil || run != "" {
		return err
	}
	s.Process.die(task.ExitCause{})
	for _, other := range s.whole.Seats() {
		if !other.Process.isDead() {
			return nil
		}
	}
	s.whole.Die(task.ExitCause{})
	return nil
}

// Kill ends the whole process.
func (s *Seat) Kill() { s.whole.Kill() }

// Done is closed when the whole process is gone.
func (s *Seat) Done() <-chan struct{} { return s.whole.Done() }

// Exit says how the whole process ended.
func (s *Seat) Exit() task.ExitCause { return s.whole.Exit() }

// Leave does nothing: a Seat holds nothing.
func (s *Seat) Leave() {}
