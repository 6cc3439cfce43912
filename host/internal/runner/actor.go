package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// actor is one process, from the wish for it to its end. Its goroutine is run; what
// else is called from outside touches only what mu guards, and the inbox.
type actor struct {
	r      *Runner
	id     task.ProcessID
	def    *task.Definition
	log    hclog.Logger
	sink   task.LogSink
	ticket *ticket
	box    *inbox

	starting  context.Context // ends when the process is not wanted any more before it is up
	giveUp    context.CancelFunc
	lastAlive time.Time // when signs of life were passed on
	lastState time.Time // when published values were
	busy      bool      // the store works on a request of the plugin

	mu      sync.Mutex
	process task.Process // once launched
	session task.Session // once open
	attempt *attempt     // the live one
}

// attempt is the run that a process is at.
type attempt struct {
	run     string
	trace   string        // W3C trace context
	handed  time.Time     // to the process
	entered chan struct{} // closed when author code has been entered
	saved   bool          // the run has run-scoped values
}

// notBefore is a time that the plugin gives, kept from lying before the attempt.
func (a *attempt) notBefore(at time.Time) time.Time {
	if at.Before(a.handed) {
		return a.handed
	}
	return at
}

// drainAlone bounds how long a plugin drains when the host is gone: nothing that it commits would
// be kept, a new host waits for its end, and no plugin may outlive its host for 6 s.
const drainAlone = 4 * time.Second

func newActor(r *Runner, id task.ProcessID, def *task.Definition) *actor {
	a := &actor{
		r:      r,
		id:     id,
		def:    def,
		log:    r.cfg.Log.With("task", def.Name, "process", uint64(id)),
		sink:   r.cfg.Logs(def.Name),
		ticket: newTicket(def.Mode != task.Periodic),
	}
	a.starting, a.giveUp = context.WithCancel(context.Background())
	a.box = newInbox(
		func(key string) bool { return r.admitKey(def, key) },
		func() {
			a.line("error", "the plugin sends more than it takes answers for; its process is killed", nil)
			a.kill()
		},
	)
	return a
}

func (a *actor) report(r task.Report) { a.r.cfg.Report(a.def.Name, r) }

// run is the life of the process.
func (a *actor) run() {
	defer a.giveUp()
	p, err := a.start()
	if err != nil {
		a.box.close()
		a.r.forget(a.id)
		a.line("error", "the process could not be started: "+err.Error(), nil)
		a.report(task.ProcessFailed{ID: a.id, Err: err, At: time.Now()})
		return
	}
	info := p.Info()
	a.launchLine(info)
	a.report(task.ProcessReady{ID: a.id, Info: info, At: time.Now()})
	a.serve(p)
	a.box.close()
	a.r.forget(a.id)
	gone := task.ProcessGone{ID: a.id, Exit: p.Exit(), At: time.Now()}
	run := ""
	if at := a.current(); at != nil {
		gone.SavedValues, run = at.saved, at.run
	}
	a.exitLine(info.PID, run, gone.Exit)
	crash := ""
	if !gone.Exit.ByHost && gone.Exit.Neighbour == "" && run != "" {
		crash = gone.Exit.Text()
	}
	a.endMessages(crash)
	a.report(gone)
}

// start brings the process up to where it can take a run. When it fails, nothing of the
// process is left.
func (a *actor) start() (task.Process, error) {
	began, p, err := a.launchInTurn()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(a.starting, began.Add(a.startTimeout()))
	defer cancel()
	err = p.Configure(ctx, task.Configure{
		Task:       a.def.Name,
		Type:       a.def.Type,
		Mode:       a.def.Mode,
		SchemaHash: a.def.Config.SchemaHash,
		Config:     a.def.Config.Msgpack,
		LogLevel:   a.r.cfg.LogLevel,
		Pause:      a.def.Continuous.Pause,
		Watchdog:   a.def.Continuous.Watchdog.Timeout,
		Shared:     a.def.Process == task.ProcessShared,
		Dir:        a.def.Dir,
	})
	var session task.Session
	if err == nil {
		session, err = p.Open(ctx, a.box)
	}
	if err == nil {
		err = a.starting.Err()
	}
	if err != nil {
		return nil, a.abandon(ctx, p, err)
	}
	a.mu.Lock()
	a.session = session
	a.mu.Unlock()
	return p, nil
}

// turnTime is how long a launch may keep others from theirs. Turns keep launches from taking the processors from each
// other; one that takes longer waits for something itself, as a plugin does that hangs before its handshake.
const turnTime = 2 * time.Second

// launchInTurn launches the process when its turn has come. One that waits for a debugger waits in nobody's way.
func (a *actor) launchInTurn() (began time.Time, p task.Process, err error) {
	if !a.def.Debug {
		if !a.r.gate.enter(a.starting, a.ticket) {
			return began, nil, a.stopped(nil)
		}
		leave := sync.OnceFunc(a.r.gate.leave)
		defer leave()
		defer time.AfterFunc(turnTime, leave).Stop()
	}
	began = time.Now()
	p, err = a.launch()
	return began, p, err
}

func (a *actor) startTimeout() time.Duration {
	if a.def.StartTimeout > 0 {
		return a.def.StartTimeout
	}
	return startTime
}

func (a *actor) launch() (task.Process, error) {
	path, ok := a.r.cfg.Plugins.Lookup(a.def.Plugin, a.def.Config.Digest)
	if !ok {
		return nil, &task.LaunchError{
			Kind:   task.LaunchMissing,
			Detail: fmt.Sprintf("plugin %q with the digest %q is not there", a.def.Plugin, a.def.Config.Digest),
			Remedy: "reload the configuration, so that the plugin is looked up and checked again",
		}
	}
	p, err := a.r.cfg.Launcher.Launch(a.starting, task.LaunchSpec{
		Task:    a.def.Name,
		Plugin:  a.def.Plugin,
		Version: a.r.cfg.Version(a.def.Plugin, a.def.Config.Digest),
		Path:    path,
		Digest:  a.def.Config.Digest,
		Env:     a.def.Env,
		User:    a.def.User,
		Group:   a.def.Group,
		Limits:  a.def.Limits,
		Timeout: a.startTimeout(),
		Drain:   min(a.def.Stop.Drain, drainAlone),
		Log:     a.sink,
		Share:   a.share(),
		Debug:   a.def.Debug,
	})
	if err != nil {
		if _, typed := errors.AsType[*task.LaunchError](err); !typed {
			err = fmt.Errorf("launch plugin %q: %w", a.def.Plugin, err)
		}
		return nil, err
	}
	a.mu.Lock()
	a.process = p
	a.mu.Unlock()
	return p, nil
}

// abandon ends a process that could not be configured and says why.
func (a *actor) abandon(ctx context.Context, p task.Process, err error) error {
	_, rejected := errors.AsType[*task.ConfigError](err)
	died := false
	if !rejected && ctx.Err() == nil {
		died = within(p.Done(), settleTime) // a process that has died needs a moment to be seen as dead
	}
	p.Kill()
	<-p.Done()
	switch {
	case rejected:
		return err
	case died:
		exit := p.Exit()
		return &task.LaunchError{
			Kind:   task.LaunchExited,
			Detail: fmt.Sprintf("plugin %q ended while it was configured: %s", a.def.Plugin, exit.Text()),
			Exit:   &exit,
			Err:    err,
		}
	case a.starting.Err() != nil:
		return a.stopped(err)
	case ctx.Err() != nil:
		return &task.LaunchError{
			Kind:   task.LaunchTimeout,
			Detail: fmt.Sprintf("plugin %q has not opened its task within %s", a.def.Plugin, a.startTimeout()),
			Remedy: "raise start_timeout",
			Err:    err,
		}
	}
	return err
}

func (a *actor) stopped(err error) error {
	return &task.LaunchError{Kind: task.LaunchStopped, Detail: fmt.Sprintf("plugin %q was stopped before it was up", a.def.Plugin), Err: err}
}

// within waits for the channel, but not longer than d.
func within(c <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

// kill ends the process tree, or the attempt to start it. It does not wait.
func (a *actor) kill() {
	if p := a.stopStarting(); p != nil {
		p.Kill()
	}
}

// stopStarting ends the start of the process, when it is not up yet, and returns the
// process when there is one.
func (a *actor) stopStarting() task.Process {
	a.giveUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.process
}

func (a *actor) openSession() task.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

// startRun notes the run at once, so that a stop which follows finds it, and leaves the
// rest to the process's goroutine.
func (a *actor) startRun(start task.RunStart) {
	a.mu.Lock()
	if a.session == nil || a.attempt != nil {
		a.mu.Unlock()
		a.log.Error("run is not started: its process is not free", "run", start.Run)
		return
	}
	a.attempt = &attempt{run: start.Run, trace: start.TraceParent, handed: time.Now(), entered: make(chan struct{})}
	a.mu.Unlock()
	a.box.command(start)
}

// serving returns the process when it is at the run, and what tells that author code
// has been entered.
func (a *actor) serving(run string) (task.Process, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == nil || a.attempt == nil || a.attempt.run != run {
		return nil, nil
	}
	return a.process, a.attempt.entered
}

func (a *actor) current() *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.attempt
}

// release notes that the process is free for another run.
func (a *actor) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempt = nil
}
