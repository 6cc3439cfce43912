package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func TestAContinuousTaskIsKeptGoing(t *testing.T) {
	t.Parallel()
	restart := func(text string) string { return "continuous {\n restart {\n " + text + "\n }\n }" }
	h := stage(t, ""+
		actor("loop", restart("backoff = \"20ms\"\n max_backoff = \"100ms\"\n max_failures = 2"), `fail = "error"`)+
		actor("backoff", restart("backoff = \"1h\"\n max_backoff = \"1h\""), `fail = "panic"`)+
		actor("never", restart("policy = \"never\""), `fail = "error"`)+
		actor("done", restart("policy = \"on_failure\""), `work = "10ms"`)+
		actor("always", restart("policy = \"always\"\n backoff = \"20ms\""), `work = "10ms"`)+
		actor("unready", "continuous {\n ready { timeout = \"200ms\" }\n restart {\n backoff = \"1h\"\n max_backoff = \"1h\"\n }\n }", "ready = false")+
		actor("silent", "continuous {\n watchdog { timeout = \"300ms\" }\n restart {\n backoff = \"1h\"\n max_backoff = \"1h\"\n }\n }")+
		actor("alarm", "continuous {\n watchdog {\n timeout = \"200ms\"\n action = \"alarm\"\n }\n }")+
		actor("lively", "continuous {\n watchdog { timeout = \"1s\" }\n }", `beat = "50ms"`))
	t.Run("a crash loop is visible and keeps trying", func(t *testing.T) {
		task := untilTask(h, "loop", "is a crash loop", func(t admin.Task) bool { return t.State == "crash_loop" })
		if task.Reason == nil || !strings.Contains(task.Reason.Text, "told to fail") || task.Reason.Until.IsZero() || task.Health.Status != "degraded" || task.Restarts < 2 {
			t.Errorf("reason %+v, health %+v, %d restarts", task.Reason, task.Health, task.Restarts)
		}
		untilTask(h, "loop", "is tried again", func(now admin.Task) bool { return now.Restarts > task.Restarts+1 })
	})
	t.Run("a failure is followed by a delay that the task shows", func(t *testing.T) {
		task := h.UntilState("backoff", "backoff")
		if task.Reason == nil || !strings.Contains(task.Reason.Text, "told to panic") || time.Until(task.Reason.Until.Time) < 30*time.Minute {
			t.Errorf("reason %+v", task.Reason)
		}
		r, done, err := h.Start(t.Context(), "backoff", admin.Verb{}, 0)
		if err != nil || !r.Changed {
			t.Errorf("start ends the delay: changed %v, done %v, %v", r.Changed, done, err)
		}
	})
	t.Run("policies", func(t *testing.T) {
		if task := h.UntilState("never", "failed"); task.Reason == nil || task.Reason.Code != "exit" {
			t.Errorf("never: %+v", task.Reason)
		}
		if task := h.UntilState("done", "completed"); task.Last == nil || task.Last.Outcome != "succeeded" || task.Health.Status != "ok" {
			t.Errorf("on_failure: %+v", task.Last)
		}
		untilRuns(h, 3, ended("always"))
	})
	t.Run("one that does not become ready in time is restarted as after a failure", func(t *testing.T) {
		r := h.UntilRun("unready", "failed")
		if r.Error == nil || !strings.Contains(r.Error.Message, "ready") {
			t.Errorf("%s in %s: %+v", r.Outcome, r.EndedIn, r.Error)
		}
		h.UntilState("unready", "backoff")
	})
	t.Run("the watchdog ends a silent run", func(t *testing.T) {
		r := h.UntilRun("silent", "failed")
		if r.Error == nil || r.Error.Class != "watchdog" {
			t.Errorf("%s in %s: %+v", r.Outcome, r.EndedIn, r.Error)
		}
	})
	t.Run("or raises an alarm", func(t *testing.T) {
		task := untilTask(h, "alarm", "is degraded", func(t admin.Task) bool { return t.Health.Status == "degraded" })
		if task.State != "running" || task.Health.Reasons[0].Code != "watchdog" {
			t.Errorf("%s %+v", task.State, task.Health)
		}
	})
	t.Run("and leaves alone what beats", func(t *testing.T) {
		up := h.UntilState("lively", "running")
		h.Until("its watchdog has had time", func(context.Context) error {
			if time.Since(up.Since.Time) < 2*time.Second {
				return errors.New("not yet")
			}
			return nil
		})
		task := h.UntilState("lively", "running")
		if task.Restarts != 0 || task.Health.Status != "ok" {
			t.Errorf("%d restarts, %+v", task.Restarts, task.Health)
		}
	})
}

func TestMethodsAreRequestsToALiveTask(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("live", "continuous {}")+actor("stopped", "enabled = false\n continuous {}")+actor("asked", "on_demand {}"))
	untilTask(h, "live", "is ready", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	out, err := h.Call(t.Context(), "live", "echo", json.RawMessage(`{"text":"hello"}`), 0)
	if err != nil || string(out) != `{"text":"hello"}` {
		t.Errorf("echo answered %s %v", out, err)
	}
	for _, c := range []struct {
		name, task, method, input string
		timeout                   time.Duration
		status                    int
		code                      string
	}{
		{"its error", "live", "echo", `{"fail":"error"}`, 0, 502, "method_failed"},
		{"its panic", "live", "echo", `{"fail":"panic"}`, 0, 502, "method_failed"},
		{"bad input", "live", "echo", `{"text":5}`, 0, 422, "input_invalid"},
		{"an unknown method", "live", "ecko", ``, 0, 404, "method_unknown"},
		{"an unknown task", "life", "echo", ``, 0, 404, "task_unknown"},
		{"a task that is not running", "stopped", "echo", `{}`, 0, 409, "not_running"},
		{"a type without methods", "asked", "echo", `{}`, 0, 404, "method_unknown"},
		{"the deadline", "live", "slow", ``, 100 * time.Millisecond, 504, "deadline"},
	} {
		_, err := h.Call(t.Context(), c.task, c.method, json.RawMessage(c.input), c.timeout)
		if p := admin.AsProblem(err); p == nil || p.Status != c.status || p.Code != c.code || p.Remedy == "" {
			t.Errorf("%s: got %+v (%v), want %d %s", c.name, p, err, c.status, c.code)
		}
	}
	if task, err := h.Task(t.Context(), "live"); err != nil || task.State != "running" || task.Restarts != 0 || task.Health.Status != "ok" {
		t.Errorf("the task has suffered: %+v %v", task, err)
	}
}

func TestAProcessLivesAsLongAsItsModeSays(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("fresh", "process = \"run\"\n periodic { every = \"1s\" }")+
		actor("resident", "process = \"task\"\n on_demand {}")+
		actor("auto", "periodic { every = \"300ms\" }")+
		// so far apart that its process goes meanwhile, even where a launch takes a second
		actor("ahead", "idle = \"100ms\"\n periodic { every = \"5s\" }")+
		actor("rare", "on_demand {}\n idle = \"1ms\""))
	t.Run("run: a fresh process for every run, up before its slot", func(t *testing.T) {
		runs := untilRuns(h, 3, ended("fresh"))
		pids := map[int]bool{}
		for _, r := range runs[:2] { // the first one may come too soon after the start
			s := sawOf(t, r)
			pids[s.PID] = true
			if !s.Born.Before(r.Slot.Time) {
				t.Errorf("the process for slot %v began %v", r.Slot, s.Born)
			}
		}
		if len(pids) != 2 {
			t.Errorf("2 runs had %d processes", len(pids))
		}
	})
	t.Run("task: one process, up without a run", func(t *testing.T) {
		task := untilTask(h, "resident", "has a process", func(t admin.Task) bool { return len(t.Processes) == 1 && t.Processes[0].State == "ready" })
		for range 2 {
			if r := run(t, h, "resident", admin.RunRequest{}); sawOf(t, r).PID != task.Processes[0].PID {
				t.Errorf("run %s had process %d, want %d", r.ID, sawOf(t, r).PID, task.Processes[0].PID)
			}
		}
	})
	t.Run("auto: resident while slots are near", func(t *testing.T) {
		runs := untilRuns(h, 3, ended("auto"))
		for _, r := range runs[1:] {
			if sawOf(t, r).PID != sawOf(t, runs[0]).PID {
				t.Errorf("runs had processes %d and %d", sawOf(t, r).PID, sawOf(t, runs[0]).PID)
			}
		}
	})
	t.Run("auto: otherwise launched ahead of the slot, and ended after it", func(t *testing.T) {
		untilTask(h, "ahead", "has no process", func(t admin.Task) bool { return len(t.Processes) == 0 })
		up := untilTask(h, "ahead", "has a process that waits", func(t admin.Task) bool { return len(t.Processes) == 1 && t.Processes[0].State == "ready" })
		p := up.Processes[0]
		if !p.Started.Before(up.NextSlot.Time) || len(up.Running) > 0 {
			t.Errorf("its process was started %v for the slot %v", p.Started, up.NextSlot)
		}
		var r admin.Run
		for _, one := range untilRuns(h, 1, admin.RunQuery{Tasks: []string{"ahead"}, States: []string{"ended"}, Since: up.NextSlot.Add(-time.Second)}) {
			r = one
		}
		if sawOf(t, r).PID != p.PID {
			t.Errorf("slot %v ran in process %d; %d was launched for it", r.Slot, sawOf(t, r).PID, p.PID)
		}
		untilTask(h, "ahead", "has no process again", func(t admin.Task) bool { return len(t.Processes) == 0 })
	})
	t.Run("auto: on demand, none before and none after", func(t *testing.T) {
		if task, err := h.Task(t.Context(), "rare"); err != nil || len(task.Processes) != 0 {
			t.Errorf("before: %+v %v", task.Processes, err)
		}
		run(t, h, "rare", admin.RunRequest{})
		untilTask(h, "rare", "has no process", func(t admin.Task) bool { return len(t.Processes) == 0 })
	})
}

func TestGroupsBoundTheRunsOfTheirMembers(t *testing.T) {
	t.Parallel()
	hcl := "group \"db\" { max = 1 }\ngroup \"slow\" {\n rate = \"2/h\"\n burst = 2\n }\n"
	for i := range 3 {
		hcl += actor(fmt.Sprintf("one%d", i), "groups = [\"db\"]\n on_demand {}", `work = "100ms"`)
	}
	hcl += actor("limited", "groups = [\"slow\"]\n on_demand {}")
	hcl += actor("often", "groups = [\"db\"]\n periodic { every = \"300ms\" }\n enabled = false")
	h := stage(t, hcl)
	holder := begin(t, h, "one0", `{"work":"1h"}`)
	ids := []string{}
	for _, name := range []string{"one1", "one2"} {
		r, err := h.StartRun(t.Context(), name, admin.RunRequest{}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		untilRun(h, r.ID, "waits for its group", func(r admin.Run) bool { return r.Waiting != nil && r.Waiting.For == "group" && r.Waiting.On == "db" })
		ids = append(ids, r.ID)
	}
	groups, err := h.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Items {
		if g.Name == "db" && (!slices.Equal(g.Holding, []string{holder.ID}) || !slices.Equal(g.Queued, ids) || len(g.Members) != 4) {
			t.Errorf("group db: %+v", g)
		}
	}
	if _, _, err := h.Start(t.Context(), "often", admin.Verb{}, 0); err != nil {
		t.Fatal(err)
	}
	if s := untilSlots(h, "often", "skipped(group)"); s.By != "db" {
		t.Errorf("the slot was skipped for %q", s.By)
	}
	if _, _, err := h.Client.Stop(t.Context(), "often", admin.Verb{}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.CancelRun(t.Context(), holder.ID, admin.Verb{}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	first, second := untilRun(h, ids[0], "ended", isEnded), untilRun(h, ids[1], "ended", isEnded)
	if first.Outcome != "succeeded" || second.Outcome != "succeeded" || second.Started.Before(first.Ended.Time) {
		t.Errorf("first in, first out, one at a time: %v … %v, then %v", first.Started, first.Ended, second.Started)
	}
	run(t, h, "limited", admin.RunRequest{})
	run(t, h, "limited", admin.RunRequest{})
	third, err := h.StartRun(t.Context(), "limited", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	untilRun(h, third.ID, "waits for the rate", func(r admin.Run) bool { return r.Waiting != nil && r.Waiting.On == "slow" })
	if c, done, err := h.CancelRun(t.Context(), third.ID, admin.Verb{}, 10*time.Second); err != nil || !done || c.Outcome != "cancelled" {
		t.Errorf("%s %v %v", c.Outcome, done, err)
	}
}
