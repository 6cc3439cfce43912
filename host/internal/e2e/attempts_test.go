package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func TestARunHasOneOutcomeForEveryEnd(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}"))
	for _, c := range []struct{ fail, outcome, class, note string }{
		{"", "succeeded", "", ""},
		{"error", "failed", "error", ""},
		{"permanent", "failed", "permanent", ""},
		{"retry", "failed", "retry", ""},
		{"unhealthy", "failed", "unhealthy", ""},
		{"skip", "skipped", "", "told to skip"},
		{"panic", "failed", "panic", ""},
	} {
		r := run(t, h, "asked", admin.RunRequest{Input: json.RawMessage(`{"fail":"` + c.fail + `"}`)})
		class := ""
		if r.Error != nil {
			class = r.Error.Class
			if !strings.Contains(r.Error.Message, "told to") {
				t.Errorf("%s: the error is %q", c.fail, r.Error.Message)
			}
			if has := strings.Contains(r.Error.Stack, "main.fail"); has != (c.fail == "panic") {
				t.Errorf("%s: the stack is %q", c.fail, r.Error.Stack)
			}
		}
		if r.Outcome != c.outcome || class != c.class || r.EndedIn != "return" || !strings.Contains(r.Note, c.note) {
			t.Errorf("%q ended %s (%s) in %s, note %q; want %s (%s)", c.fail, r.Outcome, class, r.EndedIn, r.Note, c.outcome, c.class)
		}
		if len(r.Attempts) != 1 {
			t.Errorf("%q had %d attempts: retry is off unless declared", c.fail, len(r.Attempts))
		}
	}
	task, err := h.Task(t.Context(), "asked")
	if err != nil || task.Health.Status != "degraded" || task.Failures != 5 {
		t.Errorf("after five failed runs: %+v, %d failures, %v", task.Health, task.Failures, err)
	}
	run(t, h, "asked", admin.RunRequest{})
	if task, err = h.Task(t.Context(), "asked"); err != nil || task.Health.Status != "ok" || task.Failures != 0 {
		t.Errorf("after one that succeeded: %+v, %d failures, %v", task.Health, task.Failures, err)
	}
}

func TestAFailedAttemptIsTriedAgainAsItsErrorSays(t *testing.T) {
	t.Parallel()
	retry := "on_demand {}\n retry {\n attempts = 3\n backoff = \"10ms\"\n }"
	h := stage(t, ""+
		actor("third", retry, "fail = \"error\"", "fails = 2")+
		actor("never", retry, "fail = \"error\"")+
		actor("permanent", retry, "fail = \"permanent\"")+
		actor("unwell", retry, "fail = \"unhealthy\"")+
		actor("later", "on_demand {}\n retry {\n attempts = 2\n backoff = \"1h\"\n max_backoff = \"1h\"\n }", "fail = \"retry\"", "fails = 1")+
		actor("waits", "on_demand {}\n retry {\n attempts = 2\n backoff = \"1h\"\n max_backoff = \"1h\"\n }", "fail = \"error\"", "fails = 1")+
		actor("dropped", "periodic { every = \"500ms\" }\n retry {\n attempts = 5\n backoff = \"10m\"\n max_backoff = \"10m\"\n }", "fail = \"error\""))
	for _, c := range []struct {
		task, outcome string
		attempts      int
	}{{"third", "succeeded", 3}, {"never", "failed", 3}, {"permanent", "failed", 1}, {"unwell", "failed", 1}, {"later", "succeeded", 2}} {
		r := run(t, h, c.task, admin.RunRequest{})
		if r.Outcome != c.outcome || len(r.Attempts) != c.attempts {
			t.Errorf("%s ended %s after %d attempts, want %s after %d", c.task, r.Outcome, len(r.Attempts), c.outcome, c.attempts)
		}
		if last := r.Attempts[len(r.Attempts)-1]; last.Number != c.attempts || c.outcome == "succeeded" && r.Error != nil {
			t.Errorf("%s: the last attempt is %+v, the error %+v", c.task, last, r.Error)
		}
	}
	t.Run("a retry that would begin after the next slot is dropped and says so", func(t *testing.T) {
		r := h.UntilRun("dropped", "failed")
		if len(r.Attempts) != 1 || !strings.Contains(r.Note, "next slot") {
			t.Errorf("%d attempts, note %q", len(r.Attempts), r.Note)
		}
	})
	t.Run("a run that waits for a retry still counts as running", func(t *testing.T) {
		r, err := h.StartRun(t.Context(), "waits", admin.RunRequest{}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		r = untilRun(h, r.ID, "waits for its retry", func(r admin.Run) bool { return r.Waiting != nil && r.Waiting.For == "retry" })
		if until := time.Until(r.Waiting.Until.Time); until < 30*time.Minute || until > 2*time.Hour {
			t.Errorf("it waits until %v", r.Waiting.Until)
		}
		_, err = h.StartRun(t.Context(), "waits", admin.RunRequest{}, "", 0)
		wantProblem(t, err, 409, "overlap")
		c, done, err := h.CancelRun(t.Context(), r.ID, admin.Verb{Reason: "enough"}, 10*time.Second)
		if err != nil || !done || !c.Changed || c.Outcome != "cancelled" {
			t.Errorf("cancel of a waiting run: %+v %v %v", c, done, err)
		}
	})
	t.Run("an ended run runs again as a new one", func(t *testing.T) {
		first := run(t, h, "third", admin.RunRequest{Input: []byte(`{"text":"again"}`)})
		second, err := h.RetryRun(t.Context(), first.ID, "once more", 20*time.Second)
		if err != nil || second.ID == first.ID || second.Source != first.ID || second.Trigger != "retry" || string(second.Input) != string(first.Input) {
			t.Errorf("got %+v %v", second, err)
		}
	})
}

func TestATimeoutBoundsAnAttempt(t *testing.T) {
	t.Parallel()
	stop := "\n stop {\n drain = \"5s\"\n cancel = \"300ms\"\n }"
	h := stage(t, ""+
		actor("short", "on_demand {}\n timeout = \"200ms\""+stop, `work = "1h"`)+
		actor("deaf", "on_demand {}\n timeout = \"200ms\""+stop, `work = "1h"`, `until = "kill"`)+
		actor("patched", "on_demand {}\n timeout = \"1h\""+stop, `work = "1h"`)+
		actor("longer", "on_demand {}\n timeout = \"500ms\"\n max_timeout = \"1m\""+stop, `work = "900ms"`, `extend = "30s"`)+
		actor("bounded", "on_demand {}\n timeout = \"500ms\"\n max_timeout = \"2s\""+stop, `work = "1h"`, `extend = "30s"`)+
		actor("stuck", "on_demand {}\n stuck_after = \"200ms\"", `work = "1h"`))
	t.Run("the ladder begins at cancel", func(t *testing.T) {
		r := run(t, h, "short", admin.RunRequest{})
		if r.Outcome != "timed_out" || r.EndedIn != "cancel" || r.Stop == nil || r.Stop.From != "cancel" || r.Error == nil || r.Error.Class != "timeout" {
			t.Errorf("got %s in %s, stop %+v, error %+v", r.Outcome, r.EndedIn, r.Stop, r.Error)
		}
	})
	t.Run("one that ignores it is killed", func(t *testing.T) {
		r := run(t, h, "deaf", admin.RunRequest{})
		if r.Outcome != "timed_out" || r.EndedIn != "kill" || r.Stop == nil || r.Stop.Stage != "kill" {
			t.Errorf("got %s in %s, stop %+v", r.Outcome, r.EndedIn, r.Stop)
		}
	})
	t.Run("it can be changed while the run goes on", func(t *testing.T) {
		r := begin(t, h, "patched", "")
		p, err := h.SetRunTimeout(t.Context(), r.ID, admin.RunPatch{Timeout: admin.Seconds(100 * time.Millisecond)})
		if err != nil || !p.Changed || time.Until(p.Deadline.Time) > time.Second {
			t.Fatalf("got %+v %v", p, err)
		}
		if r = untilRun(h, r.ID, "ended", isEnded); r.Outcome != "timed_out" {
			t.Errorf("it ended %s", r.Outcome)
		}
		_, err = h.SetRunTimeout(t.Context(), r.ID, admin.RunPatch{Timeout: admin.Seconds(time.Second)})
		wantProblem(t, err, 409, "run_ended")
	})
	t.Run("a run may extend it", func(t *testing.T) {
		if r := run(t, h, "longer", admin.RunRequest{}); r.Outcome != "succeeded" {
			t.Errorf("it ended %s", r.Outcome)
		}
	})
	t.Run("but not beyond max_timeout", func(t *testing.T) {
		if r := run(t, h, "bounded", admin.RunRequest{}); r.Outcome != "timed_out" {
			t.Errorf("it ended %s", r.Outcome)
		}
		state, err := h.State(t.Context(), "bounded")
		if err != nil || string(state.Values["extended"].Value) != "false" {
			t.Errorf("the wish was answered %s %v", state.Values["extended"].Value, err)
		}
	})
	t.Run("stuck_after only raises an alarm", func(t *testing.T) {
		r := begin(t, h, "stuck", "")
		task := untilTask(h, "stuck", "is degraded", func(t admin.Task) bool { return t.Health.Status == "degraded" })
		if task.State != "running" || len(task.Health.Reasons) != 1 || task.Health.Reasons[0].Code != "stuck" {
			t.Errorf("it is %s, health %+v", task.State, task.Health)
		}
		degraded, err := h.AllTasks(t.Context(), admin.TaskQuery{Degraded: true})
		found := false
		for _, d := range degraded {
			found = found || d.Name == "stuck"
		}
		if err != nil || !found {
			t.Errorf("the list of degraded tasks lacks it: %v", err)
		}
		if _, _, err := h.CancelRun(t.Context(), r.ID, admin.Verb{}, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		untilTask(h, "stuck", "is well again", func(t admin.Task) bool { return t.Health.Status == "ok" })
	})
}

func TestAnInterruptedRunGoesOnAtTheNextStart(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("resumes", "on_demand {}", `work = "1h"`, `until = "drain"`, "cursor = true")+
		actor("drops", "on_demand {}", `work = "1h"`, `until = "drain"`)+
		actor("told", "on_demand {}\n on_interrupt = \"resume\"", `work = "1h"`, `until = "drain"`))
	for _, name := range []string{"resumes", "drops", "told"} {
		r := begin(t, h, name, "")
		s, done, err := h.Client.Stop(t.Context(), name, admin.Verb{Reason: "a break"}, 20*time.Second)
		if err != nil || !s.Changed || !done || s.State != "stopped" {
			t.Fatalf("stop %s: it is %s, changed %v, done %v, %v", name, s.State, s.Changed, done, err)
		}
		if name == "drops" {
			if r = untilRun(h, r.ID, "ended", isEnded); r.Outcome != "interrupted" || r.Note != "drained half way" || r.EndedIn != "drain" {
				t.Errorf("%s ended %s in %s, note %q", name, r.Outcome, r.EndedIn, r.Note)
			}
			if task, err := h.Task(t.Context(), name); err != nil || task.Failures != 0 || task.Health.Status != "ok" {
				t.Errorf("an interrupted run is no failure: %+v %v", task.Health, err)
			}
			continue
		}
		r = untilRun(h, r.ID, "waits for a start", func(r admin.Run) bool { return r.Waiting != nil && r.Waiting.For == "start" })
		if _, _, err := h.Start(t.Context(), name, admin.Verb{}, 0); err != nil {
			t.Fatal(err)
		}
		if name == "told" {
			if r = untilRun(h, r.ID, "is at work again", func(r admin.Run) bool { return r.State == "running" }); len(r.Attempts) != 2 {
				t.Errorf("it is at attempt %d", len(r.Attempts))
			}
			if _, done, err := h.Restart(t.Context(), name, admin.Verb{}, 20*time.Second); err != nil || !done {
				t.Errorf("restart: done %v, %v", done, err)
			}
			untilRun(h, r.ID, "is at work in the new process", func(r admin.Run) bool { return r.State == "running" && len(r.Attempts) == 3 })
			continue
		}
		if r = untilRun(h, r.ID, "ended", isEnded); r.Outcome != "succeeded" || len(r.Attempts) != 2 || !sawOf(t, r).Resumed || r.Attempts[0].Outcome != "interrupted" {
			t.Errorf("it ended %s after %+v: %s", r.Outcome, r.Attempts, r.Result)
		}
	}
}
