package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func start(t *testing.T) *admintest.Host {
	return admintest.Start(t, admintest.Options{Config: "config.hcl", Plugins: []string{"examples/02-periodic"}})
}

// ended waits until the task has n ended runs and returns the last n, oldest first.
func ended(h *admintest.Host, task string, n int) (runs []admin.Run) {
	h.Until(fmt.Sprintf("%s has %d ended runs", task, n), func(ctx context.Context) error {
		list, err := h.Runs(ctx, admin.RunQuery{Tasks: []string{task}, States: []string{"ended"}, Limit: n})
		if err == nil && len(list.Items) < n {
			err = fmt.Errorf("it has %d", len(list.Items))
		}
		runs = runs[:0]
		for i := len(list.Items) - 1; i >= 0; i-- {
			runs = append(runs, list.Items[i])
		}
		return err
	})
	return runs
}

func TestAfterDriftsByTheWorkAndEveryDoesNot(t *testing.T) {
	t.Parallel()
	h := start(t)
	const n = 8

	drifting := ended(h, "drifting", n)
	for i := 1; i < n; i++ {
		if gap := drifting[i].Started.Sub(drifting[i-1].Started.Time); gap < 300*time.Millisecond {
			t.Errorf("drifting began again after %v; want the delay and the work, 300ms at least", gap)
		}
	}
	for _, r := range drifting {
		if r.Duration == nil || r.Duration.Duration() < 100*time.Millisecond {
			t.Errorf("a run of drifting took %v; its work takes 100ms", r.Duration)
		}
	}
	steady := ended(h, "steady", n)
	for i := 1; i < n; i++ {
		if off := steady[i].Slot.Sub(steady[0].Slot.Time) % (200 * time.Millisecond); off != 0 {
			t.Errorf("slot %d of steady is off the grid by %v", i, off)
		}
		if early := steady[i].Slot.Sub(steady[i].Started.Time); early > 0 {
			t.Errorf("run %d of steady began %v before its slot", i, early)
		}
	}
}

func TestAnErrorEndsARunAndNotTheLoop(t *testing.T) {
	t.Parallel()
	h := start(t)
	outcomes := map[string]int{}
	for _, r := range ended(h, "failing", 6) {
		outcomes[r.Outcome]++
	}
	if outcomes["failed"] < 2 || outcomes["succeeded"] < 2 {
		t.Errorf("outcomes are %v; want failures with successes after them", outcomes)
	}
	run := h.UntilRun("failing", "failed")
	if run.Error == nil || run.Error.Class != "error" {
		t.Errorf("the failed run's error is %+v", run.Error)
	}
}

func TestCancelAndWaitOverHTTP(t *testing.T) {
	t.Parallel()
	h := start(t)
	run, err := h.StartRun(t.Context(), "long", admin.RunRequest{Reason: "to be cancelled"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.UntilState("long", "running")
	result, done, err := h.CancelRun(t.Context(), run.ID, admin.Verb{Reason: "changed my mind"}, admintest.Bound)
	if err != nil || !done {
		t.Fatalf("cancel: done %v, %v", done, err)
	}
	if result.Outcome != "cancelled" || result.EndedIn != "cancel" {
		t.Errorf("the run ended %s in %s; want cancelled in cancel", result.Outcome, result.EndedIn)
	}
	if task := h.UntilState("long", "idle"); task.Failures != 0 {
		t.Errorf("a cancelled run counts as a failure: %d", task.Failures)
	}
}
