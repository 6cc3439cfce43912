package e2e

import (
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// TestLimitsHoldACommandAndAreShown asks a command of a limited task what it may, and the host what enforces it.
func TestLimitsHoldACommandAndAreShown(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{"plugins/exec"}, HCL: `
plugin "exec" {
  limits {
    files = 200
  }
}
task "free" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "ulimit -n; grep NoNewPrivs /proc/self/status"
  }
}
task "bound" {
  plugin  = "exec"
  process = "task"
  on_demand {}
  limits {
    memory = "256MiB"
    cpu    = 0.5
    files  = 99
  }
  config {
    shell = "ulimit -n"
  }
}
`})
	said := func(name string) string {
		out, _ := cli(t, h.Dir, "logs", name)
		return out
	}
	for name, want := range map[string]string{"free": "200", "bound": "99"} {
		r, err := h.StartRun(t.Context(), name, admin.RunRequest{}, "", admintest.Bound)
		if err != nil || r.Outcome != "succeeded" || !strings.Contains(said(name), want) {
			t.Errorf("%s: %v, %+v, %s", name, err, r, said(name))
		}
	}
	if !strings.Contains(said("free"), "NoNewPrivs:\t1") {
		t.Errorf("a command may gain privileges: %s", said("free"))
	}
	got := untilTask(h, "bound", "has a process", func(k admin.Task) bool { return len(k.Processes) == 1 && len(k.Processes[0].Limits) == 3 })
	by := map[string]admin.AppliedLimit{}
	for _, l := range got.Processes[0].Limits {
		by[l.Name] = l
	}
	if by["files"].By != "rlimit" || by["files"].Value != "99" || by["memory"].By == "" || by["memory"].Value != "256MiB" {
		t.Errorf("limits: %+v", by)
	}
	if cpu := by["cpu"]; cpu.By == "" && cpu.Error == "" { // where there is no cgroup it is said
		t.Errorf("cpu: %+v", cpu)
	}
	if out, code := cli(t, h.Dir, "task", "show", "bound"); code != 0 || !strings.Contains(out, "files 99  by rlimit") {
		t.Errorf("task show: exit %d, %s", code, out)
	}
}
