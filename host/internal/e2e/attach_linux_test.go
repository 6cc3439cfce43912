package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
)

const (
	longer = 1500 * time.Millisecond // than all times in the configuration
	deaf   = 6 * time.Second         // longer than a process may take to take note of a stop
)

// holdStill stops a process for a while, as a debugger does at a breakpoint.
func holdStill(t *testing.T, pid int, d time.Duration) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(d) // there is nothing to wait for: a process that stands still does nothing
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestAPluginUnderADebuggerIsWaitedForAtEveryStep(t *testing.T) {
	t.Parallel()
	dir, env := devModule(t, "continuous")
	code, hcl := filepath.Join(dir, "greeter", "main.go"), filepath.Join(dir, "greeter", "greeter.hcl")
	save(t, code, "5 * time.Second", "100 * time.Millisecond")
	save(t, hcl, "continuous {}", `start_timeout = "1s"
  timeout       = "1s"
  stop {
    drain  = "1s"
    cancel = "1s"
  }
  continuous {
    ready {
      timeout = "1s"
    }
    watchdog {
      timeout = "1s"
    }
  }`)
	for i, v := range env { // what is built is not what this is about: without the flags it is there already
		if strings.HasPrefix(v, "GOFLAGS=") {
			env[i] += " -gcflags=github.com/nobody/nothing=-N"
		}
	}
	out := newScreen()
	cmd := devStarts(t, dir, env, func(c *exec.Cmd) { c.Stdout, c.Stderr = out, out }, "-attach")
	at := out.wait(t, 0, "all timeouts are off")
	at = out.wait(t, at, "waiting for a debugger: dlv attach ")
	at = out.wait(t, at, ")")
	pid, err := strconv.Atoi(regexp.MustCompile(`dlv attach (\d+) \(or: gdb -p \d+\)$`).FindStringSubmatch(out.all()[:at])[1])
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(longer)
	debugger := hosttest.Trace(t, pid)
	at = out.wait(t, at, "a debugger has attached")
	at = out.wait(t, at, "count=3")
	debugger.LetGo()

	holdStill(t, pid, longer)
	at = out.wait(t, at, "count=")

	save(t, code, "package main", "package main // saved")
	at = out.wait(t, at, "the debugger keeps what was built")

	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-time.After(deaf)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	out.wait(t, at, "stopped")
	ends(t, cmd, dir)
	for _, bad := range []string{"cancel", "kill", "did not", "does not answer", "does not take note", "failed", "timed out", "stuck"} {
		if strings.Contains(strings.ReplaceAll(out.all(), "cancelling", ""), bad) {
			t.Errorf("something was not waited for (%s):\n%s", bad, out.all())
		}
	}
}
