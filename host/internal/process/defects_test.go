//go:build linux

package process

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// The defects of the stock launch path of go-plugin, each reproduced there, that this
// package exists to not have. They are numbered as they were found.

func TestDefect1ALogRecordOfTheWrongTypeIsText(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{"@message":123}`, `{"@message":"x","@level":7}`, `{"@message":"x","@timestamp":[]}`, `{"@message":null}`, `null`, `{`} {
		s := newStand(t, "stderr", line)
		p := s.up()
		s.sink.await(t, line, func(l task.LogLine) bool { return l.Stream == streamStderr && l.Message == line })
		p.Kill()
		awaitDone(t, p, 5*time.Second)
	}
}

func TestDefect2AStoppedProcessIsKilledAtOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t, "good", "")
	p := s.up()
	stop(t, p.Info().PID)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := p.Ping(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("ping of a stopped process: %v", err)
	}
	began := time.Now()
	p.Kill()
	awaitDone(t, p, 5*time.Second)
	t.Logf("killed in %s", time.Since(began))
}

func TestDefect3AGrandchildThatHoldsStderrDoesNotHoldUpTheEnd(t *testing.T) {
	for _, script := range []string{"fork", "own-group", "setsid-child", "daemon"} {
		s := newStand(t, script, "")
		check := s.leakCheck()
		p := s.up()
		n := 1
		if script == "fork" {
			n = 3
		}
		pids := s.sink.grandchildren(t, n)
		began := time.Now()
		p.Kill()
		exit := awaitDone(t, p, 4*time.Second)
		t.Logf("%s: %d grandchildren, ended in %s", script, len(pids), time.Since(began))
		if len(exit.Survivors) > 0 {
			t.Errorf("%s: survivors %v", script, exit.Survivors)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("%s: grandchild %d lives", script, pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		check()
	}
}

func TestDefect3bTheTreeEndsWithAProcessThatEndsByItself(t *testing.T) {
	for _, script := range []string{"fork", "own-group", "daemon"} {
		s := newStand(t, script, "")
		check := s.leakCheck()
		p := s.up()
		n := 1
		if script == "fork" {
			n = 3
		}
		pids := s.sink.grandchildren(t, n)
		end(t, p)
		exit := awaitDone(t, p, 4*time.Second)
		if exit.Code != 0 || exit.ByHost || len(exit.Survivors) > 0 {
			t.Errorf("%s: exit %+v", script, exit)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("%s: grandchild %d lives", script, pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		check()
	}
}

func TestDefect4ALineWithoutEndIsCutAndReadingGoesOn(t *testing.T) {
	t.Parallel()
	s := newStand(t, "long-lines", "")
	s.spec.Timeout = time.Minute
	p := s.launch()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Configure(ctx, task.Configure{Task: s.spec.Task}); err != nil {
		t.Fatal(err)
	}
	s.sink.await(t, "line after the long one", contains("after the long line"))
	long := s.sink.await(t, "the long line", contains("bytes cut"))
	if len(long.Message) > maxLine+100 {
		t.Errorf("%d bytes kept", len(long.Message))
	}
}

// Defect 5, output before the handshake: TestOutputBeforeTheHandshakeIsLoggedAndTheHandshakeFound.
// Defect 6, the host's environment: TestTheEnvironmentIsExplicit.
// Defect 7, a stop during the start: TestACancelledLaunchReturnsSoonAndLeavesNothing.

func TestNothingThatAPluginWritesHurtsTheHost(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000)
	for _, line := range []string{"bad \xff\xfe utf-8", "\x1b[31mred\x1b[0m", "<script>alert(1)</script>", deep, `{"@message":"ok","run":7,"x":[1,2],"@module":"m"}`} {
		s := newStand(t, "stderr", line)
		p := s.up()
		end(t, p)
		if exit := awaitDone(t, p, 5*time.Second); exit.Code != 0 {
			t.Errorf("%.20q: exit %+v", line, exit)
		}
		if len(s.sink.all()) < 2 {
			t.Errorf("%.20q: lines %+v", line, s.sink.all())
		}
	}
}

func TestAFloodIsBoundedCountedAndEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"flood", "flood-stdout"} {
		s := newStand(t, script, "")
		p := s.up()
		gap := s.sink.await(t, "gap line", func(l task.LogLine) bool { return l.Stream == streamHost && strings.Contains(l.Message, "dropped") })
		if gap.Level != "warn" || !strings.Contains(string(gap.Fields), "dropped_lines") {
			t.Errorf("gap %+v", gap)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := p.Ping(ctx); err != nil {
			t.Errorf("ping in the flood: %v", err)
		}
		cancel()
		began := time.Now()
		p.Kill()
		awaitDone(t, p, 5*time.Second)
		t.Logf("%s: ended in %s with %d lines kept", script, time.Since(began), len(s.sink.all()))
	}
}

func TestTheExitCauseSaysHowItEnded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*Process)
		code int
		sig  string
	}{
		{"signal", func(p *Process) { _ = syscall.Kill(p.Info().PID, syscall.SIGTERM) }, -1, "terminated"},
		{"stranger's kill", func(p *Process) { _ = syscall.Kill(p.Info().PID, syscall.SIGKILL) }, -1, "killed"},
		{"own end", func(p *Process) { end(t, p) }, 0, ""},
	}
	for _, tt := range tests {
		s := newStand(t, "good", "")
		p := s.up()
		began := time.Now()
		tt.end(p)
		exit := awaitDone(t, p, 5*time.Second)
		t.Logf("%s: seen after %s", tt.name, time.Since(began))
		if exit.Code != tt.code || exit.Signal != tt.sig || exit.ByHost || exit.OOM || exit.At.IsZero() {
			t.Errorf("%s: exit %+v", tt.name, exit)
		}
	}
}

func TestAPanicIsCapturedWithItsStack(t *testing.T) {
	t.Parallel()
	for script, text := range map[string]string{"panic": "panic: no luck in a goroutine", "fatal": "fatal error: concurrent map writes"} {
		s := newStand(t, script, "")
		p := s.launch()
		err := p.Configure(context.Background(), task.Configure{Task: s.spec.Task})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("configure: %v", err)
		}
		exit := awaitDone(t, p, 5*time.Second)
		if exit.Code != 2 || !strings.HasPrefix(exit.Panic, text) || !strings.Contains(exit.Panic, "plugin_test.go") || len(exit.Stderr) == 0 {
			t.Errorf("exit %+v", exit)
		}
	}
}

func TestABusyProcessIsKilled(t *testing.T) {
	t.Parallel()
	s := newStand(t, "busy", "")
	p := s.up()
	p.Kill()
	awaitDone(t, p, 5*time.Second)
}

func TestCloseEndsEverything(t *testing.T) {
	s := newStand(t, "good", "")
	check := s.leakCheck()
	for i := range 4 {
		s.spec.Task = string(rune('a' + i))
		s.up()
	}
	s.l.Close()
	if _, err := s.l.Launch(context.Background(), s.spec); err == nil {
		t.Error("a closed launcher launches")
	}
	check()
	if _, err := os.Stat(s.l.cfg.RunDir); err != nil {
		t.Error(err)
	}
}

func TestCloseLeavesWhatDoesNotEnd(t *testing.T) {
	s := newStand(t, "good", "")
	p := s.up()
	p.killers.Add(1) // its end is not seen before this is done, as if the kernel did not let go of it
	s.l.bound = 50 * time.Millisecond
	s.l.Close()
	if closed(p.done) {
		t.Error("it has ended")
	}
	p.killers.Done()
	awaitDone(t, p, 5*time.Second)
}
