package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// moveTime is how long the kill of a process waits for those who sit in it innocently. It is
	// half of what the kill stage of a stop may take: the rest is for the end of the tree.
	moveTime = task.KillBound / 2
	// suspectTime is how long a run may take to heed a cancel before the others are told to move,
	// so that they are gone when it has to be killed.
	suspectTime = time.Second
	// emptyTime is how long a process may take to end by itself when nobody sits in it any more.
	emptyTime = 2 * time.Second
)

// Launcher starts processes with another launcher, and lets tasks that share sit together. It is
// safe for concurrent use. One mutex guards all of its state; it is never held over a call that waits.
type Launcher struct {
	inner task.Launcher

	mu    sync.Mutex
	homes map[string][]*home // those that may be joined, by what their tasks have in common
	cells cells
}

var _ task.Launcher = (*Launcher)(nil)

// New makes a Launcher over another one, whose processes are task.Shareable.
func New(inner task.Launcher) *Launcher {
	return &Launcher{inner: inner, homes: map[string][]*home{}}
}

// home is one process that tasks share.
type home struct {
	key    string
	max    int
	cell   int
	giveUp context.CancelFunc // of its launch
	ready  chan struct{}      // closed when it is launched, or not to be

	// Valid after ready.
	process task.Shareable
	err     error

	// Guarded by the launcher's mu.
	leases  map[*lease]bool
	leaving bool   // nobody joins any more
	culprit string // the task that it is to be killed for
	bound   *time.Timer
}

// Launch starts a process, or gives the task a seat in one that others share.
func (l *Launcher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	if spec.Share == nil {
		return l.inner.Launch(ctx, spec)
	}
	s := &lease{pool: l, spec: spec}
	if err := s.sit(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// keyOf says what tasks must have in common to sit in one process.
func keyOf(spec task.LaunchSpec) string {
	key, _ := json.Marshal(struct { // plain strings
		Block, Path, Digest, User, Group string
		Env                              map[string]string
	}{spec.Share.Block, spec.Path, spec.Digest, spec.User, spec.Group, spec.Env})
	return string(key)
}

// enter gives the lease a place in a home, a new one where all others are full or left.
func (l *Launcher) enter(ctx context.Context, s *lease) *home {
	key := keyOf(s.spec)
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.cells.find(s.spec.Task, time.Now())
	most := max(1, s.spec.Share.Max)
	if in.id != 0 {
		most = min(most, in.max)
	}
	at := slices.IndexFunc(l.homes[key], func(h *home) bool { return h.cell == in.id && len(h.leases) < h.max })
	var h *home
	if at >= 0 {
		h = l.homes[key][at]
	} else {
		launching, giveUp := context.WithCancel(context.WithoutCancel(ctx))
		h = &home{key: key, max: most, cell: in.id, giveUp: giveUp, ready: make(chan struct{}), leases: map[*lease]bool{}}
		l.homes[key] = append(l.homes[key], h)
		go l.live(launching, h, s.spec)
	}
	h.leases[s] = true
	s.home, s.seat, s.done, s.over, s.moved = h, nil, make(chan struct{}), false, false
	s.stage, s.session, s.exit = outside, noSession, task.ExitCause{}
	return h
}

// live is the life of a home, from its launch to its end.
func (l *Launcher) live(ctx context.Context, h *home, spec task.LaunchSpec) {
	defer h.giveUp()
	spec.Task, spec.Env, spec.Share = spec.Share.Block, environ(spec.Env), nil
	p, err := l.inner.Launch(ctx, spec)
	l.mu.Lock()
	if err == nil {
		h.process = p.(task.Shareable) // New asks for it
	}
	h.err = err
	if err != nil || len(h.leases) == 0 {
		l.close(h)
	}
	unwanted := err == nil && len(h.leases) == 0
	l.mu.Unlock()
	close(h.ready)
	if err != nil {
		return
	}
	if unwanted {
		p.Kill()
	}
	<-p.Done()
	l.gone(h)
}

// environ adds to the environment what lets a crash name the task that it happened in.
func environ(env map[string]string) map[string]string {
	env = maps.Clone(env)
	if env == nil {
		env = map[string]string{}
	}
	env["GODEBUG"] = strings.TrimPrefix(env["GODEBUG"]+",tracebacklabels=1", ",")
	return env
}

// close lets nobody join a home any more, with mu held.
func (l *Launcher) close(h *home) {
	h.leaving = true
	rest := slices.DeleteFunc(l.homes[h.key], func(other *home) bool { return other == h })
	if l.homes[h.key] = rest; len(rest) == 0 {
		delete(l.homes, h.key)
	}
}

// gone tells all who sit in a process that it has ended, and why.
func (l *Launcher) gone(h *home) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(h)
	if h.bound != nil {
		h.bound.Stop()
	}
	e := ending{exit: h.process.Exit(), culprit: h.culprit}
	for s := range h.leases {
		e.seated = append(e.seated, s.spec.Task)
		if s.working() {
			e.working = append(e.working, s.spec.Task)
		}
	}
	l.cells.separate(e, time.Now())
	for s := range h.leases {
		s.end(e.exitOf(s.spec.Task))
	}
}

// leave lets a task go from a home that lives on, with mu held.
func (l *Launcher) leave(s *lease) {
	h := s.home
	s.end(task.ExitCause{Left: true, ByHost: s.killed, At: time.Now()})
	if len(h.leases) > 0 {
		l.settle(h)
		return
	}
	l.close(h)
	select {
	case <-h.ready:
		if h.err == nil {
			time.AfterFunc(emptyTime, h.process.Kill) // harmless when it has ended
		}
	default:
		h.giveUp() // nobody waits for its launch any more
	}
}

// evict ends a home because a task cannot be got out of it otherwise, with mu held. The others are
// told to move; it returns how.
func (l *Launcher) evict(s *lease) (tell func()) {
	h := s.home
	if h.culprit == "" {
		h.culprit = s.spec.Task
		h.bound = time.AfterFunc(moveTime, h.process.Kill)
	}
	tell = l.move(h, fmt.Sprintf("task %s has to be killed in the process that they share", s.spec.Task))
	l.settle(h)
	return tell
}

// settle kills a home when that harms no innocent any more, with mu held.
func (l *Launcher) settle(h *home) {
	if h.culprit == "" {
		return
	}
	for s := range h.leases {
		if !s.killed {
			return
		}
	}
	h.process.Kill()
}

// move empties a home, with mu held: it returns what tells those who sit there.
func (l *Launcher) move(h *home, reason string) (tell func()) {
	l.close(h)
	var tells []func(string)
	for s := range h.leases {
		if !s.moved && !s.killed {
			s.moved = true
			tells = append(tells, s.spec.Share.Move)
		}
	}
	return func() {
		for _, move := range tells {
			move(reason)
		}
	}
}
