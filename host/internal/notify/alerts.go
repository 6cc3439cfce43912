package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

// alertsKey is where the store keeps which alerts are on; no notifier can have the name.
const alertsKey = "@alerts"

// alerts judges the alert blocks. One goroutine owns it.
type alerts struct {
	center *Center
	of     []Alert
	texts  []*Template
	state  map[string]map[string]holding // by alert and task
	told   map[string][]task.Reason      // by task
	broken map[string]string             // errors of conditions, by alert and task, as they were logged
	dirty  bool
}

func (c *Center) newAlerts(of []Alert) (*alerts, error) {
	a := &alerts{center: c, of: of, texts: make([]*Template, len(of)), state: map[string]map[string]holding{}, told: map[string][]task.Reason{}, broken: map[string]string{}}
	for i, one := range of {
		if one.Text == "" {
			continue
		}
		var err error
		if a.texts[i], err = ParseAlertText(one.Text); err != nil {
			return nil, err
		}
	}
	text, there, err := c.cfg.Store.Load(c.life, owner, alertsKey)
	if err != nil {
		return nil, err
	}
	if there {
		if err := decodeKept(text, &a.state); err != nil {
			c.cfg.Log.Error("which alerts were on cannot be read; they begin anew", "err", err)
		}
	}
	return a, nil
}

// run judges all alerts once, and then those that an event or the time touches.
func (a *alerts) run(ctx context.Context) {
	for ctx.Err() == nil {
		reader := a.center.cfg.Feed.Subscribe(a.wants, stationBuffer)
		a.all(ctx)
		err := a.live(ctx, reader)
		reader.Close()
		if errors.Is(err, feed.ErrClosed) {
			return
		}
	}
}

func (a *alerts) wants(e task.Event) bool {
	if len(a.of) == 0 {
		return false
	}
	return e.Topic == "state" && e.Kind == "published" || e.Topic == "run" && e.Kind == "ended"
}

func (a *alerts) live(ctx context.Context, reader *feed.Reader) error {
	for {
		a.save(ctx)
		wait, cancel := context.WithTimeout(ctx, a.pause())
		e, err := reader.Next(wait)
		cancel()
		for n := 0; err == nil && n < batchSize; n++ {
			a.event(ctx, e)
			e, err = reader.Next(over)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, feed.ErrLagged) || errors.Is(err, feed.ErrClosed) {
			return err
		}
		a.passTime(ctx)
	}
}

// pause is how long nothing happens by time alone.
func (a *alerts) pause() time.Duration {
	wait, now := saveEvery, a.center.cfg.Now()
	if a.dirty {
		wait = againAfter
	}
	a.eachWake(func(_ int, _ string, at time.Time) { wait = min(wait, max(at.Sub(now), 10*time.Millisecond)) })
	return wait
}

func (a *alerts) eachWake(by func(i int, name string, at time.Time)) {
	for i, one := range a.of {
		for name, h := range a.state[one.Name] {
			if at := h.wake(one); !at.IsZero() {
				by(i, name, at)
			}
		}
	}
}

// passTime judges again where a condition has held for long enough.
func (a *alerts) passTime(ctx context.Context) {
	now := a.center.cfg.Now()
	var due []string
	a.eachWake(func(_ int, name string, at time.Time) {
		if !at.After(now) {
			due = append(due, name)
		}
	})
	for _, name := range due {
		a.judge(ctx, name, func(one Alert) bool { return one.For > 0 })
	}
}

// event judges the alerts that the event may change.
func (a *alerts) event(ctx context.Context, e task.Event) {
	a.judge(ctx, e.Task, func(one Alert) bool {
		return e.Topic == "run" && one.When.Reads("") || e.Topic == "state" && one.When.Reads(e.Text)
	})
}

// all judges everything, and tells every task that has an alert, or had one in an earlier life.
func (a *alerts) all(ctx context.Context) {
	a.forget()
	for _, name := range a.center.declared() {
		a.judge(ctx, name, func(Alert) bool { return true })
		if _, told := a.told[name]; !told && a.mayRemember(name) {
			a.center.cfg.Alerted(name, nil)
		}
	}
}

// mayRemember reports whether a task may show an alert of an earlier life that nobody else ends.
func (a *alerts) mayRemember(name string) bool {
	s, known := a.center.cfg.Store.Status(name)
	return !known || slices.ContainsFunc(s.Health.Reasons, func(r task.Reason) bool { return strings.HasPrefix(r.Code, task.ReasonAlert) })
}

// forget drops what was kept of alerts and tasks that are not there any more.
func (a *alerts) forget() {
	known := map[string]Alert{}
	for _, one := range a.of {
		known[one.Name] = one
	}
	for name, tasks := range a.state {
		one, declared := known[name]
		for taskName := range tasks {
			labels, there := a.center.labels(taskName)
			if !declared || !there || !one.Select.Takes(taskName, labels) {
				delete(tasks, taskName)
				a.dirty = true
			}
		}
		if len(tasks) == 0 {
			delete(a.state, name)
		}
	}
}

// judge evaluates the alerts of one task that which takes, and tells the task which of all its alerts are on.
func (a *alerts) judge(ctx context.Context, name string, which func(Alert) bool) {
	labels, declared := a.center.labels(name)
	if !declared {
		return
	}
	var v *Values
	var reasons []task.Reason
	concerned := false
	for i, one := range a.of {
		if !one.Select.Takes(name, labels) {
			continue
		}
		concerned = true
		if v == nil {
			v = a.values(ctx, name)
		}
		if which(one) {
			a.evaluate(one, *v)
		}
		if a.state[one.Name][name].On {
			reasons = append(reasons, task.Reason{Code: task.ReasonAlert + one.Name, Text: alertText(one, a.texts[i], *v)})
		}
	}
	if before, told := a.told[name]; concerned && (!told || !sameReasons(before, reasons)) {
		a.told[name] = reasons
		a.center.cfg.Alerted(name, reasons)
	}
}

// sameReasons compares the codes alone: the texts hold values, which change all the time.
func sameReasons(a, b []task.Reason) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Code != b[i].Code {
			return false
		}
	}
	return true
}

func (a *alerts) evaluate(one Alert, v Values) {
	holds, err := one.When.Holds(v)
	a.complain(one, v.Task, err)
	tasks := a.state[one.Name]
	before := tasks[v.Task]
	after := before.next(one, holds, a.center.cfg.Now().UTC().Round(0))
	if after == before {
		return
	}
	if tasks == nil {
		tasks = map[string]holding{}
		a.state[one.Name] = tasks
	}
	tasks[v.Task] = after
	if after == (holding{}) {
		delete(tasks, v.Task)
	}
	a.dirty = a.dirty || after.On != before.On || one.For > 0
}

// complain logs an error of a condition once, as long as it stays the same.
func (a *alerts) complain(one Alert, name string, err error) {
	key, text := one.Name+"/"+name, ""
	if err != nil {
		text = err.Error()
	}
	if a.broken[key] == text {
		return
	}
	a.broken[key] = text
	if text == "" {
		delete(a.broken, key)
		return
	}
	a.center.cfg.Log.Warn("an alert cannot be judged, and counts as well", "alert", one.Name, "task", name, "err", text)
}

// values are what conditions see of a task.
func (a *alerts) values(ctx context.Context, name string) *Values {
	v := &Values{Task: name, State: map[string][]byte{}}
	published, err := a.center.cfg.Store.State(ctx, name)
	if err != nil && ctx.Err() == nil {
		a.center.cfg.Log.Warn("what a task published cannot be read", "task", name, "err", err)
	}
	for key, p := range published {
		v.State[key] = p.Value
	}
	if s, ok := a.center.cfg.Store.Status(name); ok && s.Last != nil {
		v.Run = &Run{Outcome: string(s.Last.Outcome), Duration: s.Last.Took.Seconds(), Error: s.Last.Error}
	}
	return v
}

// save keeps which alerts are on, so that a restart neither ends nor repeats them.
func (a *alerts) save(ctx context.Context) {
	if !a.dirty {
		return
	}
	text, err := encodeKept(a.state)
	if err == nil {
		err = a.center.cfg.Queues.Commit(ctx, task.EmitCommit{Task: owner, Ops: []task.Op{{Kind: task.OpSave, Key: alertsKey, Value: text}}})
	}
	if err != nil {
		if ctx.Err() == nil {
			a.center.cfg.Log.Warn("which alerts are on cannot be kept; it is tried again", "err", err)
		}
		return
	}
	a.dirty = false
}
