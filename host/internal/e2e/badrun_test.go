package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// What goes wrong in a run, and how the run must end.
var badRuns = []struct {
	do      string
	input   string
	outcome string
	class   string // of the error
	text    string // in the error's message
	stop    bool   // the run has to be cancelled, and killed at the end
}{
	{do: "error", outcome: "failed", class: "error", text: "it did not work"},
	{do: "panic", outcome: "failed", class: "panic", text: "index out of range"},
	{do: "panic_in_goroutine", outcome: "failed", class: "panic", text: "bad, and nobody there to catch it"},
	{do: "exit", outcome: "failed", class: "crash", text: "exit 4"},
	{do: "ignore_cancel", outcome: "cancelled", stop: true},
	{do: "stop_itself", outcome: "cancelled", stop: true},
	{do: "busy", outcome: "cancelled", stop: true},
	{do: "flood", outcome: "succeeded"},
	{do: "odd_output", outcome: "succeeded"},
	{do: "children", outcome: "succeeded"},
	{do: "large_frame", outcome: "failed", class: "error", text: "limit"},
	{do: "large_commit", outcome: "failed", class: "error", text: "limit"},
	{do: "nonsense", outcome: "failed", class: "permanent", text: "nonsense"},
}

func TestABadRunHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	hcl.WriteString(neighbour)
	for _, b := range badRuns {
		fmt.Fprintf(&hcl, `
task %q {
  plugin  = "badplugin"
  type    = "run"
  process = "run"
  on_demand {}
  stop {
    drain  = "300ms"
    cancel = "300ms"
  }
  config {
    do = %q
  }
}
`, b.do, b.do)
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	untilProcesses(h, 1)
	before, began := descriptors(t, h), time.Now()

	for _, b := range badRuns {
		t.Run(b.do, func(t *testing.T) {
			run, err := h.StartRun(t.Context(), b.do, admin.RunRequest{Input: json.RawMessage(b.input)}, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			if b.stop {
				h.UntilState(b.do, "running")
				if _, _, err := h.CancelRun(t.Context(), run.ID, admin.Verb{Reason: "enough"}, 0); err != nil {
					t.Fatal(err)
				}
			}
			run, err = h.Run(t.Context(), run.ID, admintest.Bound)
			if err != nil {
				t.Fatal(err)
			}
			if run.Outcome != b.outcome {
				t.Fatalf("the run ended %q in %q: %+v; want %s", run.Outcome, run.EndedIn, run.Error, b.outcome)
			}
			if b.stop && run.EndedIn != "kill" {
				t.Errorf("it ended in %s; want kill", run.EndedIn)
			}
			if b.class != "" && (run.Error == nil || run.Error.Class != b.class || !strings.Contains(run.Error.Message, b.text)) {
				t.Errorf("its error is %+v; want class %s and %q", run.Error, b.class, b.text)
			}
			untilProcesses(h, 1)
		})
	}
	checkNeighbour(t, h, began)
	most := before + len(badRuns) + 2 // a task that has written keeps its log file open
	h.Until("the descriptors are given back", func(context.Context) error {
		if now := descriptors(t, h); now > most {
			return fmt.Errorf("there were %d, now there are %d", before, now)
		}
		return nil
	})
}

func TestALargeInputIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: `
task "run" {
  plugin = "badplugin"
  type   = "run"
  on_demand {}
}
`})
	input := json.RawMessage(`{"text":"` + strings.Repeat("x", 2<<20) + `"}`)
	_, err := h.StartRun(t.Context(), "run", admin.RunRequest{Input: input}, "", 0)
	if p := admin.AsProblem(err); p == nil || p.Status != 413 {
		t.Fatalf("2 MiB of input are answered with %v; want 413", err)
	}
	almost := json.RawMessage(`{"text":"` + strings.Repeat("x", 900<<10) + `"}`)
	run, err := h.StartRun(t.Context(), "run", admin.RunRequest{Input: almost}, "", admintest.Bound)
	if err != nil || run.Outcome != "succeeded" {
		t.Fatalf("900 KiB of input: %v, %s %+v", err, run.Outcome, run.Error)
	}
}

func TestEveryRungOfTheLadderIsSeen(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: `
task "deaf" {
  plugin = "badplugin"
  type   = "live"
  continuous {}
  stop {
    drain  = "400ms"
    cancel = "400ms"
  }
  config {
    do = "ignore_cancel"
  }
}
`})
	h.UntilState("deaf", "running")
	began := time.Now()
	result, done, err := h.Client.Stop(t.Context(), "deaf", admin.Verb{Mode: admin.Graceful, Reason: "test"}, 0)
	if err != nil || done || result.State != "stopping" {
		t.Fatalf("stop without a wait: done %v, state %s, %v", done, result.State, err)
	}
	seen := map[string]bool{}
	h.Until("the task is stopped", func(ctx context.Context) error {
		task, err := h.Task(ctx, "deaf")
		if err != nil {
			return err
		}
		for _, r := range task.Runs {
			if r.Stop != nil {
				seen[r.Stop.Stage] = true
			}
		}
		if task.State != "stopped" {
			return fmt.Errorf("it is %s", task.State)
		}
		return nil
	})
	if took := time.Since(began); took < 800*time.Millisecond || took > 4*time.Second {
		t.Errorf("the ladder took %v; want 800ms and the kill", took)
	}
	if !seen["drain"] || !seen["cancel"] {
		t.Errorf("the stages seen from outside are %v", seen)
	}
	run := h.UntilRun("deaf", "")
	if run.Stop == nil || run.Stop.From != "drain" || run.Stop.Stage != "kill" || len(run.Stop.Survivors) > 0 {
		t.Errorf("the record of the stop is %+v", run.Stop)
	}
	untilProcesses(h, 0)
}

func TestATaskThatIgnoresTheDrainEndsInTheCancel(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: `
task "hard_of_hearing" {
  plugin = "badplugin"
  type   = "live"
  continuous {}
  stop {
    drain  = "400ms"
    cancel = "10s"
  }
  config {
    do = "ignore_drain"
  }
}
`})
	h.UntilState("hard_of_hearing", "running")
	if _, done, err := h.Client.Stop(t.Context(), "hard_of_hearing", admin.Verb{Mode: admin.Graceful}, admintest.Bound); err != nil || !done {
		t.Fatalf("stop: done %v, %v", done, err)
	}
	run := h.UntilRun("hard_of_hearing", "")
	if run.Stop == nil || run.Stop.From != "drain" || run.Stop.Stage != "cancel" || run.EndedIn != "cancel" {
		t.Errorf("it ended in %s, stop %+v; want from drain to cancel", run.EndedIn, run.Stop)
	}
	untilProcesses(h, 0)
}
