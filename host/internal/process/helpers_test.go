//go:build linux

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host/internal/task"
)

// sink keeps log lines and tells who waits when there is a new one.
type sink struct {
	mu    sync.Mutex
	lines []task.LogLine
	more  chan struct{}
}

func newSink() *sink { return &sink{more: make(chan struct{})} }

func (s *sink) Line(l task.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) < 100_000 {
		s.lines = append(s.lines, l)
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *sink) all() []task.LogLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]task.LogLine(nil), s.lines...)
}

// await waits for a line that match accepts.
func (s *sink) await(t testing.TB, what string, match func(task.LogLine) bool) task.LogLine {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		for _, l := range s.lines {
			if match(l) {
				s.mu.Unlock()
				return l
			}
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-limit:
			t.Fatalf("no log line: %s; have %d lines, last %+v", what, len(s.all()), tailOf(s.all()))
		}
	}
}

func tailOf(lines []task.LogLine) []task.LogLine { return lines[max(0, len(lines)-5):] }

func contains(text string) func(task.LogLine) bool {
	return func(l task.LogLine) bool { return strings.Contains(l.Message, text) }
}

// grandchildren waits for n lines "grandchild PID" and returns the pids.
func (s *sink) grandchildren(t testing.TB, n int) (pids []int) {
	t.Helper()
	s.await(t, "grandchildren", func(task.LogLine) bool {
		pids = pids[:0]
		for _, l := range s.lines { // the lock is held by await
			if pid, ok := strings.CutPrefix(l.Message, "grandchild "); ok {
				p, _ := strconv.Atoi(pid)
				pids = append(pids, p)
			}
		}
		return len(pids) >= n
	})
	return pids
}

var (
	markMu   sync.Mutex
	markNext int
)

func newMark() string {
	markMu.Lock()
	defer markMu.Unlock()
	markNext++
	return fmt.Sprintf("%d-%d-%d", os.Getpid(), markNext, time.Now().UnixNano())
}

// stand is a launcher with what a test needs around it.
type stand struct {
	t    testing.TB
	l    *Launcher
	mark string
	sink *sink
	spec task.LaunchSpec
}

func newStand(t testing.TB, script, arg string) *stand {
	t.Helper()
	return newStandIn(t, filepath.Join(t.TempDir(), "run"), script, arg)
}

func newStandIn(t testing.TB, dir, script, arg string) *stand {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{t: t, l: New(Config{RunDir: dir}), mark: newMark(), sink: newSink()}
	t.Cleanup(s.l.Close)
	s.spec = task.LaunchSpec{
		Task: "demo.Instance-1", Plugin: "scripted", Version: "1.4.0", Path: self, Digest: "d",
		Env:     map[string]string{scriptEnv: script, argEnv: arg, markEnv: s.mark},
		Timeout: 20 * time.Second, Drain: 2 * time.Second, Log: s.sink,
	}
	return s
}

func (s *stand) launch() *Process {
	s.t.Helper()
	p, err := s.l.Launch(context.Background(), s.spec)
	if err != nil {
		s.t.Fatalf("launch: %v", err)
	}
	return p.(*Process)
}

// up launches and configures.
func (s *stand) up() *Process {
	s.t.Helper()
	p := s.launch()
	if err := p.Configure(context.Background(), task.Configure{Task: s.spec.Task, Type: "t", Mode: task.Periodic}); err != nil {
		s.t.Fatalf("configure: %v", err)
	}
	return p
}

func awaitDone(t testing.TB, p task.Process, within time.Duration) task.ExitCause {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(within):
		t.Fatalf("process %d is not done within %s", p.Info().PID, within)
	}
	return p.Exit()
}

// alive tells whether a process exists and has not ended.
func alive(pid int) bool {
	st, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	rest := st[bytes.LastIndexByte(st, ')')+1:]
	return !bytes.HasPrefix(rest, []byte(" Z")) && !bytes.HasPrefix(rest, []byte(" X"))
}

// marked finds the processes with a mark in their environment.
func marked(mark string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err == nil && bytes.Contains(env, []byte(mark)) {
			pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
			if alive(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func descriptors(t testing.TB) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	open := map[string]string{}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "/proc/") {
			open[e.Name()] = target
		}
	}
	return open
}

// leakCheck notes what is open now and returns a check that nothing more is left:
// processes, goroutines, descriptors, files in the run directory.
func (s *stand) leakCheck() func() {
	s.t.Helper()
	before := descriptors(s.t)
	goroutines := goleak.IgnoreCurrent()
	return func() {
		s.t.Helper()
		if pids := marked(s.mark); len(pids) > 0 {
			s.t.Errorf("processes left: %v", pids)
		}
		if err := goleak.Find(goroutines, goleak.IgnoreTopFunction("github.com/taskhost/taskhost/host/internal/process.spawnForever")); err != nil {
			s.t.Errorf("goroutines left: %v", err)
		}
		eventually(s.t, "descriptors closed", func() bool { return len(descriptors(s.t)) <= len(before) })
		left, _ := filepath.Glob(filepath.Join(s.l.cfg.RunDir, "*", "*"))
		for _, file := range left {
			if info, err := os.Stat(file); !strings.HasSuffix(file, lockSuffix) || err != nil || info.Size() > 0 {
				s.t.Errorf("file left: %s", file)
			}
		}
	}
}

// eventually waits, within a bound, for something that another process brings about and
// that nothing announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

// stop stops a process and waits until all of its threads stand.
func stop(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stopped", func() bool {
		threads, _ := filepath.Glob(procPath(pid, "task/*/stat"))
		for _, thread := range threads {
			if st, err := os.ReadFile(thread); err == nil && !bytes.Contains(st, []byte(") T ")) {
				return false
			}
		}
		return true
	})
}

// end lets a scripted process end by itself. It may do so before its answer is through.
func end(t testing.TB, p *Process) {
	t.Helper()
	var exited *ExitedError
	if err := p.Drain(context.Background(), "", time.Second, "the end"); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
}
