package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	controlTime = 5 * time.Second // for a process to take note of a drain or a cancel
	closeTime   = 2 * time.Second // for a process without a run to close what it holds open
	storeTime   = 30 * time.Second
	startTime   = 30 * time.Second // for a definition that does not bound its start
	enteredTime = 250 * time.Millisecond
	endTime     = 5 * time.Second // for what was killed at the end of the host to be gone
)

// Plugins finds the verified copy of a plugin's binary. Implemented by catalog.
type Plugins interface {
	Lookup(name, digest string) (path string, ok bool)
}

// Config is what a Runner needs. Launcher, Values, Plugins, Logs and Report are required.
type Config struct {
	Launcher task.Launcher
	Values   task.Values
	Queues   task.Queues // nil: no output is wired, and no task consumes
	Plugins  Plugins
	// Version returns the version of a plugin, for messages and records; nil knows none.
	Version func(plugin, digest string) string
	// Logs returns where a task's lines go.
	Logs func(task string) task.LogSink
	// Report takes what processes bring about, in order per process, from one goroutine
	// per process. It must not block for long.
	Report func(task string, r task.Report)
	// LogLevel is from which level on plugins log; "" is info.
	LogLevel string
	// MaxLaunches is how many processes start at the same time; 0 is the number of CPUs.
	MaxLaunches int
	Log         hclog.Logger // nil discards
}

// Runner is the task.Engine over real processes. Its methods are safe for concurrent use.
type Runner struct {
	cfg  Config
	gate *gate
	life context.Context // of everything that is asked of the store
	end  context.CancelFunc
	all  sync.WaitGroup // every goroutine

	mu        sync.Mutex
	closed    bool
	processes map[task.ProcessID]*actor
	published map[string]*keySet // by task
}

var _ task.Engine = (*Runner)(nil)

// New makes a Runner. It starts nothing by itself; Shutdown ends what it was told to start.
func New(cfg Config) *Runner {
	cfg.LogLevel = cmp.Or(cfg.LogLevel, "info")
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Version == nil {
		cfg.Version = func(string, string) string { return "" }
	}
	if cfg.MaxLaunches <= 0 {
		cfg.MaxLaunches = runtime.NumCPU()
	}
	life, end := context.WithCancel(context.Background())
	return &Runner{
		cfg:       cfg,
		gate:      &gate{free: cfg.MaxLaunches},
		life:      life,
		end:       end,
		processes: map[task.ProcessID]*actor{},
		published: map[string]*keySet{},
	}
}

// Run blocks until ctx ends and then shuts the Runner down.
func (r *Runner) Run(ctx context.Context) error {
	<-ctx.Done()
	r.Shutdown()
	return nil
}

// Shutdown kills every process that still lives and waits until nothing of them is left, but not for ever: one that
// hangs in the kernel must not hold the host. Launches after it do nothing. It may be called again.
func (r *Runner) Shutdown() {
	r.mu.Lock()
	r.closed = true
	left := make([]*actor, 0, len(r.processes))
	for _, a := range r.processes {
		left = append(left, a)
	}
	r.mu.Unlock()
	for _, a := range left {
		a.kill()
	}
	// What the plugins have committed may still become durable, but not for ever.
	giveUp := time.AfterFunc(closeTime, r.end)
	defer giveUp.Stop()
	gone := make(chan struct{})
	go func() {
		r.all.Wait()
		close(gone)
	}()
	if !within(gone, endTime) {
		r.cfg.Log.Error("the host ends without the end of processes that it has killed")
	}
	r.end()
}

// Launch starts a process for def. See task.Engine.
func (r *Runner) Launch(id task.ProcessID, def *task.Definition) {
	a := newActor(r, id, def)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		a.log.Debug("launch after the end of the host is ignored")
		return
	}
	r.processes[id] = a
	r.all.Go(a.run)
}

// Hurry says that a run waits for this launch: it goes before those that happen ahead of
// their time. It may be called at any time and more than once. A process of a task that
// is not periodic is always waited for.
func (r *Runner) Hurry(id task.ProcessID) {
	if a := r.find(id); a != nil {
		r.gate.hurry(a.ticket)
	}
}

// StartRun hands an attempt to a ready process. See task.Engine.
func (r *Runner) StartRun(id task.ProcessID, start task.RunStart) {
	if a := r.find(id); a != nil {
		a.startRun(start)
	}
}

// Drain closes Stopping for the run. See task.Engine.
func (r *Runner) Drain(id task.ProcessID, run string, deadline time.Duration, reason string) {
	r.control(id, run, "drain", deadline, func(ctx context.Context, p task.Process) error {
		return p.Drain(ctx, run, deadline, reason)
	})
}

// Cancel ends the context of the run. See task.Engine.
func (r *Runner) Cancel(id task.ProcessID, run string, cause task.CancelCause, deadline time.Duration) {
	r.control(id, run, "cancel", deadline, func(ctx context.Context, p task.Process) error {
		return p.Cancel(ctx, run, cause, deadline)
	})
}

// control asks a process to do something about its run, without waiting for it here. A process that stands still for a
// while, as under a debugger, learns of it when it goes on, as long as the stage lasts.
func (r *Runner) control(id task.ProcessID, run, step string, stage time.Duration, ask func(context.Context, task.Process) error) {
	a := r.find(id)
	if a == nil {
		return
	}
	p, entered := a.serving(run)
	if p == nil {
		return // the run has returned, or the process is not there yet
	}
	a.stopIntake(run)
	r.spawn(func() {
		// The request may not overtake the start of the run, which travels on the stream.
		select {
		case <-entered:
		case <-p.Done():
			return
		case <-time.After(enteredTime):
		}
		ctx, cancel := context.WithTimeout(context.Background(), max(controlTime, stage))
		defer cancel()
		if !a.def.Debug {
			late := time.AfterFunc(controlTime, func() {
				a.log.Warn("process does not take note of the stop yet", "stage", step, "run", run)
			})
			defer late.Stop()
		}
		if err := ask(ctx, p); err != nil {
			a.log.Warn("process does not take note of the stop", "stage", step, "run", run, "err", err)
		}
	})
}

// Close ends a process without a run. See task.Engine.
func (r *Runner) Close(id task.ProcessID) {
	a := r.find(id)
	if a == nil {
		return
	}
	p := a.stopStarting()
	if p == nil {
		return
	}
	r.spawn(func() {
		limit := closeTime
		if a.def.Debug {
			limit = task.Unbounded
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := p.Drain(ctx, "", limit, "the process is not needed any more"); err != nil {
			a.log.Debug("process does not close what it holds open", "err", err)
			p.Kill()
			return
		}
		// It ends by itself when it has closed what it holds open.
		select {
		case <-p.Done():
		case <-ctx.Done():
			p.Kill()
		}
	})
}

// Kill ends the process tree at once. See task.Engine.
func (r *Runner) Kill(id task.ProcessID) {
	if a := r.find(id); a != nil {
		a.kill()
	}
}

// Grant answers an Extension. See task.Engine.
func (r *Runner) Grant(id task.ProcessID, request uint64, granted bool) {
	if a := r.find(id); a != nil {
		a.box.command(task.Answer{ID: request, OK: granted})
	}
}

// Call asks a method of a live process and waits for the answer. See task.Engine.
func (r *Runner) Call(ctx context.Context, id task.ProcessID, method string, input json.RawMessage) (json.RawMessage, error) {
	var session task.Session
	if a := r.find(id); a != nil {
		session = a.openSession()
	}
	if session == nil {
		return nil, &task.Error{Code: task.CodeNotRunning, Detail: fmt.Sprintf("method %q has no process to answer it", method), Remedy: "try again when the task runs"}
	}
	result, err := session.Call(ctx, method, input)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded): // whoever noticed it first, the plugin or the host
		return nil, err
	}
	// Of the method, or of the process that ended under it.
	return nil, &task.Error{Code: task.CodeMethodFailed, Detail: err.Error(), Remedy: "see the task's log"}
}

func (r *Runner) find(id task.ProcessID) *actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.processes[id]
}

func (r *Runner) forget(id task.ProcessID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.processes, id)
}

// spawn runs f in a goroutine that Shutdown waits for; after Shutdown it does nothing.
func (r *Runner) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.all.Go(f)
	}
}

// keySet holds the keys that a task publishes. A new binary begins a new one.
type keySet struct {
	digest string
	keys   map[string]struct{}
}

// admitKey reports whether a task may publish the key: it has a bounded number of them.
func (r *Runner) admitKey(def *task.Definition, key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.published[def.Name]
	if set == nil || set.digest != def.Config.Digest {
		set = &keySet{digest: def.Config.Digest, keys: map[string]struct{}{}}
		r.published[def.Name] = set
	}
	if _, known := set.keys[key]; !known && len(set.keys) >= maxKeys {
		return false
	}
	set.keys[key] = struct{}{}
	return true
}
