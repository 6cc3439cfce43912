package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func TestWhatAHostKnowsOutlivesIt(t *testing.T) {
	t.Parallel()
	for how, end := range map[string]func(*admintest.Host){
		"stopped": func(h *admintest.Host) { h.Stop() },
		"killed":  (*admintest.Host).Kill,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h := stage(t, actor("asked", "on_demand {}")+actor("off", "periodic { every = \"200ms\" }")+actor("held", "periodic { every = \"200ms\" }"))
			ran := run(t, h, "asked", admin.RunRequest{Input: json.RawMessage(`{"text":"remember me"}`)})
			untilRuns(h, 2, ended("off"))
			if _, _, err := h.Client.Stop(t.Context(), "off", admin.Verb{Reason: "the disk is worn"}, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Pause(t.Context(), "held", admin.Pause{Reason: "over lunch"}); err != nil {
				t.Fatal(err)
			}
			kept, err := h.SetCheckpoint(t.Context(), "asked", "cursor", json.RawMessage(`{"at": 7}`), admin.CheckpointWrite{})
			if err != nil {
				t.Fatal(err)
			}
			before, err := h.Runs(t.Context(), ended("off"))
			if err != nil {
				t.Fatal(err)
			}
			end(h)
			h.Launch()

			again, err := h.Run(t.Context(), ran.ID, 0)
			if diff := cmp.Diff(ran, again); err != nil || diff != "" {
				t.Errorf("the run in the history: %v (-before +after):\n%s", err, diff)
			}
			if c, err := h.Checkpoint(t.Context(), "asked"); err != nil || !cmp.Equal(c.Values["cursor"], kept) {
				t.Errorf("the checkpoint is %+v, %v; want %+v", c, err, kept)
			}
			off := untilTask(h, "off", "is stopped", func(t admin.Task) bool { return t.State == "stopped" })
			if off.Stopped == nil || off.Stopped.Reason != "the disk is worn" || off.Stopped.By == "" {
				t.Errorf("who stopped it: %+v", off.Stopped)
			}
			if held := untilTask(h, "held", "is paused", func(t admin.Task) bool { return t.Paused != nil }); held.Paused.Reason != "over lunch" {
				t.Errorf("who paused it: %+v", held.Paused)
			}
			if after, err := h.Runs(t.Context(), ended("off")); err != nil || len(after.Items) != len(before.Items) {
				t.Errorf("the stopped task has %d runs, %v; want %d", len(after.Items), err, len(before.Items))
			}
			if info, err := h.Client.Host(t.Context()); err != nil || info.Store != "sqlite" {
				t.Errorf("the host says its store is %q, %v", info.Store, err)
			}
		})
	}
}

func TestTheNextHostKnowsWhichRequestItHasCarriedOut(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}")+actor("held", "on_demand {}", `work = "10m"`))
	body := admin.RunRequest{Input: json.RawMessage(`{"text":"once"}`)}
	ended, err := h.StartRun(t.Context(), "asked", body, "order-4711", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	live, err := h.StartRun(t.Context(), "held", body, "order-4711", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.Kill()
	h.Launch()
	for _, before := range []admin.Run{ended, live} {
		if again, err := h.StartRun(t.Context(), before.Task, body, "order-4711", 0); err != nil || again.ID != before.ID {
			t.Errorf("the same request again is run %s, %v; want %s, which it was before the host died", again.ID, err, before.ID)
		}
	}
}

func TestARunThatWasAnsweredForIsKnownToTheNextHost(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}")+actor("later", "on_demand {}"))
	for range 3 {
		ended, err := h.StartRun(t.Context(), "asked", admin.RunRequest{}, "", 10*time.Second)
		if err != nil || ended.Outcome != "succeeded" {
			t.Fatalf("it ended %s %v", ended.Outcome, err)
		}
		accepted, err := h.StartRun(t.Context(), "later", admin.RunRequest{At: admin.At(time.Now().Add(time.Hour))}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		h.Kill()
		h.Launch()
		for _, before := range []admin.Run{ended, accepted} {
			if now, err := h.Run(t.Context(), before.ID, 0); err != nil || now.Outcome != before.Outcome {
				t.Errorf("run %s of %s, %q, is %q to the next host, %v", before.ID, before.Task, before.Outcome, now.Outcome, err)
			}
		}
	}
}

func TestAnInterruptedRunGoesOnInTheNextHost(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("long", "on_demand {}", `work = "10m"`, `until = "drain"`, `cursor = true`))
	r := begin(t, h, "long", "")
	h.Stop()
	h.Launch()
	got := untilRun(h, r.ID, "has ended", isEnded)
	if s := sawOf(t, got); got.Outcome != "succeeded" || !s.Resumed || s.Attempt != 2 || got.Attempts[0].Outcome != "interrupted" {
		t.Errorf("the run ended %s after %+v, the plugin saw %+v", got.Outcome, got.Attempts, s)
	}
}

func TestARunUnderWhichTheHostDiedIsLost(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("once", "on_demand {}", `work = "10m"`)+
		actor("again", "on_demand {}\n  retry {\n    attempts = 2\n    backoff = \"10ms\"\n  }", `work = "10m"`, `cursor = true`))
	once, again := begin(t, h, "once", ""), begin(t, h, "again", "")
	h.Kill()
	h.Launch()
	if got := untilRun(h, once.ID, "has ended", isEnded); got.Outcome != "lost" || got.EndedIn != "host_died" {
		t.Errorf("it ended %s in %s", got.Outcome, got.EndedIn)
	}
	got := untilRun(h, again.ID, "has ended", isEnded)
	if got.Outcome != "succeeded" || len(got.Attempts) != 2 || got.Attempts[0].Outcome != "lost" {
		t.Fatalf("it ended %s after %+v", got.Outcome, got.Attempts)
	}
	if s := sawOf(t, got); !s.Resumed || s.Attempt != 2 {
		t.Errorf("the second attempt saw %+v; want what the first had saved", s)
	}
}

// Every slot of the grid, from the first to the last that is known of, stands in exactly one record.
func TestNoSlotIsForgottenOrRunsTwiceAcrossDowntime(t *testing.T) {
	t.Parallel()
	const every = time.Second
	h := stage(t, actor("latest", "periodic {\n every = \"1s\"\n catch_up {\n policy = \"latest\"\n window = \"1h\"\n }\n }")+
		actor("none", "periodic {\n every = \"1s\"\n catch_up {\n policy = \"none\"\n }\n }"))
	names := []string{"latest", "none"}
	caughtUp := 0
	for life, end := range []func(){func() { h.Kill() }, func() { h.Stop() }, h.Kill} {
		for _, name := range names {
			untilRuns(h, 3*(life+1), ended(name))
		}
		known := untilRuns(h, 1, ended("latest"))[0].Slot.Time
		end()
		down := time.Now()
		// Up again right after a slot, so that the latest one is most likely of the downtime.
		again := known.Add((down.Sub(known)/every + 4) * every)
		<-time.After(time.Until(again))
		up := time.Now()
		h.Launch()
		for _, name := range names {
			untilRuns(h, 1, admin.RunQuery{Tasks: []string{name}, States: []string{"ended"}, Since: up.Add(every)})
		}
		ran := 0
		for _, r := range untilRuns(h, 1, ended("latest")) {
			if r.Slot.After(down.Add(every)) && r.Slot.Before(up) {
				ran++
			}
		}
		if ran > 1 {
			t.Errorf("life %d: %d slots of the downtime ran; want the latest alone", life+1, ran)
		}
		caughtUp += ran
	}
	if caughtUp == 0 { // after a slow start the latest is one of the start
		t.Error("no slot of a downtime was caught up")
	}
	for _, name := range names {
		missed := untilSlots(h, name, "missed(downtime)")
		if missed.Count < 2 {
			t.Errorf("%s: the downtime is recorded as %+v", name, missed)
		}
		var first, last int64
		in := map[int64]int{}
		note := func(at time.Time, n int) {
			for i := range n {
				slot := at.Add(time.Duration(i) * every).UnixNano()
				in[slot]++
				first, last = min(first, slot), max(last, slot)
			}
		}
		first = time.Now().UnixNano()
		slots, err := h.Slots(t.Context(), name, 500, "")
		if err != nil {
			t.Fatal(err)
		}
		runs, err := h.Runs(t.Context(), admin.RunQuery{Tasks: []string{name}, Limit: 500})
		if err != nil || runs.NextCursor != nil || slots.NextCursor != nil {
			t.Fatalf("%d runs, %v", len(runs.Items), err)
		}
		for _, r := range runs.Items {
			note(r.Slot.Time, 1)
		}
		for _, s := range slots.Items {
			note(s.First.Time, s.Count)
		}
		for slot := first; slot <= last; slot += int64(every) {
			if in[slot] != 1 {
				t.Errorf("%s: the slot %v stands in %d records", name, time.Unix(0, slot).UTC(), in[slot])
			}
		}
	}
}
