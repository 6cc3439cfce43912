package e2e

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func TestAStopGoesDownItsLadder(t *testing.T) {
	t.Parallel()
	stop := "continuous {}\n stop {\n drain = \"300ms\"\n cancel = \"300ms\"\n }"
	slow := "continuous {}\n stop {\n drain = \"10s\"\n cancel = \"10s\"\n }"
	h := stage(t, ""+
		actor("drains", stop, `until = "drain"`)+
		actor("cancels", stop, `until = "cancel"`)+
		actor("deaf", stop, `until = "kill"`)+
		actor("patient", slow, `until = "kill"`)+
		actor("hurried", slow, `until = "cancel"`)+
		actor("always", "continuous {\n restart {\n policy = \"always\"\n backoff = \"10ms\"\n }\n }", `until = "cancel"`)+
		actor("once", "continuous {}", `until = "cancel"`))
	t.Run("each stage ends what heeds it", func(t *testing.T) {
		for _, c := range []struct{ task, stage, outcome string }{{"drains", "drain", "interrupted"}, {"cancels", "cancel", "interrupted"}, {"deaf", "kill", "interrupted"}} {
			up := untilTask(h, c.task, "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
			r, done, err := h.Client.Stop(t.Context(), c.task, admin.Verb{Reason: "test"}, 20*time.Second)
			if err != nil || !done || !r.Changed || r.State != "stopped" || r.Stop == nil {
				t.Errorf("%s: %+v %v %v", c.task, r, done, err)
				continue
			}
			if r.Stop.From != "drain" || r.Stop.EndedIn != c.stage || r.Stop.Took == nil || len(r.Stop.Survivors) > 0 {
				t.Errorf("%s ended in %q of %+v, want %s", c.task, r.Stop.EndedIn, r.Stop, c.stage)
			}
			ended := untilRun(h, up.Running[0], "ended", isEnded)
			if ended.EndedIn != c.stage {
				t.Errorf("%s: its run %s in %s, want %s", c.task, ended.Outcome, ended.EndedIn, c.stage)
			}
			if s := processState(up.Processes[0].PID); s != "" && s != "Z" {
				t.Errorf("%s: process %d is still there (%s)", c.task, up.Processes[0].PID, s)
			}
			again, done, err := h.Client.Stop(t.Context(), c.task, admin.Verb{}, time.Second)
			if err != nil || !done || again.Changed {
				t.Errorf("%s: a second stop: changed %v, done %v, %v", c.task, again.Changed, done, err)
			}
		}
	})
	t.Run("a call only ever escalates", func(t *testing.T) {
		up := untilTask(h, "patient", "is at work", func(t admin.Task) bool { return t.Ready && t.State == "running" })
		id := up.Running[0]
		stage := func(want string) {
			t.Helper()
			r := untilRun(h, id, "is in "+want, func(r admin.Run) bool { return r.Stop != nil && r.Stop.Stage == want })
			if r.State != "stopping" || r.Stop.Deadline.IsZero() {
				t.Errorf("it is %s, stop %+v", r.State, r.Stop)
			}
		}
		verb := func(mode string, changed bool) {
			t.Helper()
			r, done, err := h.Client.Stop(t.Context(), "patient", admin.Verb{Mode: mode}, 0)
			if err != nil || done || r.Changed != changed {
				t.Errorf("stop %s: changed %v, done %v, %v; want changed %v", mode, r.Changed, done, err, changed)
			}
		}
		verb("graceful", true)
		stage("drain")
		verb("graceful", false)
		verb("hard", true)
		stage("cancel")
		verb("graceful", false)
		verb("hard", false)
		if task, err := h.Task(t.Context(), "patient"); err != nil || task.State != "stopping" {
			t.Errorf("it is %s %v", task.State, err)
		}
		r, done, err := h.Client.Stop(t.Context(), "patient", admin.Verb{Mode: "kill"}, 20*time.Second)
		if err != nil || !done || !r.Changed || r.Stop == nil || r.Stop.EndedIn != "kill" || r.Stop.EscalatedBy == "" {
			t.Errorf("kill: %+v %+v %v %v", r.State, r.Stop, done, err)
		}
	})
	t.Run("a wait that runs out is no end, and a timeout shortens the stage", func(t *testing.T) {
		untilTask(h, "hurried", "is at work", func(t admin.Task) bool { return t.Ready && t.State == "running" })
		r, done, err := h.Client.Stop(t.Context(), "hurried", admin.Verb{}, 50*time.Millisecond)
		if err != nil || done || !r.Changed || r.State != "stopping" {
			t.Fatalf("%s %v %v", r.State, done, err)
		}
		r, done, err = h.Client.Stop(t.Context(), "hurried", admin.Verb{Timeout: admin.Seconds(100 * time.Millisecond)}, 20*time.Second)
		if err != nil || !done || !r.Changed || r.Stop == nil || r.Stop.EndedIn != "cancel" || r.Stop.Took.Duration() > 5*time.Second {
			t.Errorf("%s %+v %v %v", r.State, r.Stop, done, err)
		}
	})
	t.Run("cancel of a continuous task is followed by its restart policy", func(t *testing.T) {
		up := untilTask(h, "always", "is at work", func(t admin.Task) bool { return t.Ready && t.State == "running" })
		r, done, err := h.Cancel(t.Context(), "always", admin.Verb{}, 20*time.Second)
		if err != nil || !done || !r.Changed || len(r.Ended) != 1 || r.Ended[0].Outcome != "cancelled" || r.Stop.From != "cancel" {
			t.Fatalf("%+v %v %v", r, done, err)
		}
		next := untilTask(h, "always", "runs again", func(t admin.Task) bool { return t.State == "running" && t.Running[0] != up.Running[0] })
		if next.Failures != 0 || next.Health.Status != "ok" {
			t.Errorf("a cancel is no failure: %+v", next.Health)
		}
		if _, done, err := h.Cancel(t.Context(), "once", admin.Verb{}, 20*time.Second); err != nil || !done {
			t.Fatal(done, err)
		}
		h.UntilState("once", "completed")
		if r, done, err := h.Cancel(t.Context(), "once", admin.Verb{}, 0); err != nil || !done || r.Changed {
			t.Errorf("nothing to cancel: changed %v %v %v", r.Changed, done, err)
		}
		if _, done, err := h.Start(t.Context(), "once", admin.Verb{}, 20*time.Second); err != nil || !done {
			t.Fatal(done, err)
		}
		h.UntilState("once", "running")
	})
	t.Run("restart gives a new process and leaves the schedule on", func(t *testing.T) {
		up := untilTask(h, "once", "is at work", func(t admin.Task) bool { return t.Ready && t.State == "running" })
		r, done, err := h.Restart(t.Context(), "once", admin.Verb{Mode: "hard"}, 20*time.Second)
		if err != nil || !done || !r.Changed {
			t.Fatal(r.State, done, err)
		}
		now := untilTask(h, "once", "runs in a new process", func(t admin.Task) bool {
			return t.State == "running" && len(t.Processes) == 1 && t.Processes[0].PID != up.Processes[0].PID
		})
		if now.Stopped != nil {
			t.Errorf("a restart is no override: %+v", now.Stopped)
		}
	})
}

func TestCancelAndWaitReturnsTheEndedRun(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}\n stop {\n drain = \"1s\"\n cancel = \"200ms\"\n }", `work = "1h"`)+
		actor("deaf", "on_demand {}\n stop {\n drain = \"1s\"\n cancel = \"200ms\"\n }", `work = "1h"`, `until = "kill"`)+
		actor("metronome", "periodic { every = \"100ms\" }"))
	r := begin(t, h, "asked", "")
	c, done, err := h.CancelRun(t.Context(), r.ID, admin.Verb{Reason: "enough"}, 20*time.Second)
	if err != nil || !done || c.Outcome != "cancelled" || c.EndedIn != "cancel" || c.Stop.Reason != "enough" || c.Stop.Actor == "" {
		t.Errorf("%+v %v %v", c.Run, done, err)
	}
	if again, done, err := h.CancelRun(t.Context(), r.ID, admin.Verb{}, 0); err != nil || !done || again.Changed {
		t.Errorf("a cancel of an ended run: changed %v %v %v", again.Changed, done, err)
	}
	r = begin(t, h, "deaf", "")
	c, done, err = h.CancelRun(t.Context(), r.ID, admin.Verb{}, 20*time.Second)
	if err != nil || !done || c.Outcome != "cancelled" || c.EndedIn != "kill" {
		t.Errorf("%+v %v %v", c.Run, done, err)
	}
	if task, err := h.Task(t.Context(), "deaf"); err != nil || task.State != "idle" || task.Failures != 0 {
		t.Errorf("after the cancel it is %s, %d failures, %v", task.State, task.Failures, err)
	}
	_, _, err = h.CancelRun(t.Context(), "01m8169ks85h5ca876mx1x71ke", admin.Verb{}, 0)
	wantProblem(t, err, 404, "run_unknown")
}
