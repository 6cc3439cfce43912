package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// ScheduleOptions say which slots to compute.
type ScheduleOptions struct {
	Sources
	From, To time.Time // [From, To)
	Each     int       // at most so many of each task
}

// moment is one line of the time line: a slot of a task, or a change of the clocks.
type moment struct {
	At     admin.Time   `json:"at"`
	Slot   *admin.Slot  `json:"slot,omitempty"`
	Zone   string       `json:"time_zone,omitempty"` // of the slot's task
	Odd    string       `json:"odd,omitempty"`
	Clocks *clockChange `json:"clocks,omitempty"`
}

func (a *app) nextCommand() *cobra.Command {
	var o ScheduleOptions
	from, to := instant{a: a}, instant{a: a}
	c := &cobra.Command{
		Use: "next", Short: "Show the slots of all tasks on one time line, with the changes of the clocks; with -config those of files, otherwise of the host", Args: exactly(),
	}
	o.flags(c)
	c.Flags().Var(&from, "from", "from this time on, or 2h from now; now without it")
	c.Flags().Var(&to, "to", "up to this time, or 7d from now; a day from -from without it")
	c.Flags().IntVarP(&o.Each, "limit", "n", 24, "how many slots of each task")
	c.RunE = func(c *cobra.Command, _ []string) error {
		o.From, o.To = from.at, to.at
		if o.From.IsZero() {
			o.From = a.Now()
		}
		if o.To.IsZero() {
			o.To = o.From.Add(24 * time.Hour)
		}
		switch {
		case !o.From.Before(o.To):
			return usagef("-to lies before -from")
		case o.Each < 1 || o.Each > 500:
			return usagef("-limit takes 1 to 500")
		}
		ask := a.hostSchedules
		if len(o.Config) > 0 {
			ask = a.commands.Schedules
			if err := o.read(nil); err != nil {
				return err
			}
		}
		all, err := ask(c.Context(), o)
		if err != nil {
			return err
		}
		line := a.timeLine(all, o)
		return emitAll(a, line, func(m moment) string { return m.At.String() }, func() { a.showTimeLine(line, all, o) })
	}
	return c
}

// hostSchedules asks the host for the slots of each of its periodic tasks.
func (a *app) hostSchedules(ctx context.Context, o ScheduleOptions) ([]admin.Schedule, error) {
	api, err := a.host()
	if err != nil {
		return nil, err
	}
	tasks, err := api.AllTasks(ctx, admin.TaskQuery{})
	if err != nil {
		if admin.AsProblem(err) == nil {
			err = fmt.Errorf("%w; the slots of files need no host: taskhost next -config FILE", err)
		}
		return nil, err
	}
	var all []admin.Schedule
	for _, t := range tasks {
		if t.Mode != "periodic" {
			continue
		}
		s, err := api.Schedule(ctx, t.Name, o.From, o.To, o.Each+1)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// timeLine puts slots and changes of the clocks in order.
func (a *app) timeLine(all []admin.Schedule, o ScheduleOptions) []moment {
	var line []moment
	zones := map[string]*time.Location{a.Local.String(): a.Local}
	for _, s := range all {
		zone := a.Local
		if s.TimeZone != "" {
			zone = a.zone(s.TimeZone)
			zones[zone.String()] = zone
		}
		for i, slot := range s.Items[:min(len(s.Items), o.Each)] {
			m := moment{At: slot.At, Slot: &s.Items[i], Zone: s.TimeZone}
			if s.TimeZone != "" {
				m.Odd = oddClock(slot.At.Time, zone)
			}
			line = append(line, m)
		}
	}
	for _, zone := range zones {
		for _, c := range clockChanges(zone, o.From, o.To) {
			line = append(line, moment{At: admin.At(c.At), Clocks: &c})
		}
	}
	slices.SortFunc(line, func(x, y moment) int {
		if c := x.At.Compare(y.At.Time); c != 0 {
			return c
		}
		return strings.Compare(x.key(), y.key())
	})
	return line
}

// key orders what is at the same time: the clocks first, then tasks by name.
func (m moment) key() string {
	if m.Clocks != nil {
		return " " + m.Clocks.Zone
	}
	return m.Slot.Task
}

func (a *app) showTimeLine(line []moment, all []admin.Schedule, o ScheduleOptions) {
	t := newTable("LOCAL", "IN", "TASK", "TASK'S ZONE", "")
	for _, m := range line {
		in := short(m.At.Sub(a.Now()).Round(time.Second))
		if m.Clocks != nil {
			t.add(a.slotIn(admin.Slot{At: m.At}, a.Local), in, "", "", "── "+m.Clocks.String())
			continue
		}
		own := ""
		if zone := a.zone(m.Zone); zone.String() != a.Local.String() {
			own = a.slotIn(*m.Slot, zone)
		}
		t.add(a.slotIn(*m.Slot, a.Local), in, m.Slot.Task, own, strings.TrimSpace(held(*m.Slot)+" "+m.Odd))
	}
	t.write(a)
	for _, s := range all {
		switch {
		case len(s.Items) > o.Each:
			a.line("%s  %s: more slots than the %d that are shown (-limit)", admin.Printable(s.Task), admin.Printable(s.ModeText), o.Each)
		case len(s.Items) == 0:
			a.line("%s  %s: %s", admin.Printable(s.Task), admin.Printable(s.ModeText), noSlot(s, o))
		}
	}
	if len(all) == 0 {
		a.line("no task is periodic")
	}
}

// noSlot says why a task does not stand on the time line.
func noSlot(s admin.Schedule, o ScheduleOptions) string {
	if strings.HasPrefix(s.ModeText, "after ") {
		return "its slots count from the end of its last run"
	}
	return fmt.Sprintf("no slot within %s", short(o.To.Sub(o.From)))
}
