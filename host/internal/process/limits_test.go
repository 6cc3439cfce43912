//go:build linux

package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// kernelLimit is what the kernel says of a limit of a process.
func kernelLimit(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `\s+(\S+)\s+(\S+)`).FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("no limit %q in\n%s", name, text)
	}
	return found[1] + " " + found[2]
}

func TestLimitsAreSetAndToldAsTheyAre(t *testing.T) {
	s := newStand(t, "fork", "")
	s.spec.Limits = task.Limits{Memory: 512 << 20, CPU: 0.5, PIDs: 100, Files: 77}
	p := s.up()
	none := "the host has no cgroup of its own: with systemd, Delegate=memory pids cpu in the unit"
	want := []task.AppliedLimit{
		{Name: "memory", Value: "512MiB", By: "rlimit"},
		{Name: "cpu", Value: "0.5", Error: none},
		{Name: "pids", Value: "100", Error: none},
		{Name: "files", Value: "77", By: "rlimit"},
	}
	if diff := cmp.Diff(want, p.Info().Limits); diff != "" {
		t.Error(diff)
	}
	for _, pid := range append(s.sink.grandchildren(t, 3), p.child.pid) {
		if got := kernelLimit(t, pid, "Max open files"); got != "77 77" {
			t.Errorf("process %d may have %s files open", pid, got)
		}
		if got := kernelLimit(t, pid, "Max data size"); got != "536870912 536870912" {
			t.Errorf("process %d may have %s bytes of data", pid, got)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.child.pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := forswearPrivileges(); err == nil && !strings.Contains(string(status), "NoNewPrivs:\t1") { // cgo cannot
		t.Error("the process may gain privileges")
	}
}

func TestWantOfMemoryIsTold(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's runtime gives up first, in its own words")
	}
	s := newStand(t, "grab", "")
	s.spec.Limits = task.Limits{Memory: 96 << 20}
	p := s.launch()
	err := p.Configure(context.Background(), task.Configure{Task: s.spec.Task, Type: "t", Mode: task.Periodic})
	if err == nil {
		t.Fatal("nothing stops it")
	}
	<-p.Done()
	if exit := p.Exit(); !exit.OOM || !saysNoMemory(exit.Text()) || exit.MaxRSS > 200<<20 {
		t.Errorf("%+v", exit)
	}
}

// cgroupRoot is a place where this test may make cgroups of version 2.
func cgroupRoot(t *testing.T) string {
	t.Helper()
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 7 || !strings.Contains(lines.Text(), " - cgroup2 ") {
			continue
		}
		dir, err := os.MkdirTemp(fields[4], "taskhost-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			_ = os.Remove(filepath.Join(dir, hostGroup))
			if err := os.Remove(dir); err != nil {
				t.Errorf("a group is left: %v", err)
			}
		})
		return dir
	}
	t.Skip("no cgroup of version 2 can be made here")
	return ""
}

func TestACgroupHoldsTheWholeTreeAndEndsItAtOnce(t *testing.T) {
	root := cgroupRoot(t)
	s := newStand(t, "daemon", "")
	s.l.groups = openCgroups(root, hclog.NewNullLogger())
	if s.l.groups == nil {
		t.Fatal("the group cannot be used")
	}
	s.spec.Limits = task.Limits{PIDs: 100}
	p := s.up()
	orphan := s.sink.grandchildren(t, 1)[0]
	for _, pid := range []int{p.child.pid, orphan} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil || !strings.Contains(string(text), groupPrefix+p.mark) {
			t.Errorf("process %d is in %s, %v", pid, text, err)
		}
	}
	if l := p.Info().Limits; len(l) != 1 || l[0].By == "" && l[0].Error == "" {
		t.Errorf("limits: %+v", l)
	}
	p.group.kill() // nothing else is needed
	<-p.Done()
	if alive(orphan) { // one that waits for its new parent to reap it does not
		t.Error("the orphan lives")
	}
	if len(p.Exit().Survivors) > 0 {
		t.Errorf("survivors %v", p.Exit().Survivors)
	}
	if left, _ := filepath.Glob(filepath.Join(root, groupPrefix+"*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAnOOMKillInACgroupIsKnownAsOne(t *testing.T) {
	root := cgroupRoot(t)
	s := newStand(t, "grab", "")
	s.l.groups = openCgroups(root, hclog.NewNullLogger())
	if s.l.groups == nil {
		t.Fatal("the group cannot be used")
	}
	if !slices.Contains(s.l.groups.controllers, "memory") {
		t.Skipf("cgroups of version 2 have no controller for memory here, only for %q", s.l.groups.controllers)
	}
	s.spec.Limits = task.Limits{Memory: 96 << 20}
	p := s.launch()
	if l := p.Info().Limits; len(l) != 1 || l[0].By != byCgroup {
		t.Errorf("limits: %+v", l)
	}
	if err := p.Configure(context.Background(), task.Configure{Task: s.spec.Task, Type: "t", Mode: task.Periodic}); err == nil {
		t.Fatal("nothing stops it")
	}
	<-p.Done()
	if exit := p.Exit(); !exit.OOM || exit.Signal != "killed" || exit.Text() != "out of memory" {
		t.Errorf("%+v: %s", exit, exit.Text())
	}
}

func TestWhatAnEarlierHostLeftInACgroupIsEnded(t *testing.T) {
	root := cgroupRoot(t)
	s := newStand(t, "fork", "")
	s.l.groups = openCgroups(root, hclog.NewNullLogger())
	p := s.up()
	s.sink.grandchildren(t, 3)
	openCgroups(root, hclog.NewNullLogger()) // the next host
	<-p.Done()
	if left, _ := filepath.Glob(filepath.Join(root, groupPrefix+"*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestLimitsOfACgroupAreWritten(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"memory.max", "cpu.max", "pids.max"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &cgroups{dir: "/sys/fs/cgroup/x", controllers: []string{"memory", "cpu"}}
	c := &cgroup{dir: dir}
	c.limits(g, task.Limits{Memory: 64 << 20, CPU: 1.5, PIDs: 50})
	for name, want := range map[string]string{"memory.max": "67108864", "cpu.max": "150000 100000", "pids.max": ""} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if by, why := c.holds("memory"); by != byCgroup || why != "" {
		t.Errorf("memory: %q %q", by, why)
	}
	if by, why := c.holds("pids"); by != "" || !strings.Contains(why, "/sys/fs/cgroup/x has no controller") {
		t.Errorf("pids: %q %q", by, why)
	}
	if c.oom() {
		t.Error("an oom kill without a word of it")
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte("max 3\noom 1\noom_kill 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.oom() {
		t.Error("an oom kill is not seen")
	}
}
