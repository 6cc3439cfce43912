package api

import (
	"context"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

var stopModes = []task.StopMode{task.Graceful, task.Hard, task.Kill}

// ladder turns the body of stop, cancel and restart into a command.
func (r *request) ladder(verb task.Verb) (task.Command, error) {
	var v admin.Verb
	if err := r.decode(&v); err != nil {
		return task.Command{}, err
	}
	return ladderCommand(verb, v, r.who)
}

func ladderCommand(verb task.Verb, v admin.Verb, who Identity) (task.Command, error) {
	c := task.Command{Verb: verb, Actor: who.Name, Reason: v.Reason, Mode: task.StopMode(v.Mode), Timeout: v.Timeout.Duration()}
	if v.Mode != "" {
		if _, err := choice(task.CodeInvalid, "mode", v.Mode, stopModes); err != nil {
			return c, err
		}
	}
	if c.Timeout < 0 {
		return c, refuse(task.CodeInvalid, "the timeout %s is negative", v.Timeout)
	}
	return c, nil
}

// verb carries out a command and answers with the task once it has come about, or when the caller
// does not want to wait longer.
func (a *API) verb(r *request, c task.Command) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	reply, err := a.Fleet.Command(r.Context(), d.Name, c)
	if err != nil {
		return nil, err
	}
	done, err := a.await(r.Context(), d.Name, wait, func() bool { return a.done(r.Context(), c.Verb, reply) })
	if err != nil {
		return nil, err
	}
	return a.result(r, d, reply, done)
}

// done reports whether what a verb asked for has come about.
func (a *API) done(ctx context.Context, verb task.Verb, reply task.Reply) bool {
	for _, run := range reply.Runs {
		if now, ok, err := a.Library.Run(ctx, run.ID); err == nil && ok && !over(verb, now) {
			return false
		}
	}
	s := a.status(reply.Status.Task)
	switch verb {
	case task.VerbStop:
		return s.State == task.Stopped || s.State == task.FailedState && len(s.Running) == 0
	case task.VerbStart:
		return s.State != task.Starting && s.State != task.Stopped && s.State != task.Stopping
	case task.VerbRestart:
		return s.State != task.Starting && s.State != task.Stopping
	}
	return true
}

// over reports whether the run has come to what the verb is for: its end. A stop and a restart may
// also interrupt a run that goes on later: they wait for the ladder alone.
func over(verb task.Verb, run task.Run) bool {
	if verb == task.VerbStop || verb == task.VerbRestart {
		return run.State != task.RunStopping
	}
	return run.State == task.RunEnded
}

// atWork reports whether a process has the run.
func atWork(run task.Run) bool {
	return run.State == task.RunStarting || run.State == task.RunRunning || run.State == task.RunStopping
}

// result is the task as it is now, with what the verb brought about.
func (a *API) result(r *request, d task.Definition, reply task.Reply, done bool) (any, error) {
	s := reply.Status
	if now, ok := a.Library.Status(d.Name); ok && (done || !now.Since.Before(s.Since)) {
		s = now
	}
	t, err := a.view(r, d, s)
	if err != nil {
		return nil, err
	}
	out := admin.Result{Task: t, Changed: reply.Changed}
	for _, run := range reply.Runs {
		if now, ok, err := a.Library.Run(r.Context(), run.ID); err == nil && ok {
			run = now
		}
		out.Ended = append(out.Ended, runOf(run, a.Now()))
	}
	out.Stop = slowest(out.Ended)
	return finished(done, "/v1/tasks/"+d.Name, out), nil
}

// slowest is the stop that goes on, or that took longest.
func slowest(runs []admin.Run) *admin.Stop {
	var worst *admin.Stop
	for _, r := range runs {
		switch s := r.Stop; {
		case s == nil:
		case worst == nil, s.Took == nil, worst.Took != nil && *s.Took > *worst.Took:
			worst = s
		}
	}
	return worst
}

func (a *API) ladderVerb(r *request, verb task.Verb) (any, error) {
	c, err := r.ladder(verb)
	if err != nil {
		return nil, err
	}
	return a.verb(r, c)
}

func (a *API) startTask(r *request) (any, error)   { return a.ladderVerb(r, task.VerbStart) }
func (a *API) stopTask(r *request) (any, error)    { return a.ladderVerb(r, task.VerbStop) }
func (a *API) cancelTask(r *request) (any, error)  { return a.ladderVerb(r, task.VerbCancel) }
func (a *API) restartTask(r *request) (any, error) { return a.ladderVerb(r, task.VerbRestart) }

func (a *API) pauseTask(r *request) (any, error) {
	var p admin.Pause
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	if err := a.checkUntil(p.Until.Time); err != nil {
		return nil, err
	}
	return a.verb(r, task.Command{Verb: task.VerbPause, Actor: r.who.Name, Reason: p.Reason, Until: p.Until.Time})
}

// checkUntil refuses a pause that would be over before it begins.
func (a *API) checkUntil(until time.Time) error {
	if !until.IsZero() && !until.After(a.Now()) {
		return refuse(task.CodeInvalid, "until %s lies in the past", admin.At(until)).with("name a later time, or leave it out to pause until resume")
	}
	return nil
}

func (a *API) resumeTask(r *request) (any, error) {
	var p admin.Resume
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	return a.verb(r, task.Command{Verb: task.VerbResume, Actor: r.who.Name, Reason: p.Reason, CatchUp: p.CatchUp})
}

func (a *API) dropOverrides(r *request) (any, error) {
	return a.verb(r, task.Command{Verb: task.VerbReset, Actor: r.who.Name})
}

func (a *API) taskOverrides(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	return a.listOverrides(r, d.Name)
}

func (a *API) overrides(r *request) (any, error) { return a.listOverrides(r, "") }

// listOverrides lists what people have set, of one task or of all.
func (a *API) listOverrides(r *request, only string) (any, error) {
	all, err := a.Library.Overrides(r.Context())
	if err != nil {
		return nil, fmt.Errorf("read the overrides: %w", err)
	}
	items := []admin.Override{}
	for _, d := range a.definitions(r) {
		if only != "" && d.Name != only {
			continue
		}
		o := all[d.Name]
		for _, part := range []struct {
			what string
			set  *task.Override
		}{{"stopped", o.Stopped}, {"started", o.Started}, {"paused", o.Paused}} {
			if part.set != nil {
				item := *overrideOf(part.set)
				item.Task, item.What = d.Name, part.what
				items = append(items, item)
			}
		}
	}
	return ended(items), nil
}
