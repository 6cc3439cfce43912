package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// taskFilter is the flags that select tasks for reading.
type taskFilter struct {
	query  admin.TaskQuery
	labels []string
}

func (f *taskFilter) flags(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.query.State, "state", nil, "only tasks in these states")
	c.Flags().StringArrayVar(&f.labels, "label", nil, "only tasks with this label, KEY=VALUE; may be repeated")
	c.Flags().StringVar(&f.query.Plugin, "plugin", "", "only tasks of this plugin")
	c.Flags().BoolVar(&f.query.Degraded, "degraded", false, "only tasks whose health is degraded")
}

func (f *taskFilter) read(args []string) (admin.TaskQuery, error) {
	q := f.query
	if len(args) > 0 {
		q.Name = args[0]
	}
	var err error
	q.Labels, err = labelPairs(f.labels)
	return q, err
}

// labelPairs reads flags that are KEY=VALUE.
func labelPairs(flags []string) (map[string]string, error) {
	return pairs("-label", flags, "KEY=VALUE")
}

func (a *app) statusCommand() *cobra.Command {
	var f taskFilter
	c := &cobra.Command{
		Use: "status [NAME|GLOB]", Short: "Show what every task does", Args: between(0, "a name or a glob"), ValidArgsFunction: a.completeTasks,
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
			if a.json || a.quiet {
				return emitAll(a, tasks, func(t admin.Task) string { return t.Name }, nil)
			}
			host, err := api.Host(c.Context())
			if err != nil {
				return err
			}
			a.taskTable(tasks)
			a.line("%s   %s", a.summary(tasks), hostWord(host))
			return nil
		},
	}
	f.flags(c)
	return c
}

func (a *app) taskTable(tasks []admin.Task) {
	t := newTable("TASK", "MODE", "STATE", "SINCE", "LAST", "NEXT", "NOTE")
	t.colors[2], t.colors[4] = stateColor, stateColor
	for _, task := range tasks {
		state := task.State
		if task.Paused != nil && state != "stopped" {
			state += " (paused)"
		}
		t.add(task.Name, task.ModeText, state, a.ago(task.Since), lastText(task), a.nextText(task), task.Note)
	}
	t.write(a)
}

// lastText is how the last run ended, and which in a row that failed.
func lastText(t admin.Task) string {
	l := t.Last
	if l == nil {
		return ""
	}
	text := l.Outcome + " " + short(l.Took.Duration())
	if t.Failures > 1 {
		text += " (" + ordinal(t.Failures) + ")"
	}
	return text
}

// nextText is when the task does something by itself.
func (a *app) nextText(t admin.Task) string {
	if t.Reason != nil && !t.Reason.Until.IsZero() && t.NextSlot.IsZero() {
		return a.next(t.Reason.Until, t.TimeZone)
	}
	return a.next(t.NextSlot, t.TimeZone)
}

var stateOrder = []string{"running", "starting", "stopping", "backoff", "crash_loop", "failed", "idle", "completed", "stopped"}

// summary counts the tasks by state.
func (a *app) summary(tasks []admin.Task) string {
	count, override := map[string]int{}, map[string]bool{}
	for _, t := range tasks {
		count[t.State]++
		override[t.State] = override[t.State] || t.State == "stopped" && t.Stopped != nil
	}
	var parts []string
	for _, s := range stateOrder {
		if count[s] > 0 {
			text := fmt.Sprintf("%d %s", count[s], s)
			if override[s] {
				text += " (override)"
			}
			parts = append(parts, text)
		}
	}
	text := plural(len(tasks), "task")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// hostWord is the host in a few words.
func hostWord(h admin.Host) string {
	switch {
	case h.Health.Status != "ok" && len(h.Health.Reasons) > 0:
		return "host degraded: " + admin.Printable(oneLine(h.Health.Reasons[0].Text))
	case h.Paused != nil:
		return "host " + h.State + " by " + admin.Printable(overrideText(*h.Paused))
	case h.State != "running":
		return "host " + h.State
	}
	return "host ok"
}

// overrideText is who set something, until when and why.
func overrideText(o admin.Override) string {
	text := o.By
	if !o.Until.IsZero() {
		text += " until " + o.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	if o.Reason != "" {
		text += fmt.Sprintf(": %q", o.Reason)
	}
	return text
}
