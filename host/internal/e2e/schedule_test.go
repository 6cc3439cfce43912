package e2e

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func TestSlotsRunWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("rate", "periodic { every = \"200ms\" }")+
		actor("delay", "periodic { after = \"100ms\" }", `work = "50ms"`)+
		actor("late", "periodic {\n every = \"300ms\"\n offset = \"50ms\"\n jitter = \"100ms\"\n }")+
		actor("boot", "periodic {\n every = \"10h\"\n run_on_start = true\n }")+
		actor("nightly", "periodic {\n cron = \"30 2 * * *\"\n time_zone = \"Europe/Berlin\"\n }")+
		actor("asked", "on_demand {}"))

	t.Run("every keeps to its grid and never drifts", func(t *testing.T) {
		runs := untilRuns(h, 5, ended("rate"))
		slices.Reverse(runs)
		phase := runs[0].Slot.UnixNano() % int64(200*time.Millisecond)
		for i, r := range runs {
			s := sawOf(t, r)
			if r.Outcome != "succeeded" || r.Trigger != "slot" || !s.Slot.Equal(r.Slot.Time) || s.Trigger != "slot" {
				t.Errorf("run %d: %s by %s, slot %v, the plugin saw %+v", i, r.Outcome, r.Trigger, r.Slot, s)
			}
			if got := r.Slot.UnixNano() % int64(200*time.Millisecond); got != phase {
				t.Errorf("slot %v is off the grid: phase %d, want %d", r.Slot, got, phase)
			}
			if s.Entered.Before(r.Slot.Time) || s.Entered.Sub(r.Slot.Time) > 2*time.Second {
				t.Errorf("slot %v was entered at %v", r.Slot, s.Entered)
			}
			if !s.Previous.Equal(r.Slot.Add(-200 * time.Millisecond)) {
				t.Errorf("the slot before %v is %v", r.Slot, s.Previous)
			}
		}
	})
	t.Run("after counts from the end of the last run", func(t *testing.T) {
		runs := untilRuns(h, 4, ended("delay"))
		slices.Reverse(runs)
		for i, r := range runs[1:] {
			if gap := r.Started.Sub(runs[i].Ended.Time); gap < 100*time.Millisecond {
				t.Errorf("a run began %v after the end of the one before, want 100 ms at least", gap)
			}
		}
	})
	t.Run("jitter moves runs within its bound", func(t *testing.T) {
		moved := false
		for _, r := range untilRuns(h, 3, ended("late")) {
			by := r.NotBefore.Sub(r.Slot.Time)
			moved = moved || by > 0
			if by < 0 || by > 100*time.Millisecond || r.Started.Before(r.NotBefore.Time) {
				t.Errorf("slot %v: not before %v, began %v", r.Slot, r.NotBefore, r.Started)
			}
			if r.Slot.UnixNano()%int64(300*time.Millisecond) != int64(50*time.Millisecond) {
				t.Errorf("slot %v has not the offset of 50 ms", r.Slot)
			}
		}
		if !moved {
			t.Error("no run was moved")
		}
	})
	t.Run("run_on_start runs once at once", func(t *testing.T) {
		r := h.UntilRun("boot", "succeeded")
		if r.Trigger != "start" || !r.Slot.IsZero() {
			t.Errorf("it ran by %s for slot %v", r.Trigger, r.Slot)
		}
		if runs := untilRuns(h, 1, ended("boot")); len(runs) != 1 {
			t.Errorf("it ran %d times", len(runs))
		}
	})
	t.Run("cron is wall clock in its zone, also where the hour does not exist", func(t *testing.T) {
		s, err := h.Schedule(t.Context(), "nightly", time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC), time.Time{}, 3)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, slot := range s.Items {
			got = append(got, slot.At.Format("2006-01-02 15:04"))
		}
		if want := []string{"2027-03-27 01:30", "2027-03-28 01:00", "2027-03-29 00:30"}; !slices.Equal(got, want) {
			t.Errorf("the next slots are %v, want %v", got, want)
		}
		if s.TimeZone != "Europe/Berlin" || s.ModeText != "cron 30 2 * * *" {
			t.Errorf("the schedule is %q in %q", s.ModeText, s.TimeZone)
		}
	})
	t.Run("on_demand runs only when asked", func(t *testing.T) {
		task, err := h.Task(t.Context(), "asked")
		if err != nil || task.State != "idle" || task.Last != nil || !task.NextSlot.IsZero() {
			t.Fatalf("before: %+v %v", task, err)
		}
		if r := run(t, h, "asked", admin.RunRequest{Input: []byte(`{"text":"hello"}`)}); r.Outcome != "succeeded" || sawOf(t, r).Text != "hello" || r.Trigger != "manual" {
			t.Errorf("it ran %s by %s: %s", r.Outcome, r.Trigger, r.Result)
		}
		_, err = h.StartRun(t.Context(), "asked", admin.RunRequest{Input: []byte(`{"txt":1}`)}, "", 0)
		wantProblem(t, err, 422, "input_invalid")
	})
	t.Run("all tasks stand on one time line", func(t *testing.T) {
		l, err := h.ScheduleAll(t.Context(), time.Time{}, time.Time{}, 20)
		if err != nil || len(l.Items) != 20 || !slices.IsSortedFunc(l.Items, func(a, b admin.Slot) int { return a.At.Compare(b.At.Time) }) {
			t.Errorf("got %+v %v", l.Items, err)
		}
	})
}

func TestARunCanFollowAnother(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("first", "periodic { every = \"500ms\" }")+
		actor("second", "after_run \"first\" {}")+
		actor("asked", "on_demand {}")+
		actor("mourner", "after_run \"asked\" {\n outcome = [\"failed\", \"cancelled\"]\n }"))
	second := h.UntilRun("second", "succeeded")
	first, err := h.Run(t.Context(), second.Source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if second.Trigger != "after_run" || first.Task != "first" || !second.Slot.Equal(first.Slot.Time) || !sawOf(t, second).Slot.Equal(first.Slot.Time) {
		t.Errorf("%s by %s for slot %v after %s of slot %v", second.ID, second.Trigger, second.Slot, first.ID, first.Slot)
	}
	if string(second.Input) != string(first.Result) {
		t.Errorf("its input is %s, want the result %s", second.Input, first.Result)
	}
	run(t, h, "asked", admin.RunRequest{})
	failed := run(t, h, "asked", admin.RunRequest{Input: []byte(`{"fail":"error"}`)})
	if r := h.UntilRun("mourner", "succeeded"); r.Source != failed.ID {
		t.Errorf("it followed %s, want the failed run %s", r.Source, failed.ID)
	}
	if runs := untilRuns(h, 1, ended("mourner")); len(runs) != 1 {
		t.Errorf("it ran %d times, want once: the first run succeeded", len(runs))
	}
}

func TestOverlapDecidesWhatASlotMeets(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("skip", "periodic { every = \"200ms\" }", `work = "500ms"`)+
		actor("queue", "periodic {\n every = \"200ms\"\n overlap = \"queue\"\n }", `work = "500ms"`)+
		actor("cancel", "periodic {\n every = \"500ms\"\n overlap = \"cancel_running\"\n }", `work = "1h"`)+
		actor("allow", "periodic {\n every = \"150ms\"\n overlap = \"allow\"\n max_parallel = 3\n }", `work = "2s"`)+
		actor("asked", "on_demand {}", `work = "1h"`))

	t.Run("skip records the slot with the run in the way", func(t *testing.T) {
		s := untilSlots(h, "skip", "skipped(overlap)")
		if s.Count < 1 || s.By == "" || s.First.IsZero() || s.Last.Before(s.First.Time) {
			t.Errorf("got %+v", s)
		}
		if r, err := h.Run(t.Context(), s.By, 0); err != nil || r.Task != "skip" {
			t.Errorf("the run in the way: %+v %v", r, err)
		}
	})
	t.Run("queue keeps one, the newest", func(t *testing.T) {
		runs := untilRuns(h, 3, ended("queue"))
		slices.Reverse(runs)
		for i, r := range runs[1:] {
			if r.Outcome != "succeeded" || r.Started.Before(runs[i].Ended.Time) {
				t.Errorf("%s %s began %v, the one before ended %v", r.ID, r.Outcome, r.Started, runs[i].Ended)
			}
			// The one before was at work for two slots and more: the next run is for one of them, and not for one to come.
			if !r.Slot.Before(runs[i].Ended.Time) {
				t.Errorf("after %v came the slot of %v; want one that had waited", runs[i].Ended, r.Slot)
			}
			for _, s := range passedBy(t, h, "queue", runs[i].ID) {
				if !s.Last.Before(r.Slot.Time) {
					t.Errorf("slot %v ran and %+v did not", r.Slot, s)
				}
			}
		}
		untilSlots(h, "queue", "skipped(overlap)")
	})
	t.Run("cancel_running ends the older run", func(t *testing.T) {
		r := h.UntilRun("cancel", "cancelled")
		if r.Stop == nil || r.Stop.From != "cancel" || r.Stop.Reason != "a newer slot is due" || r.EndedIn != "cancel" {
			t.Errorf("got %+v, stop %+v", r, r.Stop)
		}
		if r.Error != nil {
			t.Errorf("a cancelled run is no failure, but has %+v", r.Error)
		}
	})
	t.Run("allow runs max_parallel side by side, a process each", func(t *testing.T) {
		task := untilTask(h, "allow", "has 3 runs", func(t admin.Task) bool { return len(t.Running) == 3 })
		pids := map[int]bool{}
		for _, r := range task.Runs {
			for _, a := range r.Attempts {
				pids[a.PID] = true
			}
		}
		if len(pids) != 3 {
			t.Errorf("3 runs share %d processes", len(pids))
		}
		untilSlots(h, "allow", "skipped(overlap)")
		if now, err := h.Task(t.Context(), "allow"); err != nil || len(now.Running) > 3 {
			t.Errorf("%d runs at a time %v", len(now.Running), err)
		}
	})
	t.Run("run now is refused with the name of the run in the way", func(t *testing.T) {
		first := begin(t, h, "asked", "")
		_, err := h.StartRun(t.Context(), "asked", admin.RunRequest{}, "", 0)
		wantProblem(t, err, 409, "overlap")
		if p := admin.AsProblem(err); p == nil || p.Run != first.ID {
			t.Errorf("the refusal names %v, want %s", p, first.ID)
		}
		queued, err := h.StartRun(t.Context(), "asked", admin.RunRequest{Overlap: "queue", Input: []byte(`{"work":"1ms"}`)}, "", 0)
		if err != nil || queued.State != "queued" || queued.Waiting == nil || queued.Waiting.For != "overlap" || queued.Waiting.On != first.ID {
			t.Fatalf("got %+v %+v %v", queued, queued.Waiting, err)
		}
		newest, err := h.StartRun(t.Context(), "asked", admin.RunRequest{Overlap: "cancel_running", Input: []byte(`{"work":"1ms"}`)}, "", 20*time.Second)
		if err != nil || newest.Outcome != "succeeded" {
			t.Fatalf("got %+v %v", newest, err)
		}
		if r := untilRun(h, queued.ID, "ended", isEnded); r.Outcome != "succeeded" {
			t.Errorf("the queued manual run ended %s: none replaces it", r.Outcome)
		}
		if r := untilRun(h, first.ID, "ended", isEnded); r.Outcome != "cancelled" {
			t.Errorf("the run in the way ended %s", r.Outcome)
		}
	})
	t.Run("a run can be asked for later", func(t *testing.T) {
		at := time.Now().Add(400 * time.Millisecond)
		r := run(t, h, "asked", admin.RunRequest{At: admin.At(at), Input: []byte(`{"work":"1ms"}`)})
		if r.Outcome != "succeeded" || r.Started.Before(at) {
			t.Errorf("%s, began %v, asked for %v", r.Outcome, r.Started, at)
		}
	})
	t.Run("an idempotency key gives the same run", func(t *testing.T) {
		req := admin.RunRequest{Input: []byte(`{"work":"1ms"}`)}
		one, err1 := h.StartRun(t.Context(), "asked", req, "key-1", 20*time.Second)
		two, err2 := h.StartRun(t.Context(), "asked", req, "key-1", 20*time.Second)
		if err := errors.Join(err1, err2); err != nil || one.ID != two.ID {
			t.Errorf("%s and %s, %v", one.ID, two.ID, err)
		}
		req.Input = []byte(`{"work":"2ms"}`)
		_, err := h.StartRun(t.Context(), "asked", req, "key-1", 0)
		if p := admin.AsProblem(err); p == nil || p.Status != 422 && p.Status != 409 {
			t.Errorf("the same key with another body: %v", err)
		}
	})
}

func TestSlotsThatTheHostSleptThroughAreRecordedOrCaughtUp(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("none", "periodic { every = \"300ms\" }")+
		actor("latest", "periodic {\n every = \"300ms\"\n catch_up {\n policy = \"latest\"\n window = \"1h\"\n }\n }")+
		actor("all", "periodic {\n every = \"300ms\"\n overlap = \"queue\"\n catch_up {\n policy = \"all\"\n window = \"1h\"\n max = 3\n }\n }"))
	for _, name := range []string{"none", "latest", "all"} {
		untilRuns(h, 2, ended(name))
	}
	from, to := freeze(t, h, 3*time.Second)
	for _, name := range []string{"none", "latest", "all"} {
		h.Until(name+" is back on its grid", func(ctx context.Context) error {
			task, err := h.Task(ctx, name)
			if err == nil && !task.LastSlot.After(to.Add(time.Second)) {
				err = errors.New("not yet")
			}
			return err
		})
		slots, err := h.Slots(t.Context(), name, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		missed, ran := 0, 0
		for _, s := range slots.Items {
			switch s.Reason {
			case "missed(overload)", "missed(clock)":
				missed += s.Count
			case "skipped(overlap)": // a loaded machine may keep a run at work until the next slot
			default:
				t.Errorf("%s: %d slots are %s", name, s.Count, s.Reason)
			}
		}
		for _, r := range untilRuns(h, 1, admin.RunQuery{Tasks: []string{name}, Triggers: []string{"slot"}, Limit: 500}) {
			if r.Slot.After(from) && r.Slot.Before(to) {
				ran++
			}
		}
		between := int(to.Sub(from) / (300 * time.Millisecond))
		t.Logf("%s: of about %d slots %d were missed and %d caught up", name, between, missed, ran)
		if total := missed + ran; total < between-2 || total > between+2 {
			t.Errorf("%s: %d slots missed and %d run of the about %d that the host slept through", name, missed, ran, between)
		}
		most := map[string]int{"none": 1, "latest": 2, "all": 4}[name] // one more: that at the edge
		least := map[string]int{"none": 0, "latest": 1, "all": 2}[name]
		if ran > most || ran < least {
			t.Errorf("%s: %d slots were caught up, want %d to %d", name, ran, least, most)
		}
	}
}

// passedBy returns records of slots of a task that did not run because of a run.
func passedBy(t *testing.T, h *admintest.Host, task, run string) (all []admin.SlotRecord) {
	t.Helper()
	slots, err := h.Slots(t.Context(), task, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots.Items {
		if s.By == run {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		t.Errorf("no slot of %s was passed by because of run %s", task, run)
	}
	return all
}
