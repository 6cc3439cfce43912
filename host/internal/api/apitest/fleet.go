package apitest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Epoch is the time at which everything in the fleet begins. It stands still.
var Epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Fleet is a supervisor without processes. It is safe for concurrent use.
type Fleet struct {
	store *store.Memory
	mu    sync.Mutex
	defs  map[string]task.Definition
	// Commands are all that were given, in order.
	commands   []task.Command
	generation task.Generation
	slots      int // given out
}

var _ api.Fleet = (*Fleet)(nil)

func newFleet(s *store.Memory, defs []task.Definition, queues []task.Queue) *Fleet {
	f := &Fleet{store: s, defs: map[string]task.Definition{}, generation: task.Generation{Number: 1, Digest: "9f31c2", Tasks: defs, Queues: queues}}
	for _, d := range defs {
		f.defs[d.Name] = d
		st := task.Status{Task: d.Name, Generation: 1, State: task.Idle, Since: Epoch, Health: task.Health{OK: true}, Ready: true}
		if d.Mode == task.Periodic {
			st.NextSlot = Epoch.Add(18 * time.Second)
		}
		if !d.Enabled {
			st.State, st.Ready = task.Stopped, false
		}
		f.store.SaveStatus(st)
		if d.Mode == task.Continuous && d.Enabled {
			f.begin(&st, f.newRun(d, task.TriggerStart, task.Command{}))
		}
	}
	return f
}

// Generation is always the first.
func (f *Fleet) Generation() task.Generation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.generation
}

// Definitions lists the tasks by name.
func (f *Fleet) Definitions() []task.Definition {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []task.Definition
	for _, d := range f.defs {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b task.Definition) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Definition is one task.
func (f *Fleet) Definition(name string) (task.Definition, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.defs[name]
	return d, ok
}

// Remove takes a task out of the configuration, in a new generation; its history stays.
func (f *Fleet) Remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.defs, name)
	f.store.RemoveStatus(name)
	f.generation.Number++
	f.generation.Tasks = slices.DeleteFunc(slices.Clone(f.generation.Tasks), func(d task.Definition) bool { return d.Name == name })
}

// Commands are all commands that the fleet got.
func (f *Fleet) Commands() []task.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// Groups has one group, which slow holds when it runs.
func (f *Fleet) Groups(context.Context) ([]api.Group, error) {
	return []api.Group{{Group: task.Group{Name: "upstream", Max: 4, Rate: 300, Per: time.Minute}, Members: []string{"slow"}}}, nil
}

// Schedule has a slot every 30 seconds.
func (f *Fleet) Schedule(name string, from, to time.Time, limit int) ([]api.Slot, error) {
	d, _ := f.Definition(name)
	if d.Mode != task.Periodic {
		return nil, nil
	}
	var slots []api.Slot
	for at := from.Truncate(30 * time.Second); len(slots) < limit && !at.After(to); at = at.Add(30 * time.Second) {
		if at.After(from) {
			slots = append(slots, api.Slot{At: at, NotBefore: at.Add(d.Schedule.Jitter)})
		}
	}
	return slots, nil
}

// Call answers echo of a live task with the input; the method hang answers never.
func (f *Fleet) Call(ctx context.Context, name, method string, input json.RawMessage) (json.RawMessage, error) {
	s, _ := f.store.Status(name)
	if len(s.Running) == 0 {
		return nil, &task.Error{Code: task.CodeNotRunning, Detail: fmt.Sprintf("task %q is not running", name), Remedy: "start it first"}
	}
	if method == "hang" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return input, nil
}

// Command does at once what a supervisor would bring about.
func (f *Fleet) Command(_ context.Context, name string, c task.Command) (task.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.DryRun {
		f.commands = append(f.commands, c)
	}
	d, ok := f.defs[name]
	if !ok {
		return task.Reply{}, &task.Error{Code: task.CodeTaskUnknown, Detail: fmt.Sprintf("there is no task %q", name)}
	}
	s, _ := f.store.Status(name)
	if c.DryRun {
		return task.Reply{Changed: true, Status: s}, nil
	}
	switch c.Verb {
	case task.VerbRun, task.VerbRetry, task.VerbBackfill:
		return f.run(d, s, c)
	case task.VerbStop, task.VerbCancel, task.VerbRestart:
		return f.stop(d, s, c), nil
	case task.VerbTimeout:
		return task.Reply{Changed: true, Status: s}, nil
	}
	return f.set(d, s, c), nil
}

// set changes what people set: start, pause, resume, reset.
func (f *Fleet) set(d task.Definition, s task.Status, c task.Command) task.Reply {
	o := task.Override{By: c.Actor, At: Epoch, Until: c.Until, Reason: c.Reason}
	changed := true
	switch c.Verb {
	case task.VerbStart:
		if changed = s.State == task.Stopped; changed {
			s.State, s.StoppedBy, s.Ready = task.Idle, nil, true
		}
	case task.VerbPause:
		s.Paused = &o
	case task.VerbResume:
		changed, s.Paused = s.Paused != nil, nil
	case task.VerbReset:
		changed = s.Paused != nil || s.StoppedBy != nil
		s.Paused, s.StoppedBy = nil, nil
	}
	f.save(s)
	if c.Verb == task.VerbStart && d.Mode == task.Continuous && changed {
		f.begin(&s, f.newRun(d, task.TriggerStart, c))
	}
	return task.Reply{Changed: changed, Status: s}
}

func (f *Fleet) run(d task.Definition, s task.Status, c task.Command) (task.Reply, error) {
	switch {
	case d.Mode == task.Continuous:
		return task.Reply{}, &task.Error{Code: task.CodeNotPeriodic, Detail: fmt.Sprintf("task %q is continuous", d.Name), Remedy: "restart it"}
	case s.State == task.Stopped:
		return task.Reply{}, &task.Error{Code: task.CodeStopped, Detail: fmt.Sprintf("task %q is stopped", d.Name), Remedy: "taskhost task start " + d.Name}
	case len(s.Running) > 0:
		return task.Reply{}, &task.Error{Code: task.CodeOverlap, Detail: fmt.Sprintf("a run of %q is in the way", d.Name), Remedy: "cancel it", Run: s.Running[0].ID}
	}
	trigger, times := task.TriggerManual, []time.Time{{}}
	switch c.Verb {
	case task.VerbRetry:
		trigger, c.Input = task.TriggerRetry, c.Retry.Input
	case task.VerbBackfill:
		trigger, times = task.TriggerBackfill, c.Slots
	}
	var runs []task.Run
	for _, slot := range times {
		r := f.newRun(d, trigger, c)
		r.Slot = slot
		f.begin(&s, r)
		switch d.Name {
		case "slow", "stubborn":
		case "failing":
			r = f.end(&s, r, task.OutcomeFailed, "return", &task.RunError{Class: task.ErrorPlain, Message: "connect: refused"})
		default:
			r.Result = json.RawMessage(`{"n":1}`)
			r = f.end(&s, r, task.OutcomeSucceeded, "return", nil)
		}
		runs = append(runs, r)
	}
	return task.Reply{Changed: true, Status: s, Runs: runs}, nil
}

func (f *Fleet) newRun(d task.Definition, trigger task.Trigger, c task.Command) task.Run {
	f.slots++
	at := Epoch.Add(time.Duration(f.slots) * time.Millisecond)
	return task.Run{
		ID: task.NewID(at), Task: d.Name, Trigger: trigger, State: task.RunRunning, Queued: at, Started: at, Input: c.Input,
		Actor: c.Actor, Reason: c.Reason, Key: c.Key, Generation: 1, Plugin: d.Plugin, Version: "1.4.0",
		Attempts: []task.Attempt{{Number: 1, PID: 4711, Started: at}},
		Timeline: []task.Moment{{At: at, What: "queued"}, {At: at, What: "running", Note: "attempt 1, process 4711"}},
	}
}

func (f *Fleet) begin(s *task.Status, r task.Run) {
	f.store.SaveRun(r)
	s.State, s.Running = task.Running, append(slices.Clone(s.Running), r)
	f.save(*s)
}

func (f *Fleet) end(s *task.Status, r task.Run, o task.Outcome, in string, why *task.RunError) task.Run {
	r.State, r.Outcome, r.EndedIn, r.Ended, r.Error = task.RunEnded, o, in, r.Started.Add(31*time.Millisecond), why
	r.Timeline = append(slices.Clone(r.Timeline), task.Moment{At: r.Ended, What: "ended", Note: string(o)})
	f.store.SaveRun(r)
	s.Running = slices.DeleteFunc(slices.Clone(s.Running), func(x task.Run) bool { return x.ID == r.ID })
	s.Last = &task.RunSummary{ID: r.ID, Outcome: o, Ended: r.Ended, Took: r.Ended.Sub(r.Started)}
	s.Failures = 0
	if why != nil {
		s.Last.Error = why.Message
		s.Failures = 1
	}
	if s.State = task.Idle; s.StoppedBy != nil {
		s.State = task.Stopped
	}
	f.save(*s)
	return r
}

// stop walks the ladder: everyone but stubborn ends in its first stage.
func (f *Fleet) stop(d task.Definition, s task.Status, c task.Command) task.Reply {
	mode := c.Mode
	if mode == "" {
		mode = task.Graceful
		if c.Verb == task.VerbCancel {
			mode = task.Hard
		}
	}
	changed := len(s.Running) > 0
	if c.Verb == task.VerbStop {
		changed = changed || s.State != task.Stopped
		s.StoppedBy = &task.Override{By: c.Actor, At: Epoch, Reason: c.Reason}
	}
	var runs []task.Run
	for _, r := range slices.Clone(s.Running) {
		if c.Run != "" && c.Run != r.ID {
			continue
		}
		stop := task.StopInfo{From: mode.Stage(), Began: Epoch, Actor: c.Actor, Reason: c.Reason}
		if r.Stop != nil {
			stop = *r.Stop
			stop.EscalatedBy = c.Actor
		}
		stop.Stage, stop.Deadline, stop.KillAt = mode.Stage(), Epoch.Add(10*time.Second), Epoch.Add(15*time.Second)
		r.Stop, r.State = &stop, task.RunStopping
		if d.Name == "stubborn" && mode != task.Kill {
			f.store.SaveRun(r)
			s.State, s.Running = task.Stopping, []task.Run{r}
		} else {
			stop.Took = 1100 * time.Millisecond
			r = f.end(&s, r, task.OutcomeCancelled, string(mode.Stage()), nil)
		}
		runs = append(runs, r)
	}
	if len(s.Running) == 0 {
		if s.State = task.Idle; s.StoppedBy != nil {
			s.State, s.Ready = task.Stopped, false
		}
	}
	f.save(s)
	return task.Reply{Changed: changed, Status: s, Runs: runs}
}

// save keeps the status and what people have set, and tells the feed.
func (f *Fleet) save(s task.Status) {
	f.store.SaveStatus(s)
	f.store.SaveOverrides(context.Background(), s.Task, task.Overrides{Stopped: s.StoppedBy, Paused: s.Paused})
	f.store.Event(task.Event{At: Epoch, Topic: "task", Kind: "state", Task: s.Task, Text: string(s.State)})
}
