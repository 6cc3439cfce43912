package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) taskCommand() *cobra.Command {
	return parent("task", "Show and command tasks",
		a.taskList(), a.taskShow(), a.startCommand(), a.stopCommand(), a.cancelCommand(), a.runCommand(), a.pauseCommand(), a.resumeCommand(),
		a.restartCommand(), a.backfillCommand(), a.stateCommand(), a.checkpointCommand(), a.scheduleCommand(), a.slotsCommand(), a.callCommand(),
		a.waitCommand(), a.overridesCommand(), a.resetCommand())
}

func (a *app) taskList() *cobra.Command {
	var f taskFilter
	c := &cobra.Command{
		Use: "list [NAME|GLOB]", Aliases: []string{"ls"}, Short: "List tasks", Args: between(0, "a name or a glob"), ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, args []string) error {
			q, err := f.read(args)
			if err != nil {
				return err
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			tasks, err := api.AllTasks(c.Context(), q)
			if err != nil {
				return err
			}
			return emitAll(a, tasks, func(t admin.Task) string { return t.Name }, func() { a.taskTable(tasks) })
		},
	}
	f.flags(c)
	return c
}

func (a *app) taskShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one task with all that is known of it", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			t, err := api.Task(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(t, func() { a.showTask(t) })
		},
	}
}

// fact writes one "name  value" line of a description, and the further lines of a value under it; an
// empty value is left out.
func (a *app) fact(name, value string) {
	if value == "" {
		return
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			a.line("  %s  %s", a.dim(pad(name, 12)), admin.Printable(line))
			name = ""
		}
	}
}

func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(n-len([]rune(text)), 0))
}

func (a *app) showTask(t admin.Task) {
	a.line("%s  %s", t.Name, a.paint(t.State))
	a.fact("", t.Description)
	if t.Reason != nil {
		text := t.Reason.Text
		if !t.Reason.Until.IsZero() {
			text += " (" + a.next(t.Reason.Until, t.TimeZone) + ")"
		}
		a.fact("reason", text)
	}
	if t.Paused != nil {
		a.fact("paused by", overrideText(*t.Paused))
	}
	if t.Stopped != nil {
		a.fact("stopped by", overrideText(*t.Stopped))
	}
	if t.Health.Status != "ok" {
		for _, r := range t.Health.Reasons {
			a.fact("degraded", r.Text)
		}
	}
	if t.Waiting != nil {
		a.fact("waits for", strings.TrimSpace(t.Waiting.For+" "+t.Waiting.On))
	}
	a.fact("note", t.Note)
	a.fact("mode", t.ModeText)
	a.fact("time zone", t.TimeZone)
	a.fact("since", a.clock(t.Since))
	a.fact("next", a.nextText(t))
	if t.Last != nil {
		a.fact("last run", strings.Join([]string{t.Last.ID, lastText(t), t.Last.Error}, "  "))
	}
	if t.Failures > 0 {
		a.fact("failures", strconv.Itoa(t.Failures)+" in a row")
	}
	if t.Restarts > 0 {
		a.fact("restarts", strconv.Itoa(t.Restarts))
	}
	for _, r := range t.Runs {
		a.fact("live run", r.ID+"  "+runWord(r))
	}
	for _, p := range t.Processes {
		a.fact("process", strconv.Itoa(p.PID)+"  "+p.State+"  since "+a.clock(p.Started)+usageText(p.Usage))
		for _, l := range p.Limits {
			a.fact("limit", limitText(l))
		}
	}
	a.fact("plugin", strings.TrimSpace(t.Plugin+" "+t.Type))
	a.fact("stop", "drain "+t.Stop.Drain.String()+", cancel "+t.Stop.Cancel.String())
	a.fact("groups", strings.Join(t.Groups, ", "))
	for _, d := range t.DependsOn {
		a.fact("depends on", d.Task+" "+d.Condition)
	}
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		labels = append(labels, k+"="+t.Labels[k])
	}
	a.fact("labels", strings.Join(labels, " "))
	a.fact("source", t.Source)
	a.fact("config", string(t.Config))
}

// usageText is what a process takes, "" while that is not known.
func usageText(u *admin.Usage) string {
	if u == nil {
		return ""
	}
	return fmt.Sprintf("  CPU %.1f %%  memory %s", u.CPUPercent, sizeText(u.RSS))
}

func (a *app) paint(state string) string {
	if !a.colored() {
		return state
	}
	return stateColor(state)
}

func (a *app) stateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "state NAME", Short: "Show what a task publishes", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			s, err := api.State(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(s, func() {
				t := newTable("KEY", "VALUE", "AGE")
				for _, k := range slices.Sorted(maps.Keys(s.Values)) {
					t.add(k, string(s.Values[k].Value), a.ago(s.Values[k].At))
				}
				t.write(a)
			})
		},
	}
}

func (a *app) checkpointCommand() *cobra.Command {
	var set string
	var remove, force, yes bool
	var version uint64
	c := &cobra.Command{
		Use: "checkpoint NAME [KEY]", Short: "Show, write or delete what a task keeps for its next run",
		Args: between(1, "a task's name", "a key"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			write := admin.CheckpointWrite{IfVersion: version, Force: force}
			switch {
			case len(args) == 1 && (remove || c.Flags().Changed("set")):
				return usagef("-set and -delete need a key: taskhost task checkpoint %s KEY", args[0])
			case remove && c.Flags().Changed("set"):
				return usagef("-set and -delete exclude each other")
			case remove:
				if err := a.confirm(yes, "delete %q of the checkpoint of %s?", args[1], args[0]); err != nil {
					return err
				}
				return api.DeleteCheckpoint(c.Context(), args[0], args[1], write)
			case c.Flags().Changed("set"):
				value, err := a.jsonValue("-set", set)
				if err != nil {
					return err
				}
				v, err := api.SetCheckpoint(c.Context(), args[0], args[1], value, write)
				if err != nil {
					return err
				}
				return a.emit(v, func() { a.line("%s  version %d", v.Value, v.Version) })
			}
			cp, err := api.Checkpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				v, ok := cp.Values[args[1]]
				if !ok {
					return &admin.Problem{Status: 404, Detail: "the checkpoint of " + args[0] + " has no key \"" + args[1] + "\"",
						Remedy: hint(args[1], slices.Collect(maps.Keys(cp.Values)), "leave the key out to see all")}
				}
				return a.emit(v, func() { a.line("%s", v.Value) })
			}
			return a.emit(cp, func() {
				t := newTable("KEY", "VALUE", "VERSION", "AGE")
				for _, k := range slices.Sorted(maps.Keys(cp.Values)) {
					v := cp.Values[k]
					t.add(k, string(v.Value), strconv.FormatUint(v.Version, 10), a.ago(v.At))
				}
				t.write(a)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&set, "set", "", "write this JSON value; @FILE reads a file, - reads stdin")
	f.BoolVar(&remove, "delete", false, "delete the value")
	f.BoolVar(&force, "force", false, "also while a run is live")
	f.Uint64Var(&version, "if-version", 0, "only when the value has this version")
	f.BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) callCommand() *cobra.Command {
	var input string
	var timeout length
	c := &cobra.Command{
		Use: "call NAME METHOD", Short: "Ask a method of a live task", Args: exactly("a task's name", "a method"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			in, err := a.jsonValue("-input", input)
			if err != nil {
				return err
			}
			out, err := api.Call(c.Context(), args[0], args[1], in, timeout.d)
			if err != nil {
				return err
			}
			if len(out) > 0 {
				a.line("%s", out)
			}
			return nil
		},
	}
	c.Flags().StringVar(&input, "input", "", "the method's input as JSON; @FILE reads a file, - reads stdin")
	c.Flags().Var(&timeout, "timeout", "how long the method may take")
	return c
}

func (a *app) waitCommand() *cobra.Command {
	until := "idle"
	timeout := length{}
	c := &cobra.Command{
		Use: "wait NAME", Short: "Wait until a task is in a state", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			for end := a.deadline(timeout.d); ; {
				t, reached, err := api.WaitTask(c.Context(), args[0], until, part(end))
				if err != nil {
					return err
				}
				if reached {
					return a.emit(t, func() { a.line("%s  %s", t.Name, a.paint(t.State)) })
				}
				if over(end) {
					return &waitError{"the wait ran out: " + t.Name + " is " + t.State + ", not " + until}
				}
			}
		},
	}
	c.Flags().StringVar(&until, "until", until, "a state, or ready")
	c.Flags().Var(&timeout, "timeout", "how long to wait; without it for ever")
	c.RegisterFlagCompletionFunc("until", cobra.FixedCompletions(append(slices.Clone(stateOrder), "ready"), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) slotsCommand() *cobra.Command {
	n := 50
	c := &cobra.Command{
		Use: "slots NAME", Short: "Show the slots that did not run, and why", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			slots, err := admin.Collect(n, func(limit int, cursor string) (admin.List[admin.SlotRecord], error) {
				return api.Slots(c.Context(), args[0], limit, cursor)
			})
			if err != nil {
				return err
			}
			return emitAll(a, slots, func(s admin.SlotRecord) string { return s.ID }, func() {
				t := newTable("FIRST", "LAST", "COUNT", "REASON", "BY")
				for _, s := range slots {
					t.add(a.clock(s.First), a.clock(s.Last), strconv.Itoa(s.Count), s.Reason, s.By)
				}
				t.write(a)
			})
		},
	}
	c.Flags().VarP((*count)(&n), "limit", "n", "how many records")
	return c
}

func (a *app) overridesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "overrides [NAME]", Short: "Show what people have set against the file", Args: between(0, "a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Overrides(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(o admin.Override) string { return o.Task }, func() {
				t := newTable("TASK", "WHAT", "BY", "AGE", "UNTIL", "REASON")
				for _, o := range l.Items {
					t.add(o.Task, o.What, o.By, a.ago(o.At), a.clock(o.Until), o.Reason)
				}
				t.write(a)
			})
		},
	}
}

func (a *app) resetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset NAME", Short: "Drop a task's overrides: as the file says again", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.DropOverrides(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.sayResult(r, "as the file says") })
		},
	}
}

// jsonValue reads a JSON value from a flag: the text itself, @FILE or - for stdin. "" is none.
func (a *app) jsonValue(flag, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	data, err := a.readText(flag, text)
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		return nil, usagef("%s is no JSON: %s", flag, brief(string(data)))
	}
	return data, nil
}

// brief keeps a value in a message short.
func brief(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return strconv.Quote(string(r[:most]) + "…")
	}
	return strconv.Quote(text)
}

// limitText says what a limit is and what enforces it.
func limitText(l admin.AppliedLimit) string {
	if l.By == "" {
		return l.Name + " " + l.Value + "  not enforced: " + admin.Printable(l.Error)
	}
	return l.Name + " " + l.Value + "  by " + l.By
}
