package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/cgroup"
)

// grouped starts a host whose processes have cgroups of the kernel's, and returns the directory in which these are.
func grouped(t *testing.T, tasks string) (*admintest.Host, string) {
	t.Helper()
	root := cgroup.Root()
	if root == "" {
		t.Skip("no cgroup of version 2 is mounted where systemd mounts it")
	}
	dir, err := os.MkdirTemp(root, "taskhost-e2e-")
	if err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	t.Cleanup(func() { // after the host has ended
		_ = os.Remove(filepath.Join(dir, "host"))
		if err := os.Remove(dir); err != nil {
			t.Errorf("a cgroup is left: %v", err)
		}
	})
	config := filepath.Join(t.TempDir(), "config.hcl")
	text := fmt.Sprintf("host {\n  data_dir   = \"data\"\n  plugin_dir = \"plugins\"\n  cgroup     = %q\n}\n%s", dir, tasks)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return admintest.Start(t, admintest.Options{Plugins: []string{"plugins/exec"}, Config: config}), dir
}

// groupOf is the cgroup of a task's process.
func groupOf(t *testing.T, dir string, k admin.Task) string {
	t.Helper()
	got := cgroup.Of(strconv.Itoa(k.Processes[0].PID))
	if filepath.Dir(got) != dir || !strings.HasPrefix(filepath.Base(got), "process-") {
		t.Fatalf("the process is in %q, want one of its own in %s", got, dir)
	}
	return got
}

// processorTime is what the kernel counts of a cgroup, in seconds.
func processorTime(t *testing.T, dir string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		t.Fatal(err)
	}
	word, rest, _ := strings.Cut(string(text), " ")
	micros, err := strconv.ParseFloat(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 64)
	if err != nil || word != "usage_usec" {
		t.Fatalf("cpu.stat is %q, %v", text, err)
	}
	return micros / 1e6
}

// TestACgroupCountsWhatATreeTakesAndEndsIt has a task whose work is done by a process that has left its session, as daemons do.
func TestACgroupCountsWhatATreeTakesAndEndsIt(t *testing.T) {
	t.Parallel()
	h, dir := grouped(t, `
task "daemon" {
  plugin = "exec"
  continuous {}
  config {
    shell = <<-EOT
      setsid sh -c '
        i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done
        (head -c 40000000 /dev/zero; sleep 1000) | tail -c 40000000' >/dev/null 2>&1 &
      exec sleep 1000
    EOT
  }
}
`)
	const held = 40_000_000
	got := untilTask(h, "daemon", "takes what its daemon takes", func(k admin.Task) bool {
		return len(k.Processes) == 1 && k.Processes[0].Usage != nil && k.Processes[0].Usage.RSS > held && k.Processes[0].Usage.CPU.Duration().Seconds() > 0.05
	})
	group, u := groupOf(t, dir, got), got.Processes[0].Usage
	if kernel := processorTime(t, group); u.Of != "tree" || u.CPU.Duration().Seconds() > kernel || u.RSS > 4*held {
		t.Errorf("it takes %+v, and the kernel counts %v s", u, kernel)
	}
	pids, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil || len(strings.Fields(string(pids))) < 3 {
		t.Fatalf("the plugin, its command and the daemon are in its cgroup, not %q, %v", pids, err)
	}
	if _, done, err := h.Client.Stop(t.Context(), "daemon", admin.Verb{Mode: "kill"}, admintest.Bound); err != nil || !done {
		t.Fatalf("stop: %v, %v", done, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "process-*")); len(left) > 0 { // one in which something lives cannot be removed
		t.Errorf("left: %v", left)
	}
}

// TestWhatTheKernelKillsForWantOfMemoryIsReportedSo lets a command of a task take more than the task may.
func TestWhatTheKernelKillsForWantOfMemoryIsReportedSo(t *testing.T) {
	t.Parallel()
	h, dir := grouped(t, `
task "greedy" {
  plugin  = "exec"
  process = "task"
  on_demand {}
  limits {
    memory = "64MiB"
    cpu    = 1.5
    pids   = 100
  }
  config {
    shell = "tail /dev/zero"
  }
}
task "modest" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "true"
  }
}
`)
	offered, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"memory", "cpu", "pids"} {
		if !slices.Contains(strings.Fields(string(offered)), name) {
			t.Skipf("cgroups of version 2 have no controller for %s here, they have: %s", name, offered)
		}
	}
	r, err := h.StartRun(t.Context(), "greedy", admin.RunRequest{}, "", admintest.Bound)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != "failed" || len(r.Attempts) != 1 || r.Attempts[0].Exit == nil || !r.Attempts[0].Exit.OOM || !strings.Contains(r.Attempts[0].Exit.Text, "memory") {
		t.Errorf("%s, %+v, attempts %+v", r.Outcome, r.Error, r.Attempts)
	}
	text, err := h.Metrics(t.Context())
	if err != nil || !strings.Contains(string(text), `taskhost_plugin_exits_total{task="greedy",reason="oom"} 1`) {
		t.Errorf("metrics, %v:\n%s", err, text)
	}
	if got := run(t, h, "modest", admin.RunRequest{}); got.Outcome != "succeeded" {
		t.Errorf("another task: %s, %+v", got.Outcome, got.Error)
	}
	got := untilTask(h, "greedy", "has a process again", func(k admin.Task) bool { return len(k.Processes) == 1 && len(k.Processes[0].Limits) == 3 })
	for _, l := range got.Processes[0].Limits {
		if l.By != "cgroup" {
			t.Errorf("limit %+v", l)
		}
	}
	group := groupOf(t, dir, got)
	for file, want := range map[string]string{"memory.max": "67108864", "cpu.max": "150000 100000", "pids.max": "100"} {
		if value, err := os.ReadFile(filepath.Join(group, file)); err != nil || strings.TrimSpace(string(value)) != want {
			t.Errorf("%s: %q, %v; want %s", file, value, err, want)
		}
	}
}
