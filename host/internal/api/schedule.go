package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// span reads from, to and limit; from is now when it is left out.
func (a *API) span(r *request, def int) (from, to time.Time, limit int, err error) {
	if from, err = r.instant("from", a.Now()); err != nil {
		return
	}
	if from.IsZero() {
		from = a.Now()
	}
	if to, err = r.instant("to", a.Now()); err != nil {
		return
	}
	if !to.IsZero() && to.Before(from) {
		err = refuse("query_invalid", "to lies before from")
		return
	}
	limit, err = r.limit(def)
	return
}

// horizon is how far ahead slots are looked for when the caller names no end. It reaches over the
// leap years that a cron may name.
const horizon = 10 // years

// slotsIn returns the slots of a task in [from, to), at most limit.
func (a *API) slotsIn(name string, from, to time.Time, limit int) ([]Slot, error) {
	if to.IsZero() {
		to = from.AddDate(horizon, 0, 0)
	}
	return a.Fleet.Schedule(name, from.Add(-1), to.Add(-1), limit)
}

func (a *API) taskSchedule(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	from, to, limit, err := a.span(r, 10)
	if err != nil {
		return nil, err
	}
	slots, err := a.slotsIn(d.Name, from, to, limit)
	if err != nil {
		return nil, err
	}
	out := admin.Schedule{
		Task: d.Name, Mode: string(d.Mode), ModeText: modeText(d), TimeZone: d.Schedule.TimeZone,
		Jitter: admin.Seconds(d.Schedule.Jitter), Items: []admin.Slot{},
	}
	for _, s := range slots {
		out.Items = append(out.Items, slotOf(d.Name, s))
	}
	return out, nil
}

// schedule is the next slots of all tasks on one time line.
func (a *API) schedule(r *request) (any, error) {
	from, to, limit, err := a.span(r, 100)
	if err != nil {
		return nil, err
	}
	items := []admin.Slot{}
	for _, d := range a.definitions(r) {
		if d.Mode != task.Periodic {
			continue
		}
		slots, err := a.slotsIn(d.Name, from, to, limit)
		if err != nil {
			return nil, err
		}
		for _, s := range slots {
			items = append(items, slotOf(d.Name, s))
		}
	}
	slices.SortFunc(items, func(x, y admin.Slot) int {
		if c := x.At.Compare(y.At.Time); c != 0 {
			return c
		}
		return strings.Compare(x.Task, y.Task)
	})
	return ended(items[:min(limit, len(items))]), nil
}

func (a *API) taskSlots(r *request) (any, error) {
	name, err := a.remembered(r)
	if err != nil {
		return nil, err
	}
	q := task.SlotQuery{Task: name, Cursor: r.q.Get("cursor")}
	if q.Limit, err = r.limit(100); err != nil {
		return nil, err
	}
	if q.Since, err = r.instant("since", a.Now()); err != nil {
		return nil, err
	}
	page, err := a.Library.Slots(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("read the slots of %q: %w", name, err)
	}
	items := []admin.SlotRecord{}
	for _, s := range page.Items {
		items = append(items, admin.SlotRecord{
			ID: s.ID, Task: s.Task, Reason: string(s.Reason), First: admin.At(s.First), Last: admin.At(s.Last), Count: s.Count, By: s.By, At: admin.At(s.At),
		})
	}
	return paged(items, page.Next), nil
}

// maxBackfill bounds how many slots one request may run again.
const maxBackfill = 1000

func (a *API) backfill(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	var b admin.Backfill
	if err := r.decode(&b); err != nil {
		return nil, err
	}
	switch {
	case d.Mode != task.Periodic:
		return nil, refuse(task.CodeNotPeriodic, "task %q has no schedule to fill", d.Name)
	case b.From.IsZero() || b.To.IsZero():
		return nil, refuse(task.CodeInvalid, "a backfill needs from and to").with("name the span of time whose slots are to run")
	case !b.From.Before(b.To.Time):
		return nil, refuse(task.CodeInvalid, "from must lie before to")
	case b.MaxParallel < 0:
		return nil, refuse(task.CodeInvalid, "max_parallel is negative")
	}
	found, err := a.slotsIn(d.Name, b.From.Time, b.To.Time, maxBackfill+1)
	if err != nil {
		return nil, err
	}
	if len(found) > maxBackfill {
		return nil, refuse(task.CodeInvalid, "the span holds more than %d slots", maxBackfill).with("fill it in shorter parts")
	}
	out := admin.BackfillResult{Task: d.Name, DryRun: b.DryRun, Slots: []admin.Time{}, Runs: []admin.Run{}}
	c := task.Command{Verb: task.VerbBackfill, Actor: r.who.Name, TraceParent: r.trace, Reason: b.Reason, MaxParallel: max(b.MaxParallel, 1), DryRun: b.DryRun}
	for _, s := range found {
		c.Slots = append(c.Slots, s.At)
		out.Slots = append(out.Slots, admin.At(s.At))
	}
	if len(found) == 0 {
		return out, nil
	}
	reply, err := a.Fleet.Command(r.Context(), d.Name, c)
	if err != nil {
		return nil, err
	}
	if b.DryRun {
		return out, nil
	}
	out.Changed = reply.Changed
	done, err := a.await(r.Context(), d.Name, wait, func() bool { return a.done(r.Context(), c.Verb, reply) })
	if err == nil {
		err = a.kept(r)
	}
	if err != nil {
		return nil, err
	}
	for _, run := range reply.Runs {
		if now, ok, err := a.Library.Run(r.Context(), run.ID); err == nil && ok {
			run = now
		}
		out.Runs = append(out.Runs, runOf(run, a.Now()))
	}
	return finished(done, "/v1/tasks/"+d.Name+"/runs", out), nil
}
