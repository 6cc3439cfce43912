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

const actorPlugin = "host/internal/e2e/actor"

// hosts bounds how many hosts of this package's tests live at a time.
var hosts = make(chan struct{}, 4)

// brisk keeps the end of a test short, whatever its tasks are deaf to.
const brisk = "defaults {\n  stop {\n    drain = \"300ms\"\n    cancel = \"1s\"\n  }\n}\n"

// stage starts a host whose tasks are actors.
func stage(t *testing.T, hcl string) *admintest.Host {
	t.Helper()
	return stageWith(t, admintest.Options{HCL: brisk + hcl})
}

func stageWith(t *testing.T, o admintest.Options) *admintest.Host {
	t.Helper()
	hosts <- struct{}{}
	t.Cleanup(func() { <-hosts })
	o.Plugins = append(o.Plugins, actorPlugin)
	return admintest.Start(t, o)
}

// actor is a task block of the type work (live when it is continuous).
func actor(name, body string, config ...string) string {
	typ := "work"
	if strings.Contains(body, "continuous") {
		typ = "live"
	}
	return fmt.Sprintf("task %q {\n  plugin = \"actor\"\n  type = %q\n%s\n  config {\n%s\n  }\n}\n", name, typ, body, strings.Join(config, "\n"))
}

// seen is what a run of an actor returns.
type seen struct {
	Text     string    `json:"text"`
	Trigger  string    `json:"trigger"`
	Slot     time.Time `json:"slot"`
	Previous time.Time `json:"previous"`
	Attempt  int       `json:"attempt"`
	PID      int       `json:"pid"`
	Born     time.Time `json:"born"`
	Entered  time.Time `json:"entered"`
	Resumed  bool      `json:"resumed"`
}

func sawOf(t *testing.T, r admin.Run) (s seen) {
	t.Helper()
	if err := json.Unmarshal(r.Result, &s); err != nil {
		t.Fatalf("run %s of %s, %s: its result %s: %v", r.ID, r.Task, r.Outcome, r.Result, err)
	}
	return s
}

// untilRuns waits until the query selects n runs at least and returns them, newest first.
func untilRuns(h *admintest.Host, n int, q admin.RunQuery) (runs []admin.Run) {
	h.Until(fmt.Sprintf("%d runs of %v %v %v", n, q.Tasks, q.States, q.Outcomes), func(ctx context.Context) error {
		page, err := h.Runs(ctx, q)
		if err == nil && len(page.Items) < n {
			err = fmt.Errorf("there are %d", len(page.Items))
		}
		runs = page.Items
		return err
	})
	return runs
}

func ended(task string) admin.RunQuery {
	return admin.RunQuery{Tasks: []string{task}, States: []string{"ended"}}
}

// untilSlots waits until the task has a record of slots with the reason, and returns it.
func untilSlots(h *admintest.Host, task, reason string) (record admin.SlotRecord) {
	h.Until(task+" has slots "+reason, func(ctx context.Context) error {
		slots, err := h.Slots(ctx, task, 100, "")
		if err != nil {
			return err
		}
		for _, s := range slots.Items {
			if s.Reason == reason {
				record = s
				return nil
			}
		}
		return fmt.Errorf("it has %+v", slots.Items)
	})
	return record
}

// untilTask waits until the task is as it should be, and returns it.
func untilTask(h *admintest.Host, name, what string, is func(admin.Task) bool) (got admin.Task) {
	h.Until(name+" "+what, func(ctx context.Context) (err error) {
		if got, err = h.Task(ctx, name); err == nil && !is(got) {
			err = fmt.Errorf("it is %s %+v, health %+v, waits %+v", got.State, got.Reason, got.Health, got.Waiting)
		}
		return err
	})
	return got
}

// run starts a run now and waits for its end.
func run(t *testing.T, h *admintest.Host, task string, r admin.RunRequest) admin.Run {
	t.Helper()
	got, err := h.StartRun(t.Context(), task, r, "", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got.Live() {
		t.Fatalf("run %s of %s goes on: %s", got.ID, task, got.State)
	}
	return got
}

// begin starts a run now and waits until author code is at work.
func begin(t *testing.T, h *admintest.Host, task, input string) admin.Run {
	t.Helper()
	r := admin.RunRequest{}
	if input != "" {
		r.Input = json.RawMessage(input)
	}
	got, err := h.StartRun(t.Context(), task, r, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return untilRun(h, got.ID, "is at work", func(r admin.Run) bool { return r.State == "running" && r.Progress != nil })
}

func untilRun(h *admintest.Host, id, what string, is func(admin.Run) bool) (got admin.Run) {
	h.Until("run "+id+" "+what, func(ctx context.Context) (err error) {
		if got, err = h.Run(ctx, id, 0); err == nil && !is(got) {
			err = fmt.Errorf("it is %s %s", got.State, got.Outcome)
		}
		return err
	})
	return got
}

func isEnded(r admin.Run) bool { return !r.Live() }

// wantProblem checks that err is the refusal with the code and the status.
func wantProblem(t *testing.T, err error, status int, code string) {
	t.Helper()
	p := admin.AsProblem(err)
	if p == nil || p.Status != status || p.Code != code || p.Detail == "" || p.Remedy == "" {
		t.Errorf("got %#v (%v), want %d %s with a detail and a remedy", p, err, status, code)
	}
}
