package app

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/task"
)

// verbs is the host as the API sees it: what it says of itself, and what can be asked of it as a
// whole. It is safe for concurrent use.
type verbs struct {
	host *host

	mu       sync.Mutex
	ready    bool
	draining *task.Override
	paused   *task.Override
	ending   bool
	end      chan struct{} // closed when the host is to end
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
	v.mu.Lock()
	defer v.mu.Unlock()
	state := "running"
	switch {
	case v.ending:
		state = "stopping"
	case v.draining != nil:
		state = "draining"
	case v.paused != nil:
		state = "paused"
	}
	c := v.host.config
	return api.HostInfo{
		State: state, Version: v.host.options.Version, PID: os.Getpid(), Started: v.host.started,
		Generation: 1, Digest: c.Digest, Config: v.host.options.Paths, Listen: c.Host.Admin.Listen,
		DataDir: c.Host.DataDir, TimeZone: c.Host.TimeZone, Store: "memory", Paused: v.paused,
	}
}

// Pause holds back every slot of every task; runs go on.
func (v *verbs) Pause(ctx context.Context, o task.Override) (bool, error) {
	if err := v.host.fleet.PauseHost(ctx, o); err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	changed := v.paused == nil
	v.paused = &o
	return changed, nil
}

// Resume ends a pause or a drain of the host.
func (v *verbs) Resume(ctx context.Context, by string, catchUp bool) (bool, error) {
	if err := v.host.fleet.ResumeHost(ctx, task.Override{By: by, At: time.Now()}); err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	changed := v.paused != nil || v.draining != nil
	v.paused, v.draining = nil, nil
	return changed, nil
}

// Drain lets live runs finish and starts nothing new.
func (v *verbs) Drain(ctx context.Context, o task.Override) (bool, error) {
	if err := v.host.fleet.Drain(ctx); err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	changed := v.draining == nil
	v.draining = &o
	return changed, nil
}

// Shutdown ends the host as a signal would.
func (v *verbs) Shutdown(_ context.Context, mode task.StopMode, o task.Override) (bool, error) {
	return v.ask(mode, o.By), nil
}

// Ready says why the host is not ready to work; nil is ready.
func (v *verbs) Ready() error {
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
