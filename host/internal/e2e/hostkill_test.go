package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func TestNoPluginOutlivesAKilledHost(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	for _, do := range []string{"wait", "ignore_cancel", "stop_itself", "busy", "child"} {
		fmt.Fprintf(&hcl, `
task %q {
  plugin = "badplugin"
  type   = "live"
  continuous {
    restart {
      policy = "always"
    }
  }
  config {
    do = %q
  }
}
`, do, do)
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{badPlugin}})
	for _, do := range []string{"wait", "ignore_cancel", "stop_itself", "busy", "child"} {
		h.UntilState(do, "running")
	}
	h.Until("one has stopped itself", func(ctx context.Context) error {
		task, err := h.Task(ctx, "stop_itself")
		if err == nil && processState(task.Processes[0].PID) != "T" {
			err = errors.New("not yet")
		}
		return err
	})
	h.Kill()
	began := time.Now()
	untilProcesses(h, 0)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("plugins lived for %v after their host; want 6 s at most", took)
	}
}

func TestANewHostEndsWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: `
task "family" {
  plugin = "badplugin"
  type   = "live"
  continuous {}
  config {
    do = "family"
  }
}
`})
	h.UntilState("family", "running")
	h.Until("the family is complete", func(ctx context.Context) error {
		state, err := h.State(ctx, "family")
		if err == nil && len(state.Values) == 0 {
			err = errors.New("not yet")
		}
		return err
	})
	state, err := h.State(t.Context(), "family")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	if err := json.Unmarshal(state.Values["pids"].Value, &pids); err != nil {
		t.Fatal(err)
	}
	h.Kill()
	h.Launch()
	for _, pid := range pids {
		if s := processState(pid); s != "" && s != "Z" {
			t.Errorf("process %d of the old host's tree lives beside the new one", pid)
		}
	}
}

func TestAHostInPlaceOfAKilledOneRunsNothingTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: fmt.Sprintf(`
task "only_one" {
  plugin = "badplugin"
  type   = "live"
  continuous {}
  config {
    do  = "exclusive"
    dir = %q
  }
}
`, dir)})
	for life := 1; life <= 4; life++ {
		h.Until(fmt.Sprintf("life %d has begun", life), func(context.Context) error {
			text, err := os.ReadFile(filepath.Join(dir, "journal"))
			if err == nil && strings.Count(string(text), "\n") < life {
				err = errors.New("not yet")
			}
			return err
		})
		h.Kill()
		h.Launch()
	}
	text, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "double") {
		t.Errorf("two processes ran the task at a time:\n%s", text)
	}
}

func TestWhatAnEarlierHostLeftAndDoesNotEndKeepsNoOtherTaskFromStarting(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("well", "continuous {}")+actor("held", "continuous {}"))
	for _, name := range []string{"well", "held"} {
		h.UntilState(name, "running")
	}
	h.Stop()
	// As when a process hangs in the kernel, but at once: a lock that cannot be had.
	lock := filepath.Join(h.DataDir, "run", "held", "0.lock")
	if err := os.RemoveAll(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	h.Launch()
	h.UntilState("well", "running")
	untilTask(h, "held", "does not start", func(t admin.Task) bool { return t.State == "backoff" })
	if !strings.Contains(h.Output(), "does not end") {
		t.Errorf("nothing is said of it:\n%s", h.Output())
	}
}
