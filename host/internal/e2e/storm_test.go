package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// verbs are what a client may ask of a task at any time.
var verbs = []func(context.Context, *admintest.Host, string) error{
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, _, err := h.Client.Start(ctx, task, admin.Verb{}, 0)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, _, err := h.Client.Stop(ctx, task, admin.Verb{Mode: admin.Graceful}, 0)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, _, err := h.Client.Stop(ctx, task, admin.Verb{Mode: admin.Kill}, 0)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, _, err := h.Cancel(ctx, task, admin.Verb{}, 100*time.Millisecond)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, _, err := h.Restart(ctx, task, admin.Verb{Mode: admin.Hard}, 0)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, err := h.Pause(ctx, task, admin.Pause{Reason: "storm"})
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, err := h.Resume(ctx, task, admin.Resume{CatchUp: true})
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, err := h.StartRun(ctx, task, admin.RunRequest{Overlap: "queue"}, "", 0)
		return err
	},
	func(ctx context.Context, h *admintest.Host, task string) error {
		_, err := h.Tasks(ctx, admin.TaskQuery{})
		return err
	},
}

// TestManyClientsAtOnce lets clients race for the same tasks. Every call is answered, with a result or a
// refusal that says why, and when they are gone every task does what it was asked last.
func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	modes := []string{"periodic {\n    every = \"50ms\"\n  }", "on_demand {}", "periodic {\n    after = \"20ms\"\n  }"}
	tasks := []string{"a", "b", "c", "live"}
	for i, mode := range modes {
		fmt.Fprintf(&hcl, "task %q {\n  plugin = \"badplugin\"\n  type = \"tick\"\n  %s\n}\n", tasks[i], mode)
	}
	hcl.WriteString("task \"live\" {\n  plugin = \"badplugin\"\n  type = \"live\"\n  continuous {\n    restart {\n      policy = \"always\"\n      backoff = \"10ms\"\n      max_failures = 1000\n    }\n  }\n  config {\n    do = \"wait\"\n  }\n}\n")
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{badPlugin}})

	const clients, calls = 8, 60
	var all sync.WaitGroup
	for c := range clients {
		random := rand.New(rand.NewPCG(1, uint64(c)))
		all.Go(func() {
			for range calls {
				verb, task := random.IntN(len(verbs)), tasks[random.IntN(len(tasks))]
				err := verbs[verb](t.Context(), h, task)
				if p := admin.AsProblem(err); err != nil && (p == nil || p.Status >= 500) {
					t.Errorf("verb %d on %s: %v", verb, task, err)
				}
			}
		})
	}
	all.Wait()
	for _, task := range tasks {
		if _, err := h.Resume(t.Context(), task, admin.Resume{}); err != nil {
			t.Error(err)
		}
		if _, _, err := h.Client.Start(t.Context(), task, admin.Verb{}, 0); err != nil {
			t.Error(err)
		}
	}
	h.UntilState("live", "running")
	for _, task := range tasks[:3] {
		run, err := h.StartRun(t.Context(), task, admin.RunRequest{Overlap: "queue"}, "", admintest.Bound)
		if err != nil || run.State != "ended" {
			t.Errorf("a run of %s after the storm: %s %s, %v", task, run.State, run.Outcome, err)
		}
	}
	for _, task := range tasks {
		if _, done, err := h.Client.Stop(t.Context(), task, admin.Verb{}, admintest.Bound); err != nil || !done {
			t.Errorf("stop %s: done %v, %v", task, done, err)
		}
	}
	untilProcesses(h, 0)
}
