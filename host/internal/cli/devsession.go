package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// devSession is one `taskhost dev` at work. One goroutine builds, reloads and waits for changes; keys come on another.
type devSession struct {
	*app
	tools  *DevTools
	input  json.RawMessage
	runs   bool // after every build
	attach bool // a debugger: what is up stays as it was built

	built   bool
	ended   chan error // of the host; nil: none has come up
	api     atomic.Pointer[admin.Client]
	logs    map[string]bool // the tasks whose log is shown
	several atomic.Bool     // tasks: then lines say whose they are
}

// work builds and runs until ctx or the host ends. What is wrong with the plugin or the configuration is for the next
// change to put right.
func (d *devSession) work(ctx context.Context) (err error) {
	logs, endLogs := context.WithCancel(context.WithoutCancel(ctx)) // they also show how the tasks end
	ctx, end := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer func() {
		end()
		if d.ended != nil {
			err = errors.Join(err, <-d.ended)
		}
		endLogs()
		reading.Wait()
	}()
	follow := func(task string) { reading.Go(func() { d.followLog(logs, task) }) }
	for change := (DevChange{Saved: d.Now(), Code: true}); ; {
		err := d.renew(ctx, change, follow)
		if err == nil {
			change, err = d.next(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// errHostEnded says that the host has ended by itself.
var errHostEnded = errors.New("the host has ended")

// next waits for a change. The end of the host is an error.
func (d *devSession) next(ctx context.Context) (DevChange, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	changed, failed := make(chan DevChange, 1), make(chan error, 1)
	go func() {
		c, err := d.tools.Next(waiting)
		if err != nil {
			failed <- err
			return
		}
		changed <- c
	}()
	select {
	case c := <-changed:
		return c, nil
	case err := <-failed:
		return DevChange{}, err
	case err := <-d.ended:
		d.ended = nil
		if err == nil {
			err = errHostEnded
		}
		return DevChange{}, err
	}
}

// renew builds what has changed and lets it take the place of what runs. Its error ends the session.
func (d *devSession) renew(ctx context.Context, c DevChange, follow func(task string)) error {
	if d.attach && d.api.Load() != nil {
		d.say("%s", d.dim("saved; the debugger keeps what was built: quit and start again for what is new"))
		return nil
	}
	took := time.Duration(0)
	if c.Code || !d.built {
		began := d.Now()
		d.say("%s", d.dim("building"))
		if err := d.tools.Build(ctx); err != nil {
			return d.notBuilt(err)
		}
		d.built, took = true, d.Now().Sub(began)
	}
	api := d.api.Load()
	var err error
	if api == nil {
		api, err = d.start(ctx)
	} else {
		_, err = api.Apply(ctx, admin.Apply{Reason: "saved"}, 0)
	}
	if err != nil || api == nil {
		return d.notTaken(err)
	}
	tasks, err := d.upOrWaiting(ctx, api)
	if err != nil {
		return d.notTaken(err)
	}
	d.several.Store(len(tasks) > 1)
	for _, t := range tasks {
		if !d.logs[t.Name] {
			d.logs[t.Name] = true
			follow(t.Name)
		}
	}
	d.tellUp(tasks, took, d.Now().Sub(c.Saved))
	if d.runs {
		d.act(ctx, api, devKeys['r'])
	}
	return nil
}

// notBuilt shows what the compiler says.
func (d *devSession) notBuilt(err error) error {
	refused, ok := errors.AsType[*NotBuilt](err)
	if !ok {
		return err
	}
	d.say("%s\n%s", d.red("not built"), printableLines(refused.Text))
	d.sayStays()
	return nil
}

// notTaken says what a host had against it; nil is that it has said so itself.
func (d *devSession) notTaken(err error) error {
	if p := admin.AsProblem(err); err != nil && p == nil {
		return err
	} else if p != nil && p.Code != codeConfigInvalid { // which is in the host's log, line by line
		d.say("%s", d.red(printableLines(err.Error())))
	}
	d.sayStays()
	return nil
}

func (d *devSession) sayStays() {
	if d.api.Load() == nil {
		d.say("%s", d.dim("nothing runs yet; waiting for a change"))
		return
	}
	d.say("%s", d.dim("what ran goes on; waiting for a change"))
}

func (d *devSession) red(text string) string {
	if !d.colored() {
		return text
	}
	return "\x1b[31m" + text + "\x1b[0m"
}

// start brings the host up; nil is that the configuration has errors, which have been shown.
func (d *devSession) start(ctx context.Context) (*admin.Client, error) {
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.tools.Serve(ctx, func() { close(ready) }) }()
	select {
	case err := <-ended:
		if _, shown := errors.AsType[*Silent](err); shown {
			return nil, nil
		}
		if err == nil {
			err = errHostEnded
		}
		return nil, err
	case <-ready:
	}
	d.ended = ended
	none := func(string) string { return "" }
	api, err := admin.Dial(admin.Where{Addr: "unix:" + d.tools.Socket, Env: none}, admin.Options{Agent: "taskhost/" + d.commands.Version})
	if err != nil {
		return nil, err
	}
	d.api.Store(api)
	d.say("%s", d.dim("TASKHOST_ADDR=unix:"+d.tools.Socket+" is its address, for taskhost in another terminal"))
	if d.TTY {
		d.say("%s", d.dim(keysLine))
	}
	return api, nil
}

const (
	lookEvery = 20 * time.Millisecond
	upBound   = 30 * time.Second
)

// upOrWaiting returns the tasks when they are up; with a debugger at once, since they are up when it has come.
func (d *devSession) upOrWaiting(ctx context.Context, api *admin.Client) ([]admin.Task, error) {
	if !d.attach {
		return d.up(ctx, api)
	}
	d.say("%s", d.dim("a process waits for its debugger; all timeouts are off: of the launch, of being ready, of runs, the watchdog, and of each stage of a stop"))
	return api.AllTasks(ctx, admin.TaskQuery{})
}

// up waits until the continuous tasks run what was built last, or cannot, and returns all tasks.
func (d *devSession) up(ctx context.Context, api *admin.Client) ([]admin.Task, error) {
	now, err := api.Config(ctx)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for end := time.Now().Add(upBound); ; {
		tasks, err := api.AllTasks(ctx, admin.TaskQuery{})
		if err != nil || settled(tasks, now.Plugins) || time.Now().After(end) {
			return tasks, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// settled reports whether every continuous task runs a binary of the plugins, or is in a state in which it does not try.
func settled(tasks []admin.Task, plugins []admin.PluginID) bool {
	digests := map[string]string{}
	for _, p := range plugins {
		digests[p.Name] = p.Digest
	}
	for _, t := range tasks {
		switch {
		case t.Mode != "continuous":
			continue
		case t.State == "starting", t.State == "stopping":
			return false
		case t.State != "running":
			continue
		}
		for _, p := range t.Processes {
			if p.Digest != digests[t.Plugin] {
				return false
			}
		}
	}
	return true
}

// tellUp says what is up and how long that took.
func (d *devSession) tellUp(tasks []admin.Task, build, saved time.Duration) {
	var texts []string
	for _, t := range tasks {
		text := t.Name + " " + d.paint(t.State)
		if t.Mode != "continuous" && t.State == "idle" {
			text += ", " + t.ModeText
		}
		texts = append(texts, text)
	}
	d.say("%s  %s", strings.Join(texts, " · "), d.dim(short(saved)+" after the save, "+short(build)+" of it the build"))
}

// followLog shows the log of a task as long as ctx lives.
func (d *devSession) followLog(ctx context.Context, task string) {
	q := admin.LogQuery{Task: task, Follow: true}
	for {
		for r, err := range d.api.Load().Logs(ctx, q) {
			if err != nil {
				break
			}
			q.After = r.Position
			if d.several.Load() {
				r.Message = task + ": " + r.Message
			}
			_ = d.emit(r, func() { d.logLine(r) })
		}
		// It broke: the task has gone, or the host ends.
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
