package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

var (
	runStates = []task.RunState{task.RunQueued, task.RunStarting, task.RunRunning, task.RunStopping, task.RunEnded}
	outcomes  = []task.Outcome{task.OutcomeSucceeded, task.OutcomeFailed, task.OutcomeTimedOut, task.OutcomeCancelled, task.OutcomeInterrupted, task.OutcomeLost, task.OutcomeSkipped}
	triggers  = []task.Trigger{task.TriggerSlot, task.TriggerManual, task.TriggerAfterRun, task.TriggerRetry, task.TriggerBackfill, task.TriggerStart}
	overlaps  = []task.Overlap{task.OverlapSkip, task.OverlapQueue, task.OverlapCancel, task.OverlapAllow}
)

func (a *API) listRuns(r *request) (any, error) {
	names := a.seenOf(r, r.q["task"])
	if labels := labelsOf(r); len(labels) > 0 && (names == nil || len(names) > 0) {
		names = a.labelled(labels, names)
	}
	return a.pageRuns(r, names)
}

// labelled are the tasks with these labels, of names unless they are empty; never nil. A task that is no longer in
// the configuration has no labels.
func (a *API) labelled(labels map[string]string, names []string) []string {
	found := []string{}
	for _, d := range a.Fleet.Definitions() {
		sel := selection{labels: labels}
		if sel.matches(d, task.Status{}) && (len(names) == 0 || slices.Contains(names, d.Name)) {
			found = append(found, d.Name)
		}
	}
	return found
}

func (a *API) taskRuns(r *request) (any, error) {
	name, err := a.remembered(r)
	if err != nil {
		return nil, err
	}
	return a.pageRuns(r, []string{name})
}

// pageRuns is a page of the runs of these tasks: of all when names is nil, of none when it is empty.
func (a *API) pageRuns(r *request, names []string) (any, error) {
	q := task.RunQuery{Tasks: names, Cursor: r.q.Get("cursor")}
	var err error
	if q.Limit, err = r.limit(100); err != nil {
		return nil, err
	}
	if q.Outcomes, err = choices(r, "outcome", outcomes); err != nil {
		return nil, err
	}
	if q.Triggers, err = choices(r, "trigger", triggers); err != nil {
		return nil, err
	}
	if q.States, err = choices(r, "state", runStates); err != nil {
		return nil, err
	}
	if q.Since, err = r.instant("since", a.Now()); err != nil {
		return nil, err
	}
	if q.Until, err = r.instant("until", a.Now()); err != nil {
		return nil, err
	}
	if names != nil && len(names) == 0 {
		return paged([]admin.Run{}, ""), nil
	}
	page, err := a.Library.Runs(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	return paged(runsOf(page.Items, a.Now()), page.Next), nil
}

// run is the run that the route names.
func (a *API) run(r *request) (task.Run, error) {
	id := r.PathValue("run")
	if !task.ValidID(id) {
		return task.Run{}, refuse(task.CodeRunUnknown, "%q is no run id", short(id)).with("a run id has 26 characters; taskhost runs list shows them")
	}
	run, ok, err := a.Library.Run(r.Context(), id)
	if err != nil {
		return task.Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	if !ok {
		return task.Run{}, noRun(id)
	}
	return run, nil
}

func noRun(id string) *refusal {
	return refuse(task.CodeRunUnknown, "there is no run %s, or it is no longer remembered", id)
}

func (a *API) getRun(r *request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	until := r.q.Get("until")
	if until == "" && wait == 0 {
		return runOf(run, a.Now()), nil
	}
	want := task.RunEnded
	if until != "" {
		if want, err = choice("query_invalid", "until", until, runStates); err != nil {
			return nil, err
		}
	}
	reached, err := a.await(r.Context(), run.Task, wait, func() bool {
		now, ok, err := a.Library.Run(r.Context(), run.ID)
		if err == nil && ok {
			run = now
		}
		return run.State == want || run.State == task.RunEnded
	})
	if err != nil {
		return nil, err
	}
	return finished(reached, "/v1/runs/"+run.ID, runOf(run, a.Now())), nil
}

// started answers with a new run: 202 while it goes on, 200 with its end whatever the outcome.
func (a *API) started(r *request, id, name string, wait time.Duration) (any, error) {
	var run task.Run
	done, err := a.await(r.Context(), name, wait, func() bool {
		if now, ok, err := a.Library.Run(r.Context(), id); err == nil && ok {
			run = now
		}
		return run.State == task.RunEnded
	})
	if err != nil {
		return nil, err
	}
	if run.ID == "" {
		return nil, refuse(task.CodeRunUnknown, "run %s is no longer remembered", id).of(name, id)
	}
	if err := a.kept(r); err != nil {
		return nil, err
	}
	out := finished(done, "/v1/runs/"+id, runOf(run, a.Now()))
	if out.header == nil {
		out.header = map[string]string{"Location": "/v1/runs/" + id}
	}
	return out, nil
}

// startOnce gives the command to the task, at most once for an Idempotency-Key, and answers with the
// one run that comes of it.
func (a *API) startOnce(r *request, name string, c task.Command, body json.RawMessage) (any, error) {
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	id, err := a.keys.once(r, body, func(mark string) (string, error) {
		c.Key = mark
		reply, err := a.Fleet.Command(r.Context(), name, c)
		if err != nil {
			return "", err
		}
		if len(reply.Runs) == 0 {
			return "", refuse(task.CodeOverlap, "the request was skipped: a run of %q is in the way", name)
		}
		return reply.Runs[0].ID, nil
	})
	if err != nil {
		return nil, err
	}
	return a.started(r, id, name, wait)
}

// kept waits until what the answer tells is on the disk: the next host is to know it, too. While nothing can be written
// only those are refused who can ask again with their Idempotency-Key; what the others asked for goes on, and a refusal
// would make them ask for it twice.
func (a *API) kept(r *request) error {
	disk, ok := a.Library.(Durable)
	if !ok {
		return nil
	}
	if err := disk.Flush(r.Context()); r.Header.Get("Idempotency-Key") != "" {
		return err
	}
	return nil
}

func (a *API) startRun(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	var q admin.RunRequest
	if body != nil {
		if err := decode(body, &q); err != nil {
			return nil, err
		}
	}
	r.reason = q.Reason
	c := task.Command{Verb: task.VerbRun, Actor: r.who.Name, TraceParent: r.trace, Reason: q.Reason, Input: q.Input, At: q.At.Time}
	if q.Overlap != "" {
		if c.Overlap, err = choice(task.CodeInvalid, "overlap", q.Overlap, overlaps); err != nil {
			return nil, err
		}
	}
	if err := a.checkInput(d, q.Input); err != nil {
		return nil, err
	}
	return a.startOnce(r, d.Name, c, body)
}

// checkInput compares a run's input with what the task's type takes.
func (a *API) checkInput(d task.Definition, input json.RawMessage) error {
	typ, ok := a.typeOf(d)
	if !ok || typ.Input == nil {
		return nil
	}
	return checkValue("input", *typ.Input, input, fmt.Sprintf("taskhost plugin describe %s shows what type %s takes", d.Plugin, d.Type))
}

// checkValue refuses what does not fit its schema. What is left out counts as an empty object where
// an object belongs.
func checkValue(root string, v schema.Value, given json.RawMessage, remedy string) error {
	if len(given) == 0 {
		given = json.RawMessage("null")
		if v.Type == schema.ValueObject || v.Type == schema.ValueMap {
			given = json.RawMessage("{}")
		}
		if v.Type == schema.ValueAny || v.Nullable {
			return nil
		}
	}
	fields := fieldErrors(root, v.Check(given))
	if len(fields) == 0 {
		return nil
	}
	bad := refuse("input_invalid", "the %s does not fit its schema", root).with("%s", remedy)
	bad.fields = fields
	return bad
}

func (a *API) patchRun(r *request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	var p admin.RunPatch
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	if p.Timeout <= 0 {
		return nil, refuse(task.CodeInvalid, "the body names no timeout").with(`say how long the run may go on from now: {"timeout": 600}`)
	}
	if run.State == task.RunEnded {
		return nil, refuse("run_ended", "run %s has ended", run.ID).of(run.Task, run.ID)
	}
	reply, err := a.Fleet.Command(r.Context(), run.Task, task.Command{
		Verb: task.VerbTimeout, Actor: r.who.Name, Reason: p.Reason, Timeout: p.Timeout.Duration(), Run: run.ID,
	})
	if err != nil {
		return nil, err
	}
	return a.runResult(r.Context(), run, reply.Changed), nil
}

func (a *API) runResult(ctx context.Context, run task.Run, changed bool) admin.RunResult {
	if now, ok, err := a.Library.Run(ctx, run.ID); err == nil && ok {
		run = now
	}
	return admin.RunResult{Run: runOf(run, a.Now()), Changed: changed}
}

func (a *API) cancelRun(r *request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	c, err := r.ladder(task.VerbCancel)
	if err != nil {
		return nil, err
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	c.Run = run.ID
	changed := false
	if run.State != task.RunEnded {
		reply, err := a.Fleet.Command(r.Context(), run.Task, c)
		if err != nil {
			return nil, err
		}
		changed = reply.Changed
	}
	done, err := a.await(r.Context(), run.Task, wait, func() bool {
		now, ok, err := a.Library.Run(r.Context(), run.ID)
		return err == nil && (!ok || now.State == task.RunEnded)
	})
	if err != nil {
		return nil, err
	}
	return finished(done, "/v1/runs/"+run.ID, a.runResult(r.Context(), run, changed)), nil
}

func (a *API) retryRun(r *request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	var v admin.Verb
	if body != nil {
		if err := decode(body, &v); err != nil {
			return nil, err
		}
	}
	if v.Mode != "" || v.Timeout != 0 {
		return nil, refuse(task.CodeInvalid, "retry takes a reason, neither mode nor timeout").with("leave them out")
	}
	if run.State != task.RunEnded {
		return nil, refuse("run_live", "run %s has not ended", run.ID).with("wait for it, or cancel it first").of(run.Task, run.ID)
	}
	if _, err := a.definitionOf(r, run.Task); err != nil {
		return nil, err
	}
	return a.startOnce(r, run.Task, task.Command{Verb: task.VerbRetry, Actor: r.who.Name, TraceParent: r.trace, Reason: v.Reason, Retry: &run}, body)
}
