package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// maxMoves is how often a task that is being opened gets another seat because a neighbour ends the process.
const maxMoves = 3

// lease is one task's seat in a shared process. To its user it is the process.
type lease struct {
	pool *Launcher
	spec task.LaunchSpec

	// Guarded by the pool's mu.
	home    *home
	seat    task.Seat
	done    chan struct{} // closed when nothing of the task is left in the process
	exit    task.ExitCause
	stage   stage
	session sessionState
	run     string // at work; "" is none
	suspect *time.Timer
	over    bool
	killed  bool // somebody wants it gone at once
	moved   bool // was told to move
}

// stage is how far the task has come in the process.
type stage uint8

const (
	outside stage = iota // the process knows nothing of it
	opening              // author code opens it, or did when its host lost patience
	within
	closing
)

type sessionState uint8

const (
	noSession sessionState = iota
	inSession
	sessionLost
)

// working reports whether author code of the task is at work, with mu held.
func (s *lease) working() bool { return s.run != "" || s.stage == opening }

// sit takes a seat, and waits for the process when it is not up yet.
func (s *lease) sit(ctx context.Context) error {
	h := s.pool.enter(ctx, s)
	select {
	case <-h.ready:
	case <-ctx.Done():
		s.letGo()
		return &task.LaunchError{
			Kind:   task.LaunchStopped,
			Detail: fmt.Sprintf("plugin %q was stopped before the process that task %q shares was up", s.spec.Plugin, s.spec.Task),
			Err:    context.Cause(ctx),
		}
	}
	if h.err != nil {
		s.letGo()
		return h.err
	}
	seat := h.process.Join(s.spec.Task, s.spec.Log)
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.seat = seat
	return nil
}

// end is the end of the lease, with mu held.
func (s *lease) end(exit task.ExitCause) {
	s.over, s.exit = true, exit
	if s.suspect != nil {
		s.suspect.Stop()
	}
	delete(s.home.leases, s)
	close(s.done)
}

// letGo leaves the process, which lives on.
func (s *lease) letGo() {
	s.pool.mu.Lock()
	if s.over {
		s.pool.mu.Unlock()
		return
	}
	s.pool.leave(s)
	seat := s.seat
	s.pool.mu.Unlock()
	if seat != nil {
		seat.Leave()
	}
}

// Info describes the process.
func (s *lease) Info() task.ProcessInfo { return s.here().Info() }

func (s *lease) here() task.Seat {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.seat
}

func (s *lease) set(change func()) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	change()
}

// Configure gives the process the task. When a neighbour brings the process down meanwhile, the task
// is opened in another.
func (s *lease) Configure(ctx context.Context, c task.Configure) error {
	for move := 0; ; move++ {
		s.set(func() { s.stage = opening })
		err := s.here().Configure(ctx, c)
		s.set(func() {
			switch {
			case s.stage != opening: // asked to close meanwhile
			case err == nil:
				s.stage = within
			case ctx.Err() == nil:
				s.stage = outside
			}
		})
		if err == nil || move == maxMoves || !s.innocent(ctx) {
			return err
		}
		if err := s.sit(ctx); err != nil {
			return err
		}
	}
}

// innocent reports whether the process has ended, and not because of this task.
func (s *lease) innocent(ctx context.Context) bool {
	s.pool.mu.Lock()
	process, done, killed := s.home.process, s.done, s.killed
	s.pool.mu.Unlock()
	select {
	case <-process.Done():
		<-done // follows at once
	default:
		return false
	}
	e := s.Exit()
	return !killed && ctx.Err() == nil && (e.Neighbour != "" || e.Code == 0 && e.Signal == "")
}

// Open begins the session of the task.
func (s *lease) Open(ctx context.Context, r task.Reports) (task.Session, error) {
	inner, err := s.here().Open(ctx, reports{r, s})
	if err != nil {
		return nil, err
	}
	s.set(func() {
		if s.session == noSession {
			s.session = inSession
		}
	})
	return session{inner, s}, nil
}

// Drain closes Stopping for a run; run "" takes the task out of the process.
func (s *lease) Drain(ctx context.Context, run string, deadline time.Duration, reason string) error {
	if run != "" {
		return s.here().Drain(ctx, run, deadline, reason)
	}
	s.set(s.close)
	return s.takeOut(ctx, deadline, reason)
}

// close says that the task is on its way out, with mu held. A process that all are about to leave
// ends: nobody may join it.
func (s *lease) close() {
	s.stage = closing
	for other := range s.home.leases {
		if other.stage != closing {
			return
		}
	}
	s.pool.close(s.home)
}

// takeOut lets the plugin close the task. The lease ends with the session, where there is one.
func (s *lease) takeOut(ctx context.Context, deadline time.Duration, reason string) error {
	err := s.here().Drain(ctx, "", deadline, reason)
	if err != nil && !errors.Is(err, task.ErrNotServed) {
		return err
	}
	var ended bool
	s.set(func() { ended = s.session != inSession })
	if ended {
		s.letGo()
	}
	return nil
}

// Cancel ends the context of a run. When the run does not heed it, the neighbours are told to move.
func (s *lease) Cancel(ctx context.Context, run string, cause task.CancelCause, deadline time.Duration) error {
	if deadline > 0 && !s.spec.Debug {
		s.set(func() {
			if s.suspect != nil {
				s.suspect.Stop()
			}
			s.suspect = time.AfterFunc(min(suspectTime, deadline/2), func() { s.suspected(run) })
		})
	}
	return s.here().Cancel(ctx, run, cause, deadline)
}

func (s *lease) suspected(run string) {
	s.pool.mu.Lock()
	if s.over || s.run != run || len(s.home.leases) == 1 {
		s.pool.mu.Unlock()
		return
	}
	tell := s.pool.move(s.home, fmt.Sprintf("task %s does not heed its cancel and may have to be killed in the process that they share", s.spec.Task))
	s.pool.mu.Unlock()
	tell()
}

// Ping asks the process whether it is well.
func (s *lease) Ping(ctx context.Context) error { return s.here().Ping(ctx) }

// Kill ends the task at once: without a run it can be taken out of the process, with one the process
// is killed, after the others had a moment to move. A repetition changes nothing: the first is bounded.
func (s *lease) Kill() {
	s.pool.mu.Lock()
	if s.over || s.killed {
		s.pool.mu.Unlock()
		return
	}
	s.killed = true
	tell := func() {}
	switch {
	case s.stage == outside:
		defer s.letGo()
	case s.run != "":
		tell = s.pool.evict(s)
	default:
		s.pool.settle(s.home)
		go s.goOrDie()
	}
	s.pool.mu.Unlock()
	tell()
}

// goOrDie takes a task without a run out of the process, or ends the process when it cannot be.
func (s *lease) goOrDie() {
	ctx, cancel := context.WithTimeout(context.Background(), moveTime)
	defer cancel()
	if s.takeOut(ctx, moveTime, "the task is to end at once") == nil {
		select {
		case <-s.Done():
			return
		case <-ctx.Done():
		}
	}
	s.pool.mu.Lock()
	tell := func() {}
	if !s.over {
		tell = s.pool.evict(s)
	}
	s.pool.mu.Unlock()
	tell()
}

// Done is closed when nothing of the task is left in the process, or the process has ended.
func (s *lease) Done() <-chan struct{} {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.done
}

// Exit says how it ended. It is valid after Done.
func (s *lease) Exit() task.ExitCause {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.exit
}

// lost: the session has ended, as it does when the task is closed.
func (s *lease) lost() {
	var left bool
	s.set(func() {
		s.session = sessionLost
		left = s.stage == closing || s.killed && s.run == ""
	})
	if left {
		s.letGo()
	}
}

// session knows which run is at work.
type session struct {
	task.Session
	lease *lease
}

// StartRun hands an attempt to the process.
func (s session) StartRun(start task.RunStart) error {
	s.lease.set(func() { s.lease.run = start.Run })
	err := s.Session.StartRun(start)
	if err != nil {
		s.lease.set(func() { s.lease.run = "" })
	}
	return err
}

// reports sees the ends of runs and of the session.
type reports struct {
	task.Reports
	lease *lease
}

func (r reports) RunEnded(result task.RunResult) {
	r.lease.set(func() {
		r.lease.run = ""
		if r.lease.suspect != nil {
			r.lease.suspect.Stop()
		}
	})
	r.Reports.RunEnded(result)
}

func (r reports) Lost(err error) {
	r.Reports.Lost(err)
	r.lease.lost()
}
