package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func start(t *testing.T) *admintest.Host {
	return admintest.Start(t, admintest.Options{Config: "config.hcl", Plugins: []string{"examples/04-report"}})
}

func input(t *testing.T, in Input) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func result(t *testing.T, run admin.Run) (r Result) {
	t.Helper()
	if err := json.Unmarshal(run.Result, &r); err != nil {
		t.Fatalf("run %+v: %v", run, err)
	}
	return r
}

func TestSlotsAreNineInNewYork(t *testing.T) {
	t.Parallel()
	h := start(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := h.Schedule(t.Context(), "report", time.Time{}, time.Time{}, 14)
	if err != nil || len(schedule.Items) != 14 {
		t.Fatalf("%d slots, %v", len(schedule.Items), err)
	}
	for _, slot := range schedule.Items {
		if at := slot.At.In(zone); at.Hour() != 9 || at.Minute() != 0 || at.Day() != 1 {
			t.Errorf("a slot is at %v", at)
		}
	}
}

func TestADrainedRunIsResumedWhereItWas(t *testing.T) {
	t.Parallel()
	h := start(t)
	run, err := h.StartRun(t.Context(), "report", admin.RunRequest{Input: input(t, Input{Month: "2026-10"})}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.Until("it has done some rows", func(ctx context.Context) error {
		r, err := h.Run(ctx, run.ID, 0)
		if err == nil && (r.Progress == nil || r.Progress.Done < 5) {
			err = errors.New("too early")
		}
		return err
	})
	if _, done, err := h.Restart(t.Context(), "report", admin.Verb{Reason: "new credentials"}, admintest.Bound); err != nil || !done {
		t.Fatalf("restart: done %v, %v", done, err)
	}
	ended, err := h.Run(t.Context(), run.ID, admintest.Bound)
	if err != nil {
		t.Fatal(err)
	}
	if ended.Outcome != "succeeded" || len(ended.Attempts) != 2 || ended.Attempts[0].Outcome != "interrupted" {
		t.Fatalf("the run ended %s after %+v; want an interrupted attempt and then success", ended.Outcome, ended.Attempts)
	}
	if got := result(t, ended); got != (Result{Month: "2026-10", Rows: 50, Attempts: 2}) {
		t.Errorf("result %+v", got)
	}
}

func TestARetryGoesOnFromTheCursor(t *testing.T) {
	t.Parallel()
	h := start(t)
	run, err := h.StartRun(t.Context(), "report", admin.RunRequest{Input: input(t, Input{Month: "2026-09", Flaky: true})}, "", admintest.Bound)
	if err != nil {
		t.Fatal(err)
	}
	if run.Outcome != "succeeded" || len(run.Attempts) != 2 || run.Attempts[0].Error == nil || run.Attempts[0].Error.Class != "retry" {
		t.Fatalf("the run ended %s after %+v", run.Outcome, run.Attempts)
	}
}

func TestAPermanentErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	h := start(t)
	run, err := h.StartRun(t.Context(), "report", admin.RunRequest{Input: input(t, Input{Month: "October"})}, "", admintest.Bound)
	if err != nil {
		t.Fatal(err)
	}
	if run.Outcome != "failed" || len(run.Attempts) != 1 || run.Error == nil || run.Error.Class != "permanent" {
		t.Errorf("the run ended %s after %d attempts with %+v", run.Outcome, len(run.Attempts), run.Error)
	}
}

func TestInputIsCheckedBeforeTheRun(t *testing.T) {
	t.Parallel()
	h := start(t)
	_, err := h.StartRun(t.Context(), "report", admin.RunRequest{Input: json.RawMessage(`{"mnth":"2026-10"}`)}, "", 0)
	problem := admin.AsProblem(err)
	if problem == nil || problem.Status != 422 || len(problem.Errors) == 0 {
		t.Fatalf("a typo in the input is answered with %v", err)
	}
}
