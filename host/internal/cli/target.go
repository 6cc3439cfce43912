package cli

import (
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
	s := admin.Select{}
	for _, text := range t.selects {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("-select %q is none; write name=GLOB, state=STATE, plugin=NAME or label.KEY=VALUE", text)
		}
		s[key] = value
	}
	return s, nil
}

// act does the action to the selection.
func (a *app) act(c *cobra.Command, t target, action admin.Action, wait time.Duration) error {
	sel, err := t.selection()
	if err != nil {
		return err
	}
	action.Select, action.DryRun = sel, t.dryRun
	api, err := a.host()
	if err != nil {
		return err
	}
	r, done, err := api.Act(c.Context(), action, min(wait, 10*time.Minute))
	if err != nil {
		return err
	}
	worst := 0
	err = a.emit(r, func() {
		table := newTable("TASK", "STATE", "CHANGED", "NOTE")
		table.colors[1] = stateColor
		for _, item := range r.Results {
			note := item.Run
			if item.Problem != nil {
				note = item.Problem.Error()
			}
			table.add(item.Task, item.State, yesNo(item.Changed), note)
		}
		table.write(a)
	})
	for _, item := range r.Results {
		if item.Problem != nil && worst == 0 {
			worst = exitOfStatus(item.Problem.Status)
		}
	}
	if r.DryRun {
		a.say("%s matched; nothing was done", plural(r.Matched, "task"))
	} else {
		a.say("%s matched", plural(r.Matched, "task"))
	}
	switch {
	case err != nil:
		return err
	case worst != 0:
		return &Silent{worst}
	case !done && wait > 0:
		return &waitError{"the wait ran out before all was done"}
	case r.Matched == 0:
		return &Silent{ExitNotFound}
	}
	return nil
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
