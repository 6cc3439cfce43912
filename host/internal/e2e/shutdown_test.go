package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// untilHost waits until the host says that it is in the state.
func untilHost(h *admintest.Host, state string) {
	h.Until("the host is "+state, func(ctx context.Context) error {
		got, err := h.Client.Host(ctx)
		if err == nil && got.State != state {
			err = errors.New("it is " + got.State)
		}
		return err
	})
}

// untilStage waits until the only run of the task is in the stage of a stop.
func untilStage(h *admintest.Host, task, stage string) {
	untilTask(h, task, "is in "+stage, func(t admin.Task) bool {
		return len(t.Runs) == 1 && t.Runs[0].Stop != nil && t.Runs[0].Stop.Stage == stage
	})
}

func TestASignalEndsTheHostGracefully(t *testing.T) {
	t.Parallel()
	h := stage(t, ""+
		actor("drains", "continuous {}", `until = "drain"`)+
		actor("slow", "continuous {}\n stop {\n drain = \"700ms\"\n cancel = \"1s\"\n }", `until = "cancel"`)+
		actor("job", "on_demand {}\n stop { drain = \"10s\" }", `work = "500ms"`)+
		actor("beat", "periodic { every = \"100ms\" }"))
	for _, name := range []string{"drains", "slow"} {
		untilTask(h, name, "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	}
	untilRuns(h, 3, ended("beat"))
	job := begin(t, h, "job", "")
	h.Signal(syscall.SIGTERM)
	untilHost(h, "stopping")
	if err := h.Ready(t.Context()); admin.AsProblem(err) == nil {
		t.Errorf("a host that ends is ready: %v", err)
	}
	for range 5 {
		h.Signal(syscall.SIGTERM) // managers of services repeat it
	}
	if _, err := h.StartRun(t.Context(), "beat", admin.RunRequest{}, "", 0); err == nil {
		t.Error("a run was started while the host ends")
	}
	if code := h.Wait(); code != 0 {
		t.Errorf("it exited %d", code)
	}
	untilProcesses(h, 0)
	lines := strings.Split(strings.TrimSpace(h.Output()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "stopped: after=") {
		t.Errorf("the last line is %q", last)
	}
	count := func(parts ...string) (n int) {
	lines:
		for _, line := range lines {
			for _, p := range parts {
				if !strings.Contains(line, p) {
					continue lines
				}
			}
			n++
		}
		return n
	}
	for _, want := range [][]string{
		{"succeeded", "task=job", job.ID},
		{"succeeded", "task=drains"},
		{"interrupted", "task=slow"},
		{"task=drains", "state=stopped"},
		{"task=slow", "state=stopped"},
		{"task=job", "state=stopped"},
		{"task=beat", "state=stopped"},
		{"task=drains", "state=running"},
		{"succeeded", "task=beat", "more="},
	} {
		if n := count(want...); n != 1 {
			t.Errorf("%d lines have %v, want 1:\n%s", n, want, h.Output())
		}
	}
}

func TestMoreInterruptsAreHarder(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("deaf", "continuous {}\n stop {\n drain = \"1m\"\n cancel = \"1m\"\n }", `until = "kill"`))
	untilTask(h, "deaf", "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	h.Signal(syscall.SIGINT)
	untilStage(h, "deaf", "drain")
	h.Signal(syscall.SIGTERM)
	h.Signal(syscall.SIGINT)
	untilStage(h, "deaf", "cancel")
	h.Signal(syscall.SIGINT)
	if code := h.Wait(); code != 0 {
		t.Errorf("it exited %d", code)
	}
	untilProcesses(h, 0)
}

func TestAShutdownKeepsItsTimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := "host {\n  data_dir = \"data\"\n  plugin_dir = \"plugins\"\n  shutdown_timeout = \"3s\"\n}\n" +
		actor("deaf", "continuous {}\n stop {\n drain = \"200ms\"\n cancel = \"200ms\"\n }", `until = "kill"`) +
		actor("below", "depends_on = { deaf = \"ready\" }\n continuous {}\n stop {\n drain = \"200ms\"\n cancel = \"200ms\"\n }", `until = "kill"`)
	file := filepath.Join(dir, "given.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h := stageWith(t, admintest.Options{Config: file})
	untilTask(h, "below", "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	began := time.Now()
	if code := h.Stop(); code != 0 {
		t.Errorf("it exited %d", code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, want 3 s at most", took)
	}
	untilProcesses(h, 0)
}

func TestTwoHostsDoNotShareADataDirectoryOrAPort(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("live", "continuous {}"))
	h.UntilState("live", "running")
	second := func(config string) (string, int) {
		t.Helper()
		file := filepath.Join(h.Dir, "second.hcl")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		return cli(t, h.Dir, "serve", "-config", file)
	}
	out, code := second("host {\n data_dir = \"data\"\n plugin_dir = \"plugins\"\n admin {\n listen = [\"unix:other.sock\"]\n }\n}\n" + actor("live", "continuous {}"))
	if code != 1 || !strings.Contains(out, "in use by the host with pid") {
		t.Errorf("the same data directory: exit %d, %s", code, out)
	}
	out, code = second("host {\n data_dir = \"data2\"\n plugin_dir = \"plugins\"\n admin {\n listen = [\"unix:data/admin.sock\"]\n }\n}\n" + actor("live", "continuous {}"))
	if code != 1 || !strings.Contains(out, "admin.sock") {
		t.Errorf("the same socket: exit %d, %s", code, out)
	}
	if task, err := h.Task(t.Context(), "live"); err != nil || task.State != "running" || task.Restarts != 0 {
		t.Errorf("the first host has suffered: %+v %v", task, err)
	}
	h.Kill()
	if _, err := os.Stat(filepath.Join(h.DataDir, "admin.sock")); err != nil {
		t.Errorf("a killed host leaves its socket behind: %v", err)
	}
	h.Launch() // over the stale socket and lock
	h.UntilState("live", "running")
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(file, []byte("host {\n data_dir = \"data\"\n admin {\n listen = [\"unix:data/admin.sock\", \""+taken+"\"]\n }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := cli(t, dir, "serve", "-config", file)
	if code != 1 || !strings.Contains(out, taken) {
		t.Errorf("exit %d, %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "admin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket that was already open is left: %v", err)
	}
}
