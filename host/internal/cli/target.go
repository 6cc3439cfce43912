package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// target is the tasks that a verb is meant for: names, or a selection.
type target struct {
	selects []string
	dryRun  bool
}

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&t.selects, "select", nil, "all tasks with name=GLOB, state=STATE, plugin=NAME or label.KEY=VALUE; may be repeated")
	c.Flags().BoolVar(&t.dryRun, "dry-run", false, "with -select: only show which tasks are meant")
}

// args wants names or -select, and not both.
func (t *target) args(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && len(t.selects) == 0:
		return usagef("%s needs a task's name, or -select: %s", c.CommandPath(), singleDash(c.UseLine()))
	case len(args) > 0 && len(t.selects) > 0:
		return usagef("%s takes names or -select, not both", c.CommandPath())
	case t.dryRun && len(t.selects) == 0:
		return usagef("-dry-run goes with -select")
	}
	return nil
}

func (t *target) selection() (admin.Select, error) {
	return pairs("-select", t.selects, "name=GLOB, state=STATE, plugin=NAME or label.KEY=VALUE")
}

// pairs reads flags that are KEY=VALUE. A key has one value: of two, one would be forgotten.
func pairs(flag string, texts []string, form string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("%s %q is none; write %s", flag, text, form)
		}
		if before, twice := all[key]; twice && before != value {
			return nil, usagef("%s gives %s twice, as %q and as %q; leave one out", flag, key, before, value)
		}
		all[key] = value
	}
	return all, nil
}

// longestAct is how long a host waits for the end of an action.
const longestAct = 10 * time.Minute

// act does the action to the selection.
func (a *app) act(c *cobra.Command, t target, action admin.Action, wait time.Duration) error {
	sel, err := t.selection()
	if err != nil {
		return err
	}
	if wait > longestAct && action.Verb != actRun {
		return usagef("-wait with -select lasts at most %s", short(longestAct))
	}
	action.Select, action.DryRun = sel, t.dryRun
	api, err := a.host()
	if err != nil {
		return err
	}
	end := a.deadline(wait)
	r, done, err := api.Act(c.Context(), action, min(wait, longestAct))
	if err != nil {
		return err
	}
	notes, runsEnd := map[string]string{}, error(nil)
	if action.Verb == actRun && wait > 0 {
		notes, runsEnd = a.ends(c.Context(), api, r, end)
	}
	if err := a.emit(r, func() { a.showAction(r, notes) }); err != nil {
		return err
	}
	if r.DryRun {
		a.say("%s matched; nothing was done", plural(r.Matched, "task"))
	} else {
		a.say("%s matched", plural(r.Matched, "task"))
	}
	for _, item := range r.Results {
		if item.Problem != nil {
			return &Silent{exitOfStatus(item.Problem.Status)}
		}
	}
	switch {
	case r.Matched == 0:
		return &Silent{ExitNotFound}
	case action.Verb == actRun:
		return runsEnd
	case !done && wait > 0:
		return &waitError{"the wait ran out before all was done"}
	}
	return nil
}

// actRun is the verb whose wait is for the ends of runs.
const actRun = "run"

// ends waits for the runs that an action began. It returns what became of each task's, and ends as the first that did
// not succeed.
func (a *app) ends(ctx context.Context, api *admin.Client, r admin.ActionResult, end time.Time) (notes map[string]string, first error) {
	notes = map[string]string{}
	for _, item := range r.Results {
		if item.Run == "" {
			continue
		}
		run, err := a.endOf(ctx, api, item, end)
		if err == nil && !run.Succeeded() {
			err = &Silent{ExitFailed}
		}
		first = cmp.Or(first, err)
		notes[item.Task] = runWord(run)
	}
	return notes, first
}

func (a *app) endOf(ctx context.Context, api *admin.Client, item admin.ActionOnTask, end time.Time) (admin.Run, error) {
	run, err := api.Run(ctx, item.Run, 0)
	if err != nil {
		return run, err
	}
	p := progress{a: a, task: item.Task}
	defer p.close()
	return a.followRun(ctx, api, run, admin.Run.Live, end, &p)
}

// showAction tells task by task what came of an action.
func (a *app) showAction(r admin.ActionResult, notes map[string]string) {
	if a.quiet {
		for _, item := range r.Results {
			if item.Problem != nil {
				a.sayError(item.Problem)
				continue
			}
			a.line("%s", cmp.Or(item.Run, item.Task))
		}
		return
	}
	table := newTable("TASK", "STATE", "CHANGED", "NOTE")
	table.colors[1] = stateColor
	for _, item := range r.Results {
		note := strings.TrimSpace(item.Run + "  " + notes[item.Task])
		if item.Problem != nil {
			note = item.Problem.Error()
		}
		table.add(item.Task, item.State, yesNo(item.Changed), note)
	}
	table.write(a)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// each does one thing to every name, and ends with the first code that is not 0.
func each(names []string, do func(name string) error, say func(error)) error {
	if len(names) == 1 {
		return do(names[0])
	}
	var first error
	for _, name := range names {
		if err := do(name); err != nil {
			say(err)
			if first == nil {
				first = err
			}
		}
	}
	if first == nil {
		return nil
	}
	return &Silent{exitCode(first)}
}

func (a *app) sayError(err error) {
	if _, ok := err.(*Silent); !ok {
		a.say("taskhost: %s", printableLines(err.Error()))
	}
}
