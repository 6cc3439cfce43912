package pulse

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	every   = 15 * time.Second // from one question to a process to the next
	patient = 10 * time.Second // that a process may take to answer
	abreast = 64               // that are asked at a time
)

// Launcher starts processes with another Launcher, and feels their pulse while they live. It is safe
// for concurrent use.
type Launcher struct {
	inner task.Launcher
	log   hclog.Logger

	mu   sync.Mutex
	live map[task.Process]*pulse

	stop context.CancelFunc
	done chan struct{}
}

// pulse is what is known of one process.
type pulse struct {
	task  string    // that it was launched for
	since time.Time // since when it does not answer; zero: it does
}

var _ task.Launcher = (*Launcher)(nil)

// New makes a Launcher over inner. Close ends its questions.
func New(inner task.Launcher, log hclog.Logger) *Launcher {
	ctx, stop := context.WithCancel(context.Background())
	l := &Launcher{inner: inner, log: log, live: map[task.Process]*pulse{}, stop: stop, done: make(chan struct{})}
	go l.rounds(ctx)
	return l
}

// Close ends the questions, and waits for those that are under way.
func (l *Launcher) Close() {
	l.stop()
	<-l.done
}

// Launch is that of the inner launcher, whose process it returns as it is. One that a debugger holds is not asked.
func (l *Launcher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	p, err := l.inner.Launch(ctx, spec)
	if err == nil && !spec.Debug { // one that a debugger holds does not answer, and nobody wonders
		l.mu.Lock()
		l.live[p] = &pulse{task: spec.Task}
		l.mu.Unlock()
	}
	return p, err
}

// Unresponsive are the pids of live processes that did not answer when they were asked last.
func (l *Launcher) Unresponsive() map[int]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	pids := map[int]bool{}
	for p, of := range l.live {
		if !of.since.IsZero() && !ended(p) {
			pids[p.Info().PID] = true
		}
	}
	return pids
}

// rounds asks every process again and again, one after the other in equal distances: all at once they would take the processors
// from the tasks for a while, a second when there are a thousand.
func (l *Launcher) rounds(ctx context.Context) {
	defer close(l.done)
	var asking sync.WaitGroup
	defer asking.Wait()
	places := make(chan struct{}, abreast)
	for {
		all := l.present()
		if len(all) == 0 && !pause(ctx, every) {
			return
		}
		for _, p := range all {
			if !pause(ctx, every/time.Duration(len(all))) {
				return
			}
			places <- struct{}{}
			asking.Go(func() {
				defer func() { <-places }()
				l.ask(ctx, p)
			})
		}
	}
}

// pause waits; it reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (l *Launcher) ask(ctx context.Context, p task.Process) {
	limited, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	err := p.Ping(limited)
	// One that refuses is on its way out; only silence counts.
	l.note(p, err != nil && limited.Err() != nil && ctx.Err() == nil)
}

// present are the processes that live, in the same order each time. Those that have ended are forgotten.
func (l *Launcher) present() []task.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []task.Process
	for p := range l.live {
		if ended(p) {
			delete(l.live, p)
			continue
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q task.Process) int { return cmp.Compare(p.Info().PID, q.Info().PID) })
	return all
}

// note keeps whether a process answered, and says so when that is new.
func (l *Launcher) note(p task.Process, silent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.live[p]
	if of == nil || ended(p) || silent == !of.since.IsZero() {
		return
	}
	if silent {
		of.since = time.Now()
		l.log.Warn("a process does not answer", "task", of.task, "pid", p.Info().PID)
		return
	}
	l.log.Info("the process answers again", "task", of.task, "pid", p.Info().PID, "after", time.Since(of.since).Round(time.Second))
	of.since = time.Time{}
}

func ended(p task.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}
