package app

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/host/internal/task"
)

// verbs is the host as the API sees it: what it says of itself, and what can be asked of it as a
// whole. It is safe for concurrent use.
type verbs struct {
	host *host

	mu     sync.Mutex
	ready  bool
	ending bool
	end    chan struct{} // closed when the host is to end
}

var (
	_ api.Host = (*verbs)(nil)

	errStarting = errors.New("the host is starting")
	errEnding   = errors.New("the host is shutting down")
)

func newVerbs(h *host) *verbs { return &verbs{host: h, end: make(chan struct{})} }

// asked is closed when somebody asked the host to end.
func (v *verbs) asked() <-chan struct{} { return v.end }

func (v *verbs) setReady() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = true
}

// ask begins the end of the host, or makes one that has begun harder. It reports whether that changed
// anything.
func (v *verbs) ask(mode task.StopMode, by string) bool {
	v.mu.Lock()
	first := !v.ending
	v.ending = true
	v.mu.Unlock()
	if first {
		v.host.log.Info("shutting down", "by", by, "mode", string(mode))
		close(v.end)
	}
	if mode == task.Graceful {
		return first
	}
	v.host.log.Warn("shutting down harder", "by", by, "mode", string(mode))
	v.host.fleet.Escalate(mode)
	return true
}

// Info says what the host is.
func (v *verbs) Info() api.HostInfo {
	fleet := v.fleet()
	state := "running"
	switch {
	case v.Ready() == errEnding:
		state = "stopping"
	case fleet.Draining:
		state = "draining"
	case fleet.Paused != nil:
		state = "paused"
	}
	c := v.host.config
	return api.HostInfo{
		State: state, Version: v.host.options.Version, PID: os.Getpid(), Started: v.host.started,
		Generation: v.host.fleet.Generation().Number, Digest: v.host.fleet.Generation().Digest, Config: v.host.options.Paths,
		Listen: v.host.listens, DataDir: c.Host.DataDir, TimeZone: c.Host.TimeZone,
		Store: "sqlite", Paused: fleet.Paused,
	}
}

// fleet asks the supervisor for its state; the zero state once it has ended.
func (v *verbs) fleet() supervisor.HostState {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, _ := v.host.fleet.Host(ctx)
	return s
}

// Pause holds back every slot of every task; runs go on.
func (v *verbs) Pause(ctx context.Context, o task.Override) (bool, error) {
	changed := v.fleet().Paused == nil
	return changed, v.host.fleet.PauseHost(ctx, o)
}

// Resume ends a pause or a drain of the host.
func (v *verbs) Resume(ctx context.Context, by string, catchUp bool) (bool, error) {
	before := v.fleet()
	changed := before.Paused != nil || before.Draining
	if changed {
		v.host.log.Info("resumed", "by", by)
	}
	return changed, v.host.fleet.ResumeHost(ctx, catchUp)
}

// Drain lets live runs finish and starts nothing new. It does not wait for their end.
func (v *verbs) Drain(ctx context.Context, o task.Override) (bool, error) {
	if v.fleet().Draining {
		return false, nil
	}
	v.host.log.Info("draining", "by", o.By, "reason", o.Reason)
	noWait, cancel := context.WithCancel(ctx)
	cancel() // Drain begins in any case, and waits as long as its context lives
	if err := v.host.fleet.Drain(noWait); err != nil && !errors.Is(err, context.Canceled) {
		return false, err
	}
	return true, nil
}

// Shutdown ends the host as a signal would.
func (v *verbs) Shutdown(_ context.Context, mode task.StopMode, o task.Override) (bool, error) {
	return v.ask(mode, o.By), nil
}

// working refuses what cannot be asked of a host that starts or ends.
func (v *verbs) working() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.ending:
		return &task.Error{Code: task.CodeShutdown, Detail: errEnding.Error(), Remedy: "try again when it is back"}
	case !v.ready:
		return &task.Error{Code: "unready", Detail: errStarting.Error(), Remedy: "try again in a moment"}
	}
	return nil
}

// running reports whether the tasks are up and none of the host's end has begun.
func (v *verbs) running() bool { return v.phase() == nil }

// phase says why the host as such is not ready; nil is ready.
func (v *verbs) phase() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.ending:
		return errEnding
	case !v.ready:
		return errStarting
	}
	return nil
}

// Ready says why the host is not ready to work; nil is ready.
func (v *verbs) Ready() error {
	if err := v.phase(); err != nil {
		return err
	}
	return errors.Join(v.host.store.Ready(), v.host.doors.audit.Err())
}
