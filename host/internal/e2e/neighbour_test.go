package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// tolerable is the longest time for which a loaded machine may keep the neighbour from its next run. A host
// that somebody else's process holds up stands still for longer.
const tolerable = 5 * time.Second

// checkNeighbour fails the test when a run of the neighbour failed, or when it stood still at any time since.
func checkNeighbour(t *testing.T, h *admintest.Host, since time.Time) {
	t.Helper()
	now := time.Now()
	last := now
	for _, r := range endedRuns(t, h, "neighbour") {
		if r.Outcome != "succeeded" {
			t.Errorf("a run of the neighbour ended %s: %+v", r.Outcome, r.Error)
		}
		if r.Started.Before(since) {
			break
		}
		if gap := last.Sub(r.Started.Time); gap > tolerable {
			t.Errorf("the neighbour did not run for %v from %v on", gap, r.Started)
		}
		last = r.Started.Time
	}
	if gap := last.Sub(since); gap > tolerable {
		t.Errorf("the neighbour did not run for %v at first", gap)
	}
}

// endedRuns returns the last ended runs of a task, newest first.
func endedRuns(t *testing.T, h *admintest.Host, task string) []admin.Run {
	t.Helper()
	runs, err := h.Runs(t.Context(), admin.RunQuery{Tasks: []string{task}, States: []string{"ended"}, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return runs.Items
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
	n := 0
	for _, e := range entries { // the store opens a reader for each of those who read at the same time
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", h.PID, e.Name())); err == nil && !strings.Contains(to, "/taskhost.db") {
			n++
		}
	}
	return n
}
