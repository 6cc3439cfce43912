package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) scheduleCommand() *cobra.Command {
	n := 10
	from, to := instant{a: a}, instant{a: a}
	c := &cobra.Command{
		Use: "schedule [NAME]", Short: "Show the next slots of a task, or of all", Args: between(0, "a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				l, err := api.ScheduleAll(c.Context(), from.at, to.at, n)
				if err != nil {
					return err
				}
				return emitAll(a, l.Items, func(s admin.Slot) string { return s.At.String() }, func() {
					t := newTable("LOCAL", "IN", "TASK", "")
					for _, s := range l.Items {
						t.add(a.slotIn(s, a.Local), short(s.At.Sub(a.Now()).Round(time.Second)), s.Task, held(s))
					}
					t.write(a)
				})
			}
			s, err := api.Schedule(c.Context(), args[0], from.at, to.at, n)
			if err != nil {
				return err
			}
			if a.quiet {
				return emitAll(a, s.Items, func(s admin.Slot) string { return s.At.String() }, nil)
			}
			return a.emit(s, func() { a.showSchedule(s) })
		},
	}
	c.Flags().VarP((*count)(&n), "limit", "n", "how many slots")
	c.Flags().Var(&from, "from", "from this time on, or 2h from now")
	c.Flags().Var(&to, "to", "up to this time")
	return c
}

// slotIn is a slot in a zone, with its abbreviation.
func (a *app) slotIn(s admin.Slot, loc *time.Location) string {
	return s.At.In(loc).Format("Mon 2006-01-02 15:04:05 MST")
}

// held says why a slot would not run as things stand.
func held(s admin.Slot) string {
	if s.Held == "" {
		return ""
	}
	return "(" + s.Held + ")"
}

// showSchedule shows each slot in the task's zone and in the person's own, when they differ.
func (a *app) showSchedule(s admin.Schedule) {
	head := s.Task + "  " + s.ModeText
	if s.TimeZone != "" {
		head += "  (" + s.TimeZone + ")"
	}
	if s.Jitter > 0 {
		head += "  jitter up to " + s.Jitter.String()
	}
	a.line("%s", head)
	if len(s.Items) == 0 {
		a.line("  no slot: the task runs when somebody asks, or all the time")
		return
	}
	zone := a.zone(s.TimeZone)
	both := zone.String() != a.Local.String()
	t := newTable("TASK'S ZONE", "LOCAL", "IN", "")
	if !both {
		t = newTable("LOCAL", "IN", "")
	}
	for _, slot := range s.Items {
		cells := []string{a.slotIn(slot, a.Local), short(slot.At.Sub(a.Now()).Round(time.Second)), held(slot)}
		if both {
			cells = append([]string{a.slotIn(slot, zone)}, cells...)
		}
		t.add(cells...)
	}
	t.write(a)
}

func (a *app) backfillCommand() *cobra.Command {
	var body admin.Backfill
	var wait length
	from, to := instant{a: a, back: true}, instant{a: a, back: true}
	c := &cobra.Command{
		Use: "backfill NAME", Short: "Run the slots of a span of time, in order", Args: exactly("a task's name"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			if from.at.IsZero() || to.at.IsZero() {
				return usagef("taskhost task backfill needs -from and -to")
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			body.From, body.To = admin.At(from.at), admin.At(to.at)
			r, _, err := api.Backfill(c.Context(), args[0], body, 0)
			if err != nil {
				return err
			}
			if r.DryRun {
				return a.emit(r, func() {
					for _, s := range r.Slots {
						a.line("%s", s.In(a.Local).Format("Mon 2006-01-02 15:04:05 MST"))
					}
					a.say("%s; nothing was done", plural(len(r.Slots), "slot"))
				})
			}
			failed, end := 0, a.deadline(wait.d)
			for i, run := range r.Runs {
				if wait.d > 0 {
					p := progress{a: a, task: run.Task}
					run, err = a.followRun(c.Context(), api, run, admin.Run.Live, end, &p)
					p.close()
					if err != nil {
						return err
					}
					r.Runs[i] = run
					if !run.Succeeded() {
						failed++
					}
				}
			}
			err = a.emit(r, func() {
				t := newTable("RUN", "SLOT", "OUTCOME")
				for _, run := range r.Runs {
					t.add(run.ID, a.clock(run.Slot), runWord(run))
				}
				t.write(a)
			})
			if err == nil && failed > 0 {
				a.say("%s of %s did not succeed", strconv.Itoa(failed), plural(len(r.Runs), "run"))
				return &Silent{ExitFailed}
			}
			return err
		},
	}
	f := c.Flags()
	f.Var(&from, "from", "first slot at or after this time, or so long ago")
	f.Var(&to, "to", "slots before this time")
	f.IntVar(&body.MaxParallel, "max-parallel", 0, "how many runs at a time; 1 without it")
	f.StringVar(&body.Reason, "reason", "", "why, for those who come later")
	f.BoolVar(&body.DryRun, "dry-run", false, "only show the slots")
	addWait(c, &wait)
	return c
}
