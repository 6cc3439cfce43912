package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func TestAPauseHoldsTheScheduleBackAndNothingElse(t *testing.T) {
	t.Parallel()
	beat := "periodic { every = \"200ms\" }"
	h := stage(t, ""+
		actor("plain", beat)+
		actor("caught", "periodic {\n every = \"200ms\"\n overlap = \"queue\"\n catch_up {\n policy = \"all\"\n window = \"1h\"\n max = 2\n }\n }")+
		actor("until", beat)+
		actor("busy", "on_demand {}", `work = "1h"`)+
		actor("live", "continuous {}"))
	t.Run("slots are recorded and not caught up", func(t *testing.T) {
		untilRuns(h, 1, ended("plain"))
		r, err := h.Pause(t.Context(), "plain", admin.Pause{Reason: "db move"})
		if err != nil || !r.Changed || r.Paused == nil || r.Paused.Reason != "db move" || r.Paused.By == "" {
			t.Fatalf("%+v %v", r, err)
		}
		if again, err := h.Pause(t.Context(), "plain", admin.Pause{Reason: "db move"}); err != nil || again.Changed {
			t.Errorf("a second pause: changed %v %v", again.Changed, err)
		}
		first := untilSlots(h, "plain", "skipped(paused)")
		h.Until("more slots are skipped", func(ctx context.Context) error {
			if s := untilSlots(h, "plain", "skipped(paused)"); s.Count < 3 || s.ID != first.ID {
				return fmt.Errorf("it is %+v", s)
			}
			return nil
		})
		if manual := run(t, h, "plain", admin.RunRequest{}); manual.Outcome != "succeeded" {
			t.Errorf("run now while paused: %s", manual.Outcome)
		}
		resumed, err := h.Resume(t.Context(), "plain", admin.Resume{})
		if err != nil || !resumed.Changed || resumed.Paused != nil {
			t.Fatalf("%+v %v", resumed, err)
		}
		if again, err := h.Resume(t.Context(), "plain", admin.Resume{}); err != nil || again.Changed {
			t.Errorf("a second resume: changed %v %v", again.Changed, err)
		}
		skipped := untilSlots(h, "plain", "skipped(paused)")
		untilRuns(h, 1, admin.RunQuery{Tasks: []string{"plain"}, Triggers: []string{"slot"}, States: []string{"ended"}, Since: skipped.Last.Time})
		for _, r := range untilRuns(h, 1, ended("plain")) {
			if !r.Slot.IsZero() && !r.Slot.Before(skipped.First.Time) && !r.Slot.After(skipped.Last.Time) {
				t.Errorf("the slot %v ran although it was skipped", r.Slot)
			}
		}
	})
	t.Run("resume with catch_up runs them as catch_up says", func(t *testing.T) {
		if _, err := h.Pause(t.Context(), "caught", admin.Pause{}); err != nil {
			t.Fatal(err)
		}
		h.Until("slots are skipped", func(context.Context) error {
			if s := untilSlots(h, "caught", "skipped(paused)"); s.Count < 4 {
				return fmt.Errorf("it is %+v", s)
			}
			return nil
		})
		if r, err := h.Resume(t.Context(), "caught", admin.Resume{CatchUp: true}); err != nil || !r.Changed {
			t.Fatal(r.Changed, err)
		}
		s := untilSlots(h, "caught", "skipped(paused)")
		untilRuns(h, 1, admin.RunQuery{Tasks: []string{"caught"}, Triggers: []string{"slot"}, States: []string{"ended"}, Since: s.Last.Add(time.Millisecond)})
		// The two newest that had passed: those at the end of the record, or the last one of it and one that was due in
		// the moment of the resume.
		last, period := s.Last.UTC(), 200*time.Millisecond
		h.Until("the newest two slots are caught up, and no other", func(ctx context.Context) error {
			runs, err := h.Runs(ctx, ended("caught"))
			if err != nil {
				return err
			}
			ran := map[time.Time]bool{}
			for _, r := range runs.Items {
				ran[r.Slot.UTC()] = true
			}
			fromRecord := ran[last] && ran[last.Add(-period)] && !ran[last.Add(-2*period)]
			withNext := ran[last] && ran[last.Add(period)] && !ran[last.Add(-period)]
			if !fromRecord && !withNext {
				return fmt.Errorf("of the %d skipped slots up to %v these ran: %v", s.Count, last, ran)
			}
			return nil
		})
	})
	t.Run("until ends it by itself", func(t *testing.T) {
		at := time.Now().Add(time.Second)
		r, err := h.Pause(t.Context(), "until", admin.Pause{Until: admin.At(at)})
		if err != nil || !r.Paused.Until.Equal(at.Truncate(0)) {
			t.Fatal(r.Paused, err)
		}
		untilTask(h, "until", "is no longer paused", func(t admin.Task) bool { return t.Paused == nil })
		if now := time.Now(); now.Before(at) {
			t.Errorf("it ended %v early", at.Sub(now))
		}
		untilRuns(h, 1, admin.RunQuery{Tasks: []string{"until"}, States: []string{"ended"}, Since: at})
		_, err = h.Pause(t.Context(), "until", admin.Pause{Until: admin.At(time.Now().Add(-time.Hour))})
		wantProblem(t, err, 422, "invalid")
	})
	t.Run("what runs continues", func(t *testing.T) {
		r := begin(t, h, "busy", "")
		for _, name := range []string{"busy", "live"} {
			if _, err := h.Pause(t.Context(), name, admin.Pause{}); err != nil {
				t.Fatal(err)
			}
		}
		if now, err := h.Run(t.Context(), r.ID, 0); err != nil || now.State != "running" {
			t.Errorf("the run is %s %v", now.State, err)
		}
		if now := h.UntilState("live", "running"); now.Paused == nil {
			t.Error("the live task is not paused")
		}
	})
	t.Run("overrides are listed, and dropped", func(t *testing.T) {
		if _, _, err := h.Client.Stop(t.Context(), "until", admin.Verb{Reason: "too loud"}, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		task, err := h.Task(t.Context(), "until")
		if err != nil || task.State != "stopped" || task.Stopped == nil || task.Stopped.Reason != "too loud" || !strings.Contains(task.Note, "too loud") || !task.NextSlot.IsZero() {
			t.Errorf("%+v %v", task, err)
		}
		l, err := h.Overrides(t.Context(), "")
		var got []string
		for _, o := range l.Items {
			got = append(got, o.Task+" "+o.What)
		}
		if want := "[busy paused live paused until stopped]"; err != nil || fmt.Sprint(got) != want {
			t.Errorf("overrides %v, want %s %v", got, want, err)
		}
		_, err = h.StartRun(t.Context(), "until", admin.RunRequest{}, "", 0)
		wantProblem(t, err, 409, "stopped")
		r, err := h.DropOverrides(t.Context(), "until")
		if err != nil || !r.Changed || r.State == "stopped" {
			t.Errorf("%s, changed %v, %v", r.State, r.Changed, err)
		}
	})
}

func TestBackfillRunsTheSlotsOfASpan(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("daily", "periodic { cron = \"0 6 * * *\" }")+actor("asked", "on_demand {}"))
	span := admin.Backfill{From: admin.At(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), To: admin.At(time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)), Reason: "late data"}
	dry := span
	dry.DryRun = true
	b, done, err := h.Backfill(t.Context(), "daily", dry, 0)
	if err != nil || !done || b.Changed || !b.DryRun || len(b.Slots) != 3 || len(b.Runs) != 0 {
		t.Errorf("dry run: %+v %v %v", b, done, err)
	}
	b, done, err = h.Backfill(t.Context(), "daily", span, 30*time.Second)
	if err != nil || !done || !b.Changed || len(b.Slots) != 3 || len(b.Runs) != 3 {
		t.Fatalf("%+v %v %v", b, done, err)
	}
	for i, r := range b.Runs {
		want := time.Date(2026, 3, 1+i, 6, 0, 0, 0, time.UTC)
		if r.Outcome != "succeeded" || r.Trigger != "backfill" || !sawOf(t, r).Slot.Equal(want) || i > 0 && r.Started.Before(b.Runs[i-1].Ended.Time) {
			t.Errorf("run %d: %s by %s of slot %v, want %v, in order", i, r.Outcome, r.Trigger, r.Slot, want)
		}
	}
	_, _, err = h.Backfill(t.Context(), "asked", span, 0)
	wantProblem(t, err, 409, "not_periodic")
	span.From, span.To = span.To, span.From
	_, _, err = h.Backfill(t.Context(), "daily", span, 0)
	wantProblem(t, err, 422, "invalid")
}

func TestOneActionCommandsManyTasks(t *testing.T) {
	t.Parallel()
	hcl := actor("other", "continuous {}")
	for _, name := range []string{"a", "b", "c"} {
		hcl += actor(name, "labels = { team = \"shop\" }\n on_demand {}", `work = "1h"`)
	}
	hcl += actor("each", "for_each = { x = 1, y = 2 }\n labels = { team = \"each\" }\n continuous {}")
	hcl += actor("many", "instances = 2\n continuous {}")
	h := stage(t, hcl)
	act := func(a admin.Action, wait time.Duration) (admin.ActionResult, bool) {
		t.Helper()
		r, done, err := h.Act(t.Context(), a, wait)
		if err != nil {
			t.Fatal(err)
		}
		return r, done
	}
	shop := admin.Select{"label.team": "shop"}
	if _, _, err := h.Client.Stop(t.Context(), "c", admin.Verb{}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	r, _ := act(admin.Action{Verb: "stop", Select: shop, DryRun: true}, 0)
	if r.Matched != 3 || !r.DryRun || len(r.Results) != 3 || !r.Results[0].Changed || r.Results[2].Changed {
		t.Errorf("a dry run says what would change: %+v", r)
	}
	if task, err := h.Task(t.Context(), "a"); err != nil || task.State != "idle" {
		t.Errorf("a dry run changed the state to %s %v", task.State, err)
	}
	r, _ = act(admin.Action{Verb: "run", Select: shop, DryRun: true}, 0)
	if r.Results[0].Problem != nil || r.Results[0].Run != "" || r.Results[2].Problem == nil || r.Results[2].Problem.Code != "stopped" {
		t.Errorf("a dry run says what would be refused: %+v", r)
	}
	r, _ = act(admin.Action{Verb: "run", Select: shop, Reason: "all of them"}, 0)
	if r.Results[0].Run == "" || r.Results[1].Run == "" || r.Results[2].Problem == nil || r.Results[2].Problem.Code != "stopped" || r.Results[2].Status != 409 {
		t.Errorf("%+v", r)
	}
	r, done := act(admin.Action{Verb: "cancel", Select: shop}, 20*time.Second)
	if !done || !r.Results[0].Changed || !r.Results[1].Changed || r.Results[2].Changed {
		t.Errorf("%+v %v", r, done)
	}
	r, done = act(admin.Action{Verb: "stop", Select: admin.Select{"name": "each.*"}}, 20*time.Second)
	if !done || r.Matched != 2 || r.Results[0].Task != "each.x" || r.Results[0].State != "stopped" || r.Results[1].State != "stopped" {
		t.Errorf("%+v %v", r, done)
	}
	if many := h.UntilState("many.2", "running"); many.Block != "many" || many.Key != "2" {
		t.Errorf("%+v", many)
	}
	_, _, err := h.Act(t.Context(), admin.Action{Verb: "stop"}, 0)
	wantProblem(t, err, 422, "invalid")
	r, _ = act(admin.Action{Verb: "stop", Select: admin.Select{"label.team": "nobody"}}, 0)
	if r.Matched != 0 {
		t.Errorf("%+v", r)
	}
	_, err = h.Task(t.Context(), "each")
	wantProblem(t, err, 404, "task_unknown")
	if p := admin.AsProblem(err); p == nil || !strings.Contains(p.Remedy, `"each.x"`) {
		t.Errorf("the remedy names no instance: %v", p)
	}
}

func TestTheHostPausesAndDrainsAsAWhole(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("beat", "periodic {\n every = \"200ms\"\n catch_up {\n policy = \"latest\"\n window = \"1h\"\n }\n }")+
		actor("busy", "on_demand {}", `work = "1h"`)+
		actor("live", "continuous {}", `until = "drain"`))
	hostState := func(want string) {
		t.Helper()
		got, err := h.Client.Host(t.Context())
		if err != nil || got.State != want {
			t.Errorf("the host is %s, want %s, %v", got.State, want, err)
		}
	}
	r, err := h.PauseHost(t.Context(), admin.Pause{Reason: "backup"})
	if err != nil || !r.Changed || r.Paused == nil || r.Paused.Reason != "backup" {
		t.Fatalf("%+v %v", r, err)
	}
	hostState("paused")
	untilSlots(h, "beat", "skipped(paused)")
	if task := h.UntilState("live", "running"); task.Paused == nil {
		t.Error("a task of a paused host does not show it")
	}
	h.Until("more slots are skipped", func(context.Context) error {
		if s := untilSlots(h, "beat", "skipped(paused)"); s.Count < 3 {
			return fmt.Errorf("it is %+v", s)
		}
		return nil
	})
	if r, err := h.ResumeHost(t.Context(), admin.Resume{CatchUp: true}); err != nil || !r.Changed || r.Paused != nil {
		t.Fatalf("%+v %v", r, err)
	}
	skipped := untilSlots(h, "beat", "skipped(paused)")
	h.Until("the last skipped slot is caught up", func(ctx context.Context) error {
		for _, r := range untilRuns(h, 1, ended("beat")) {
			if r.Slot.Equal(skipped.Last.Time) {
				return nil
			}
		}
		return fmt.Errorf("it is not among the runs")
	})
	busy := begin(t, h, "busy", "")
	d, done, err := h.DrainHost(t.Context(), admin.Verb{Reason: "move"}, 300*time.Millisecond)
	if err != nil || done || !d.Changed {
		t.Fatalf("%+v %v %v", d, done, err)
	}
	hostState("draining")
	if now, err := h.Run(t.Context(), busy.ID, 0); err != nil || now.State != "running" {
		t.Errorf("a drain lets runs finish, but the run is %s %v", now.State, err)
	}
	_, err = h.StartRun(t.Context(), "beat", admin.RunRequest{}, "", 0)
	wantProblem(t, err, 503, "shutting_down")
	untilSlots(h, "beat", "skipped(shutdown)")
	if _, _, err := h.CancelRun(t.Context(), busy.ID, admin.Verb{}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if d, done, err := h.DrainHost(t.Context(), admin.Verb{}, 20*time.Second); err != nil || !done || d.Changed {
		t.Errorf("the second drain: %v %v %v", d.Changed, done, err)
	}
	if r, err := h.ResumeHost(t.Context(), admin.Resume{}); err != nil || !r.Changed {
		t.Fatal(r.Changed, err)
	}
	hostState("running")
	h.UntilState("live", "running")
	if r := run(t, h, "beat", admin.RunRequest{Overlap: "queue"}); r.Outcome != "succeeded" {
		t.Errorf("after resume: %s", r.Outcome)
	}
	if r, err := h.ShutdownHost(t.Context(), admin.Verb{Reason: "done"}); err != nil || !r.Changed {
		t.Fatal(r.Changed, err)
	}
	if code := h.Wait(); code != 0 {
		t.Errorf("the host exited %d", code)
	}
}
