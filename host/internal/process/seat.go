package process

import (
	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/host/internal/task"
)

// seat is one task's part in a process: its instance, its session and its log. What it does not
// do by itself is the whole process's.
type seat struct {
	p       *Process
	channel *channel

	// Guarded by the process's mu.
	instance string
	session  *session
}

var _ task.Seat = (*seat)(nil)

// Join gives a task a seat in the process. See task.Shareable.
func (p *Process) Join(name string, log task.LogSink) task.Seat {
	s := &seat{p: p, channel: p.out.join(name, log), instance: name}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seats[s] = true
	return s
}

// Leave lets go of the seat. See task.Seat.
func (s *seat) Leave() {
	s.p.out.leave(s.channel)
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	delete(s.p.seats, s)
}

// lastSessions returns the connection and the sessions on it; from then on there are no others.
func (p *Process) lastSessions() (*grpc.ClientConn, []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = true
	var sessions []*session
	for s := range p.seats {
		if s.session != nil {
			sessions = append(sessions, s.session)
		}
	}
	return p.conn, sessions
}

func (s *seat) name() string {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	return s.instance
}

// Info describes the process.
func (s *seat) Info() task.ProcessInfo {
	p := s.p
	return task.ProcessInfo{PID: p.child.pid, State: "ready", Started: p.began, Version: p.spec.Version, Digest: p.spec.Digest, Limits: p.limits}
}
