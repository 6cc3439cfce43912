package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// neighbour is a task that must not notice how bad the others are.
const neighbour = `
task "neighbour" {
  plugin = "badplugin"
  type   = "tick"
  periodic {
    every = "200ms"
  }
}
`

// checkNeighbour fails the test when a slot of the neighbour since the given time did not run, or a run
// of it failed.
func checkNeighbour(t *testing.T, h *admintest.Host, since time.Time) {
	t.Helper()
	slots, err := h.Slots(t.Context(), "neighbour", 100, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots.Items {
		if s.Last.After(since) {
			t.Errorf("the neighbour's slots %v … %v did not run: %s", s.First, s.Last, s.Reason)
		}
	}
	failed, err := h.Runs(t.Context(), admin.RunQuery{Tasks: []string{"neighbour"}, Outcomes: []string{"failed", "timed_out", "lost"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(failed.Items) > 0 {
		t.Errorf("the neighbour failed: %+v", failed.Items[0].Error)
	}
}

// processesOf lists the live processes that carry the data directory of the host in their environment or
// command line, the host itself left out.
func processesOf(h *admintest.Host) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == h.PID || pid == os.Getpid() {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		mark := []byte(h.Dir)
		if bytes.Contains(environ, mark) || bytes.Contains([]byte(cwd), mark) || bytes.Contains([]byte(exe), mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processState is the letter that the kernel has for the state of a process, "" when there is none.
func processState(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, behind, _ := bytes.Cut(text, []byte(") "))
	state, _, _ := bytes.Cut(behind, []byte(" "))
	return string(state)
}

// untilProcesses waits until exactly n processes of the host are left.
func untilProcesses(h *admintest.Host, n int) {
	h.Until(fmt.Sprintf("%d processes are left", n), func(context.Context) error {
		if pids := processesOf(h); len(pids) != n {
			return fmt.Errorf("there are %d: %v", len(pids), pids)
		}
		return nil
	})
}

// descriptors counts the open files of the host.
func descriptors(t *testing.T, h *admintest.Host) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.PID))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
