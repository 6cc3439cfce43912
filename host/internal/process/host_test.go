//go:build linux

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const hostArg = "proctest-host"

// playHost is a host of its own process: it launches one task per script, says their pids, and
// waits to be killed. Arguments: run directory, mark, then "script" or "script:arg".
func playHost(args []string) {
	self, _ := os.Executable()
	l := New(Config{RunDir: args[0]})
	for _, script := range args[2:] {
		name, arg, _ := strings.Cut(script, ":")
		s := newSink()
		p, err := l.Launch(context.Background(), task.LaunchSpec{
			Task: name, Plugin: "scripted", Path: self, Timeout: 20 * time.Second, Drain: 2 * time.Second, Log: s,
			Env: map[string]string{scriptEnv: name, argEnv: arg, markEnv: args[1]},
		})
		if err == nil {
			err = p.Configure(context.Background(), task.Configure{Task: name})
		}
		if err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		fmt.Println("pid", name, p.Info().PID)
		if name == "daemon" {
			for {
				if lines := s.all(); len(lines) > 0 {
					fmt.Println("pid", "grandchild", strings.TrimPrefix(lines[0].Message, "grandchild "))
					break
				}
				runtime.Gosched()
			}
		}
	}
	fmt.Println("up")
	select {}
}

// hostProcess starts a host and waits until its plugins are up.
func hostProcess(t *testing.T, dir, mark string, scripts ...string) (host *exec.Cmd, pids map[string]int) {
	t.Helper()
	self, _ := os.Executable()
	host = exec.Command(self, append([]string{hostArg, dir, mark}, scripts...)...)
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Until it executes, a new process has every file of this one open, the locks of other tests among
	// them, and would be taken for something that an old host left.
	children.mu.Lock()
	err = host.Start()
	children.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = host.Process.Kill()
		_ = host.Wait()
		for _, pid := range append(marked(mark), pids["grandchild"]) {
			if pid > 0 && alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	pids = map[string]int{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "up":
			return host, pids
		case "pid":
			pids[words[1]], _ = strconv.Atoi(words[2])
		default:
			t.Fatal(lines.Text())
		}
	}
	t.Fatal("the host ended")
	return nil, nil
}

func TestNoPluginOutlivesAHostThatIsKilled(t *testing.T) {
	t.Parallel()
	host, pids := hostProcess(t, t.TempDir(), newMark(), "good", "logging", "printing", "busy", "flood", "fork")
	stop(t, pids["good"])
	_ = host.Process.Kill()
	_ = host.Wait()
	began := time.Now()
	for name, pid := range pids {
		eventually(t, name+" is gone", func() bool { return !alive(pid) })
	}
	took := time.Since(began)
	t.Logf("all gone after %s", took)
	if took > 6*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestANewHostEndsWhatAnOldOneLeftBeforeItStartsTheTask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(dir string) // to what the old host has recorded
	}{
		{"recorded", func(string) {}},
		{"killed before it could record", func(dir string) { _ = os.Truncate(lockPath(filepath.Join(dir, "daemon"), 0), 0) }},
		{"torn record", func(dir string) { _ = os.Truncate(lockPath(filepath.Join(dir, "daemon"), 0), 8) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, mark := t.TempDir(), newMark()
			host, old := hostProcess(t, dir, mark, "daemon:deaf")
			stop(t, old["daemon"])
			_ = host.Process.Kill()
			_ = host.Wait()
			tt.damage(dir)
			if !alive(old["daemon"]) || !alive(old["grandchild"]) {
				t.Fatal("the test shows nothing: what the old host left is gone already")
			}
			s := newStandIn(t, dir, "good", "")
			s.spec.Task = "daemon"
			began := time.Now()
			s.up()
			t.Logf("launched after %s", time.Since(began))
			for name, pid := range old {
				if alive(pid) {
					t.Errorf("%s lives beside the new process", name)
				}
			}
		})
	}
}

func TestSweepEndsWhatAnOldHostLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	host, old := hostProcess(t, dir, newMark(), "good:deaf", "fork:deaf", "daemon:deaf")
	_ = host.Process.Kill()
	_ = host.Wait()
	l := New(Config{RunDir: dir})
	defer l.Close()
	if err := l.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, pid := range old {
		if alive(pid) {
			t.Errorf("%s lives", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

func TestATaskIsNotStartedBesideSomethingThatDoesNotGoAway(t *testing.T) {
	t.Parallel()
	s := newStand(t, "good", "")
	dir := filepath.Join(s.l.cfg.RunDir, fileName(s.spec.Task))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, free, err := tryLock(filepath.Join(dir, "0.lock")) // the test itself, which must not be killed
	if err != nil || !free {
		t.Fatal(err, free)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var launch *task.LaunchError
	if _, err := s.l.Launch(ctx, s.spec); !errors.As(err, &launch) || launch.Kind != task.LaunchUnclean {
		t.Errorf("error %v", err)
	}
	_ = held.Close()
	s.up()
}

func TestProcessesOfOneTaskLiveSideBySide(t *testing.T) {
	s := newStand(t, "good", "")
	check := s.leakCheck()
	first, second := s.up(), s.up()
	locks, _ := filepath.Glob(filepath.Join(s.l.cfg.RunDir, fileName(s.spec.Task), "*.lock"))
	if len(locks) != 2 {
		t.Errorf("locks %v", locks)
	}
	first.Kill()
	awaitDone(t, first, 5*time.Second)
	if err := second.Ping(context.Background()); err != nil {
		t.Errorf("the other process: %v", err)
	}
	third := s.up()
	for _, p := range []*Process{second, third} {
		p.Kill()
		awaitDone(t, p, 5*time.Second)
	}
	check()
}

func TestThreadsThatEndDoNotDisturbAProcess(t *testing.T) {
	t.Parallel()
	s := newStand(t, "good", "")
	first := s.up()
	var storm sync.WaitGroup
	for i := range 500 {
		storm.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			if i%100 == 0 {
				s.up()
			}
		})
	}
	storm.Wait()
	s.l.mu.Lock()
	live := len(s.l.live)
	s.l.mu.Unlock()
	if live != 6 {
		t.Errorf("%d processes live, want 6", live)
	}
	if err := first.Ping(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestManyProcessesStartAndEndAtOnce(t *testing.T) {
	s := newStand(t, "good", "")
	check := s.leakCheck()
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			spec := s.spec
			spec.Task = fmt.Sprintf("many.%d", i%5)
			p, err := s.l.Launch(context.Background(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			go p.Kill()
			p.Kill()
			<-p.Done()
			if exit := p.Exit(); !exit.ByHost || len(exit.Survivors) > 0 {
				t.Errorf("exit %+v", exit)
			}
		})
	}
	all.Wait()
	check()
}

func TestOrphansThatEndAreReaped(t *testing.T) {
	t.Parallel()
	s := newStand(t, "daemon", "")
	s.up()
	pid := s.sink.grandchildren(t, 1)[0]
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "orphan reaped", func() bool {
		_, exists := readStat(pid)
		return !exists
	})
}
