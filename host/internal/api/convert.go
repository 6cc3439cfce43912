package api

import (
	"math"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// taskOf joins what the file says of a task with what it does now.
func taskOf(d task.Definition, s task.Status, published map[string]task.Published, now time.Time) admin.Task {
	t := admin.Task{
		Name: d.Name, Block: d.Block, Key: d.Key, Description: d.Description, Labels: d.Labels, Enabled: d.Enabled,
		Source: d.Source, Plugin: d.Plugin, Type: d.Type, Mode: string(d.Mode), ModeText: modeText(d),
		Groups: d.Groups, Generation: s.Generation,
		Stop:  admin.Ladder{Drain: admin.Seconds(d.Stop.Drain), Cancel: admin.Seconds(d.Stop.Cancel)},
		State: string(s.State), Since: admin.At(s.Since), Reason: reasonOf(s.Reason),
		Paused: overrideOf(s.Paused), Stopped: overrideOf(s.StoppedBy), Health: healthOf(s.Health), Ready: s.Ready,
		Running: []string{}, Waiting: waitingOf(s.Waiting), NextSlot: admin.At(s.NextSlot), LastSlot: admin.At(s.LastSlot),
		LastSuccess: admin.At(s.LastSuccess), Failures: s.Failures, Restarts: s.Restarts,
		Note: note(d, s, published),
	}
	if len(d.Schedule.Cron) > 0 {
		t.TimeZone = d.Schedule.TimeZone
	}
	for _, dep := range d.DependsOn {
		t.DependsOn = append(t.DependsOn, admin.Dependency{Task: dep.Task, Condition: string(dep.Condition)})
	}
	for _, after := range d.AfterRun {
		one := admin.AfterRun{Task: after.Task, Outcomes: []string{}}
		for _, o := range after.Outcomes {
			one.Outcomes = append(one.Outcomes, string(o))
		}
		t.AfterRun = append(t.AfterRun, one)
	}
	if d.Consume != nil {
		t.Consumes = d.Consume.Queue
	}
	for _, r := range s.Running {
		t.Running = append(t.Running, r.ID)
		t.Runs = append(t.Runs, runOf(r, now))
	}
	for _, p := range s.Processes {
		one := admin.ProcessInfo{PID: p.PID, State: p.State, Started: admin.At(p.Started), Version: p.Version, Digest: p.Digest, Run: p.Run}
		for _, l := range p.Limits {
			one.Limits = append(one.Limits, admin.AppliedLimit(l))
		}
		t.Processes = append(t.Processes, one)
	}
	if l := s.Last; l != nil {
		t.Last = &admin.LastRun{
			ID: l.ID, Outcome: string(l.Outcome), Ended: admin.At(l.Ended), Took: admin.Seconds(l.Took), Error: l.Error, Note: l.Note,
		}
	}
	return t
}

// usageOf is what a process takes, nil when that is not known.
func usageOf(u task.Usage, known bool) *admin.Usage {
	if !known {
		return nil
	}
	out := &admin.Usage{At: admin.At(u.At), CPUPercent: math.Round(10*u.Percent) / 10, CPU: admin.Seconds(u.CPU), RSS: u.RSS, Of: "process"}
	if u.Tree {
		out.Of = "tree"
	}
	if u.SharedBy > 1 {
		out.SharedBy = u.SharedBy
	}
	return out
}

func reasonOf(r *task.Reason) *admin.Reason {
	if r == nil {
		return nil
	}
	return &admin.Reason{Code: r.Code, Text: r.Text, Until: admin.At(r.Until)}
}

func overrideOf(o *task.Override) *admin.Override {
	if o == nil {
		return nil
	}
	return &admin.Override{By: o.By, At: admin.At(o.At), Until: admin.At(o.Until), Reason: o.Reason}
}

func healthOf(h task.Health) admin.Health {
	out := admin.Health{Status: "ok"}
	if !h.OK {
		out.Status = "degraded"
	}
	for _, r := range h.Reasons {
		out.Reasons = append(out.Reasons, *reasonOf(&r))
	}
	return out
}

func waitingOf(w *task.Waiting) *admin.Waiting {
	if w == nil {
		return nil
	}
	return &admin.Waiting{For: w.For, On: w.On, Since: admin.At(w.Since), Until: admin.At(w.Until)}
}

// runOf is a run as callers see it; the duration of a live one is up to now.
func runOf(r task.Run, now time.Time) admin.Run {
	out := admin.Run{
		ID: r.ID, Task: r.Task, Trigger: string(r.Trigger), Source: r.Source, Slot: admin.At(r.Slot), PreviousSlot: admin.At(r.PreviousSlot),
		State: string(r.State), Outcome: string(r.Outcome), EndedIn: r.EndedIn, Queued: admin.At(r.Queued), NotBefore: admin.At(r.NotBefore),
		Started: admin.At(r.Started), Ended: admin.At(r.Ended), Waiting: waitingOf(r.Waiting), Stop: stopOf(r),
		Error: errorOf(r.Error), Note: r.Note, Input: r.Input, Result: r.Result, Actor: r.Actor, Reason: r.Reason, Generation: r.Generation,
		Plugin: r.Plugin, Version: r.Version, Digest: r.Digest, Deadline: admin.At(r.Deadline),
	}
	if !r.Started.IsZero() {
		until := r.Ended
		if until.IsZero() {
			until = now
		}
		out.Duration = new(admin.Seconds(max(until.Sub(r.Started), 0)))
	}
	for _, t := range r.Attempts {
		out.Attempts = append(out.Attempts, admin.Attempt{
			Number: t.Number, PID: t.PID, Started: admin.At(t.Started), Ended: admin.At(t.Ended),
			Outcome: string(t.Outcome), Error: errorOf(t.Error), Exit: exitOf(t.Exit),
		})
	}
	for _, m := range r.Timeline {
		out.Timeline = append(out.Timeline, admin.Moment{At: admin.At(m.At), What: m.What, Note: m.Note})
	}
	if p := r.Progress; p != nil {
		out.Progress = &admin.Progress{Done: p.Done, Total: p.Total, Note: p.Note, At: admin.At(p.At)}
	}
	return out
}

func runsOf(runs []task.Run, now time.Time) []admin.Run {
	out := make([]admin.Run, 0, len(runs))
	for _, r := range runs {
		out = append(out, runOf(r, now))
	}
	return out
}

func errorOf(e *task.RunError) *admin.RunError {
	if e == nil {
		return nil
	}
	return &admin.RunError{Class: string(e.Class), Message: e.Message, Stack: e.Stack}
}

func exitOf(e *task.ExitCause) *admin.Exit {
	if e == nil {
		return nil
	}
	return &admin.Exit{
		Text: e.Text(), Code: e.Code, Signal: e.Signal, OOM: e.OOM, Panic: e.Panic, Stderr: e.Stderr, Survivors: e.Survivors, At: admin.At(e.At),
	}
}

func stopOf(r task.Run) *admin.Stop {
	s := r.Stop
	if s == nil {
		return nil
	}
	out := &admin.Stop{
		From: string(s.From), Stage: string(s.Stage), Began: admin.At(s.Began), Deadline: admin.At(s.Deadline), KillAt: admin.At(s.KillAt),
		Actor: s.Actor, Reason: s.Reason, EscalatedBy: s.EscalatedBy, Survivors: s.Survivors,
	}
	if out.Survivors == nil {
		out.Survivors = []int{}
	}
	if r.State == task.RunEnded {
		out.EndedIn, out.Took = r.EndedIn, new(admin.Seconds(s.Took))
		out.Deadline, out.KillAt = admin.Time{}, admin.Time{}
	}
	return out
}

func slotOf(name string, s Slot) admin.Slot {
	out := admin.Slot{Task: name, At: admin.At(s.At), Held: s.Held}
	if s.NotBefore.After(s.At) {
		out.NotBefore = admin.At(s.NotBefore)
	}
	return out
}

func eventOf(e task.Event) admin.Event {
	return admin.Event{Seq: e.Seq, At: admin.At(e.At), Topic: e.Topic, Kind: e.Kind, Task: e.Task, Run: e.Run, Text: e.Text}
}

func logOf(name string, r LogRecord) admin.LogRecord {
	return admin.LogRecord{
		Position: r.Position, Task: name, At: admin.At(r.At), Level: r.Level, Stream: r.Stream, Run: r.Run,
		Message: r.Message, Fields: r.Fields, Gap: r.Gap,
	}
}
