package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) runCommand() *cobra.Command {
	var t target
	var body admin.RunRequest
	var input, key string
	var wait length
	at := instant{a: a}
	c := &cobra.Command{
		Use: "run NAME...", Short: "Run a task now; with -wait the exit code is the outcome", Args: t.args, ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, names []string) error {
			if len(t.selects) > 0 && (key != "" || !at.at.IsZero()) {
				return usagef("-at and -key go with names, not with -select")
			}
			in, err := a.jsonValue("-input", input)
			if err != nil {
				return err
			}
			body.Input, body.At = in, admin.At(at.at)
			if len(t.selects) > 0 {
				return a.act(c, t, admin.Action{Verb: actRun, Input: in, Reason: body.Reason, Overlap: body.Overlap}, wait.d)
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(names, func(name string) error {
				run, err := api.StartRun(c.Context(), name, body, key, 0)
				if err != nil {
					return err
				}
				return a.outcome(c.Context(), api, run, wait.d)
			}, a.sayError)
		},
	}
	t.flags(c)
	f := c.Flags()
	f.StringVar(&input, "input", "", "the run's input as JSON; @FILE reads a file, - reads stdin")
	f.StringVar(&body.Reason, "reason", "", "why, for those who come later")
	f.StringVar(&body.Overlap, "overlap", "", "when a run is in the way: skip, queue, cancel_running or allow; without it that is a conflict")
	f.StringVar(&key, "key", "", "an Idempotency-Key: the same key within 24 hours is the same run")
	f.Var(&at, "at", "not before: a time, or 2h")
	addWait(c, &wait)
	return c
}

// outcome waits for a run's end when asked to, tells of it, and ends as the run did.
func (a *app) outcome(ctx context.Context, api *admin.Client, run admin.Run, wait time.Duration) error {
	if wait > 0 && run.Live() {
		p := progress{a: a, task: run.Task}
		var err error
		run, err = a.followRun(ctx, api, run, admin.Run.Live, a.deadline(wait), &p)
		p.close()
		if err != nil {
			return err
		}
	}
	if err := a.emit(run, func() { a.sayRun(run) }); err != nil {
		return err
	}
	if wait > 0 && !run.Succeeded() {
		return &Silent{ExitFailed}
	}
	return nil
}

// sayRun is a run on one line, with its result below.
func (a *app) sayRun(run admin.Run) {
	if a.quiet {
		a.line("%s", run.ID)
		return
	}
	a.line("%s  run %s  %s", run.Task, run.ID, a.paint(admin.Printable(runWord(run))))
	if len(run.Result) > 0 {
		a.line("  result  %s", admin.Printable(string(run.Result)))
	}
}

// runWord is what a run does, or how it ended.
func runWord(r admin.Run) string {
	parts := []string{r.State}
	if !r.Live() {
		parts[0] = r.Outcome
	}
	if r.Duration != nil {
		parts = append(parts, short(r.Duration.Duration()))
	}
	if len(r.Attempts) > 1 {
		parts = append(parts, "attempt "+strconv.Itoa(len(r.Attempts)))
	}
	switch {
	case r.Error != nil:
		parts = append(parts, strconv.Quote(oneLine(r.Error.Message)))
	case r.Live() && r.Stop != nil:
		parts = append(parts, "in "+r.Stop.Stage)
	case r.Live() && r.Waiting != nil:
		parts = append(parts, strings.TrimSpace("waits for "+r.Waiting.For+" "+r.Waiting.On))
	case r.Live() && r.Progress != nil:
		parts = append(parts, progressWord(*r.Progress))
	case r.Note != "":
		parts = append(parts, r.Note)
	}
	return strings.Join(parts, "  ")
}

func (a *app) runsCommand() *cobra.Command {
	return parent("runs", "Show and command runs", a.runsList(), a.runsShow(), a.runsCancel(), a.runsRetry(), a.runsTimeout())
}

func (a *app) runsList() *cobra.Command {
	var q admin.RunQuery
	var labels []string
	since := instant{a: a, back: true}
	n := 20
	c := &cobra.Command{
		Use: "list [TASK...]", Aliases: []string{"ls"}, Short: "List runs, live ones first, then the newest", ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			q.Tasks, q.Since = names, since.at
			if q.Labels, err = labelPairs(labels); err != nil {
				return err
			}
			runs, err := admin.Collect(n, func(limit int, cursor string) (admin.List[admin.Run], error) {
				q.Limit, q.Cursor = limit, cursor
				return api.Runs(c.Context(), q)
			})
			if err != nil {
				return err
			}
			return emitAll(a, runs, func(r admin.Run) string { return r.ID }, func() {
				t := newTable("RUN", "TASK", "TRIGGER", "STARTED", "TOOK", "OUTCOME", "NOTE")
				t.colors[5] = stateColor
				for _, r := range runs {
					a.runRow(t, r)
				}
				t.write(a)
			})
		},
	}
	f := c.Flags()
	f.StringSliceVar(&q.Outcomes, "outcome", nil, "only these outcomes")
	f.StringSliceVar(&q.Triggers, "trigger", nil, "only these triggers")
	f.StringSliceVar(&q.States, "state", nil, "only runs in these states")
	f.StringArrayVar(&labels, "label", nil, "only runs of tasks with this label, KEY=VALUE; may be repeated")
	f.Var(&since, "since", "queued since a time, or 2h ago")
	f.VarP((*count)(&n), "limit", "n", "how many runs")
	return c
}

func (a *app) runRow(t *table, r admin.Run) {
	outcome, took, note := r.Outcome, "", r.Note
	if r.Live() {
		outcome = r.State
	}
	if r.Duration != nil {
		took = short(r.Duration.Duration())
	}
	if r.Error != nil {
		note = oneLine(r.Error.Message)
	}
	started := r.Started
	if started.IsZero() {
		started = r.Queued
	}
	t.add(r.ID, r.Task, r.Trigger, a.clock(started), took, outcome, note)
}

func (a *app) runsShow() *cobra.Command {
	var wait length
	c := &cobra.Command{
		Use: "show RUN", Short: "Show one run with its timeline", Args: exactly("a run's id"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			run, err := api.Run(c.Context(), args[0], 0)
			if err != nil {
				return err
			}
			if wait.d > 0 {
				p := progress{a: a, task: run.Task}
				run, err = a.followRun(c.Context(), api, run, admin.Run.Live, a.deadline(wait.d), &p)
				p.close()
				if err != nil {
					return err
				}
			}
			return a.emit(run, func() { a.showRun(run) })
		},
	}
	addWait(c, &wait)
	return c
}

// showRun tells a run's story: where it came from, its timeline, and what came of it.
func (a *app) showRun(r admin.Run) {
	head := []string{"run " + r.ID + " of " + r.Task, "trigger " + r.Trigger, "generation " + strconv.Itoa(r.Generation)}
	if r.Plugin != "" {
		text := strings.TrimSpace("plugin " + r.Plugin + " " + r.Version)
		if r.Digest != "" {
			text += fmt.Sprintf(" (sha256 %.4s…)", r.Digest)
		}
		head = append(head, text)
	}
	a.line("%s", admin.Printable(strings.Join(head, " · ")))
	if !r.Slot.IsZero() {
		a.fact("slot", r.Slot.In(a.Local).Format(time.DateTime+" MST"))
	}
	if r.Actor != "" {
		a.fact("asked by", strings.TrimSuffix(r.Actor+": "+r.Reason, ": "))
	}
	for _, m := range r.Timeline {
		a.line("  %s  %s", m.At.In(a.Local).Format("15:04:05.000"), admin.Printable(strings.TrimSpace(pad(m.What, 10)+"  "+oneLine(m.Note))))
	}
	if e := r.Error; e != nil {
		a.fact("error", e.Class+": "+e.Message)
		a.indented(strings.Split(e.Stack, "\n"))
	}
	for _, t := range r.Attempts {
		if t.Exit != nil {
			a.fact("exit", "attempt "+strconv.Itoa(t.Number)+": "+t.Exit.Text)
			a.indented(t.Exit.Stderr)
		}
	}
	if s := r.Stop; s != nil && !r.Live() && s.Took != nil {
		text := "from " + s.From + ", ended in " + s.EndedIn + " after " + short(s.Took.Duration())
		if s.EscalatedBy != "" {
			text += ", escalated by " + s.EscalatedBy
		}
		if len(s.Survivors) > 0 {
			text += fmt.Sprintf(", survivors %v", s.Survivors)
		}
		a.fact("stop", text)
	}
	a.fact("input", string(r.Input))
	a.fact("result", string(r.Result))
	a.line("  %s  %s", a.dim(pad("outcome", 12)), a.paint(admin.Printable(runWord(r))))
}

const deepest = 20 // lines of a stack or of stderr

func (a *app) indented(lines []string) {
	if len(lines) > deepest {
		lines = lines[len(lines)-deepest:]
	}
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			a.line("                %s", admin.Printable(l))
		}
	}
}

func (a *app) runsCancel() *cobra.Command {
	var v verbFlags
	c := &cobra.Command{
		Use: "cancel RUN...", Short: "End one run; its task's schedule goes on", Args: some("a run's id"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, ids []string) error {
			if err := v.check(); err != nil {
				return err
			}
			if v.body.Mode == admin.Kill {
				if err := a.confirm(v.yes, "kill %s: the run is cut off. Go on?", strings.Join(ids, ", ")); err != nil {
					return err
				}
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(ids, func(id string) error {
				r, done, err := api.CancelRun(c.Context(), id, v.body, 0)
				if err != nil {
					return err
				}
				if v.wait.d > 0 && !done {
					p := progress{a: a, task: r.Task}
					r.Run, err = a.followRun(c.Context(), api, r.Run, admin.Run.Live, a.deadline(v.wait.d), &p)
					p.close()
					if err != nil {
						return err
					}
				}
				return a.emit(r, func() { a.sayRun(r.Run) })
			}, a.sayError)
		},
	}
	f := c.Flags()
	f.StringVar(&v.body.Mode, "mode", "", "the stage in which it begins: graceful (drain), hard (cancel, the default) or kill")
	f.StringVar(&v.body.Reason, "reason", "", "why, for those who come later")
	f.Var(&v.timeout, "timeout", "shorten that stage")
	f.BoolVar(&v.yes, "yes", false, "do not ask")
	addWait(c, &v.wait)
	return c
}

func (a *app) runsRetry() *cobra.Command {
	var reason string
	var wait length
	c := &cobra.Command{
		Use: "retry RUN", Short: "Run an ended run again, with its input and slot", Args: exactly("a run's id"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			run, err := api.RetryRun(c.Context(), args[0], reason, 0)
			if err != nil {
				return err
			}
			return a.outcome(c.Context(), api, run, wait.d)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who come later")
	addWait(c, &wait)
	return c
}

func (a *app) runsTimeout() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "timeout RUN DURATION", Short: "Give a live run another timeout, from now", Args: exactly("a run's id", "a duration"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			var d length
			if err := d.Set(args[1]); err != nil || d.d == 0 {
				return usagef("%q is no duration; write 10m or 1h30m", args[1])
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.SetRunTimeout(c.Context(), args[0], admin.RunPatch{Timeout: admin.Seconds(d.d), Reason: reason})
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.sayRun(r.Run) })
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who come later")
	return c
}
