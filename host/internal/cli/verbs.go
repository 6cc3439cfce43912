package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// verbFlags are the flags of start, stop, cancel and restart.
type verbFlags struct {
	target
	body    admin.Verb
	timeout length
	wait    length
	yes     bool
}

const bareWait = "10m" // -wait without a time

func (v *verbFlags) flags(c *cobra.Command, ladder bool) {
	v.target.flags(c)
	f := c.Flags()
	f.StringVar(&v.body.Reason, "reason", "", "why, for those who come later")
	addWait(c, &v.wait)
	if ladder {
		f.StringVar(&v.body.Mode, "mode", "", "the stage in which it begins: graceful (drain), hard (cancel) or kill")
		f.Var(&v.timeout, "timeout", "shorten that stage")
		f.BoolVar(&v.yes, "yes", false, "do not ask")
		c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{admin.Graceful, admin.Hard, admin.Kill}, cobra.ShellCompDirectiveNoFileComp))
	}
}

func addWait(c *cobra.Command, wait *length) {
	c.Flags().Var(wait, "wait", "wait so long for the end; "+bareWait+" without a time")
	c.Flags().Lookup("wait").NoOptDefVal = bareWait
}

// check refuses an unknown mode before anything is asked.
func (v *verbFlags) check() error {
	switch v.body.Mode {
	case "", admin.Graceful, admin.Hard, admin.Kill:
		v.body.Timeout = admin.Seconds(v.timeout.d)
		return nil
	}
	return usagef("-mode %q is none; %s", v.body.Mode, hint(v.body.Mode, []string{admin.Graceful, admin.Hard, admin.Kill}, "write graceful, hard or kill"))
}

// ask warns a person before what cannot be taken back.
func (v *verbFlags) ask(a *app, verb string, names []string) error {
	if v.dryRun || v.body.Mode != admin.Hard && v.body.Mode != admin.Kill {
		return nil
	}
	what := strings.Join(names, ", ")
	if what == "" {
		what = "all tasks with " + strings.Join(v.selects, " and ")
	}
	return a.confirm(v.yes, "%s %s, mode %s: runs are cut off. Go on?", verb, what, v.body.Mode)
}

type verbCall func(api *admin.Client, ctx context.Context, name string, v admin.Verb) (admin.Result, bool, error)

// ladderVerb makes the command of a verb. settled says when its work is done, once its runs have ended.
func (a *app) ladderVerb(use, short, verb string, ladder bool, call verbCall, settled func(admin.Task) bool) *cobra.Command {
	var v verbFlags
	c := &cobra.Command{
		Use: use, Short: short, Args: v.args, ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, names []string) error {
			if err := v.check(); err != nil {
				return err
			}
			if err := v.ask(a, verb, names); err != nil {
				return err
			}
			if len(v.selects) > 0 {
				return a.act(c, v.target, admin.Action{Verb: verb, Mode: v.body.Mode, Reason: v.body.Reason, Timeout: v.body.Timeout}, v.wait.d)
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(names, func(name string) error {
				r, done, err := call(api, c.Context(), name, v.body)
				if err != nil {
					return err
				}
				if v.wait.d > 0 && !done {
					return a.untilSettled(c.Context(), api, r, verb, v.wait.d, settled)
				}
				return a.emit(r, func() { a.sayVerb(r, verb, done) })
			}, a.sayError)
		},
	}
	v.flags(c, ladder)
	return c
}

func (a *app) startCommand() *cobra.Command {
	return a.ladderVerb("start NAME...", "Turn a task's schedule on, and a continuous task's run", "start", false,
		func(api *admin.Client, ctx context.Context, name string, v admin.Verb) (admin.Result, bool, error) {
			return api.Start(ctx, name, v, 0)
		},
		func(t admin.Task) bool { return t.State != "starting" && t.State != "stopping" && t.State != "stopped" })
}

func (a *app) stopCommand() *cobra.Command {
	return a.ladderVerb("stop NAME...", "End a task's runs and turn its schedule off", "stop", true,
		func(api *admin.Client, ctx context.Context, name string, v admin.Verb) (admin.Result, bool, error) {
			return api.Stop(ctx, name, v, 0)
		},
		func(t admin.Task) bool { return t.State == "stopped" || t.State == "failed" })
}

func (a *app) cancelCommand() *cobra.Command {
	return a.ladderVerb("cancel NAME...", "End a task's live runs; its schedule goes on", "cancel", true,
		func(api *admin.Client, ctx context.Context, name string, v admin.Verb) (admin.Result, bool, error) {
			return api.Cancel(ctx, name, v, 0)
		},
		func(admin.Task) bool { return true })
}

func (a *app) restartCommand() *cobra.Command {
	return a.ladderVerb("restart NAME...", "End a task's runs and give it a new process", "restart", true,
		func(api *admin.Client, ctx context.Context, name string, v admin.Verb) (admin.Result, bool, error) {
			return api.Restart(ctx, name, v, 0)
		},
		func(t admin.Task) bool { return t.State != "starting" && t.State != "stopping" })
}

// sayVerb tells what a verb brought about at once.
func (a *app) sayVerb(r admin.Result, verb string, done bool) {
	switch {
	case a.quiet:
		a.sayResult(r, "")
	case !r.Changed && done:
		a.sayResult(r, "was already so")
	case r.Stop != nil && done:
		a.line("%s", stopLine(r))
	case done:
		a.sayResult(r, "")
	case r.Stop != nil:
		a.sayResult(r, "in "+r.Stop.Stage+"; taskhost task wait "+r.Name+" -until stopped follows it")
	default:
		a.sayResult(r, verb+" goes on; add -wait to see its end")
	}
}

// sayResult is the task, its state and a remark.
func (a *app) sayResult(r admin.Result, remark string) {
	if a.quiet {
		a.line("%s", r.Name)
		return
	}
	text := r.Name + "  " + a.paint(r.State)
	if remark == "" {
		remark = r.Note
	}
	if remark != "" {
		text += "  " + admin.Printable(oneLine(remark))
	}
	a.line("%s", text)
}

func (a *app) pauseCommand() *cobra.Command {
	var t target
	var reason string
	until := instant{a: a}
	c := &cobra.Command{
		Use: "pause NAME...", Short: "Turn a task's schedule off; what runs goes on", Args: t.args, ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, names []string) error {
			if len(t.selects) > 0 {
				return a.act(c, t, admin.Action{Verb: "pause", Reason: reason, Until: admin.At(until.at)}, 0)
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(names, func(name string) error {
				r, err := api.Pause(c.Context(), name, admin.Pause{Reason: reason, Until: admin.At(until.at)})
				if err != nil {
					return err
				}
				return a.emit(r, func() { a.sayResult(r, "") })
			}, a.sayError)
		},
	}
	t.flags(c)
	c.Flags().StringVar(&reason, "reason", "", "why, for those who come later")
	c.Flags().Var(&until, "until", "when it ends by itself: a time, or 2h")
	return c
}

func (a *app) resumeCommand() *cobra.Command {
	var t target
	var body admin.Resume
	c := &cobra.Command{
		Use: "resume NAME...", Short: "End a pause", Args: t.args, ValidArgsFunction: a.completeTasks,
		RunE: func(c *cobra.Command, names []string) error {
			if len(t.selects) > 0 {
				return a.act(c, t, admin.Action{Verb: "resume", Reason: body.Reason, CatchUp: body.CatchUp}, 0)
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(names, func(name string) error {
				r, err := api.Resume(c.Context(), name, body)
				if err != nil {
					return err
				}
				return a.emit(r, func() { a.sayVerb(r, "resume", true) })
			}, a.sayError)
		},
	}
	t.flags(c)
	c.Flags().StringVar(&body.Reason, "reason", "", "why, for those who come later")
	c.Flags().BoolVar(&body.CatchUp, "catch-up", false, "run the slots that were skipped meanwhile, as catch_up says")
	return c
}

// untilSettled follows the runs on the ladder to their end, then the task until the verb's work is done.
func (a *app) untilSettled(ctx context.Context, api *admin.Client, r admin.Result, verb string, wait time.Duration, settled func(admin.Task) bool) error {
	end := a.deadline(wait)
	p := progress{a: a, task: r.Name, ladder: r.Task.Stop}
	defer p.close()
	for i, run := range r.Ended {
		ended, err := a.followRun(ctx, api, run, onLadder, end, &p)
		if err != nil {
			return err
		}
		r.Ended[i] = ended
		if ended.Stop != nil {
			r.Stop = ended.Stop
		}
	}
	for {
		t, err := api.Task(ctx, r.Name)
		if err != nil {
			return err
		}
		if r.Task = t; settled(t) {
			break
		}
		if over(end) {
			return &waitError{"the wait ran out: " + t.Name + " is " + t.State}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
	p.close()
	return a.emit(r, func() { a.sayVerb(r, verb, true) })
}

// followRun waits while the run is going, and shows each stage of its ladder.
func (a *app) followRun(ctx context.Context, api *admin.Client, run admin.Run, going func(admin.Run) bool, end time.Time, p *progress) (admin.Run, error) {
	for going(run) {
		p.show(run)
		if over(end) {
			return run, &waitError{"the wait ran out: run " + run.ID + " of " + run.Task + " is " + run.State}
		}
		step := part(end)
		if a.TTY || run.Stop != nil {
			step = min(step, lookAgain)
		}
		next, err := api.Run(ctx, run.ID, step)
		if err != nil {
			return run, err
		}
		run = next
	}
	return run, nil
}

// onLadder reports whether the run is being stopped. One that is not may go on: it was interrupted,
// and the next start takes it up again.
func onLadder(run admin.Run) bool { return run.State == "stopping" }

// lookAgain is how often something that moves is looked at.
const lookAgain = 200 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
