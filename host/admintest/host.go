package admintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// Bound is how long the waits of this package may take before the test fails: far above
// what a slow machine needs, since nothing waits longer than it has to.
const Bound = 60 * time.Second

// Options say what to run.
type Options struct {
	Config  string            // path of a config file, which is copied into Dir; "": HCL is written there
	HCL     string            // with Config "": tasks and what else stands beside host{}; host{} is added
	Plugins []string          // commands to build into plugin_dir: "plugins/exec", "examples/01-ticker"
	Vars    map[string]string // -var
	Env     []string          // beside the test's own environment
	Dir     string            // working directory; "" is a fresh one
}

// A Host is a running `taskhost serve`.
type Host struct {
	*admin.Client
	Dir     string // its working directory
	DataDir string
	PID     int

	t       testing.TB
	options Options
	cmd     *exec.Cmd
	output  *output
	done    chan struct{} // closed when cmd has been waited for
	err     error         // of the wait; valid after done
}

// Start builds what is needed, starts a host and waits until it is ready. The host is
// ended with the test.
func Start(t testing.TB, o Options) *Host {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	h := &Host{Dir: o.Dir, DataDir: filepath.Join(o.Dir, "data"), t: t, options: o}
	h.install()
	h.Launch()
	t.Cleanup(h.cleanup)
	return h
}

// install puts the plugins and the config where the host expects them.
func (h *Host) install() {
	h.t.Helper()
	plugins := filepath.Join(h.Dir, "plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for _, pkg := range h.options.Plugins {
		data, err := os.ReadFile(Build(h.t, pkg))
		if err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(plugins, pluginName(pkg)), data, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.options.Config == "" {
		h.WriteConfig(h.options.HCL)
		return
	}
	data, err := os.ReadFile(h.options.Config)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.config(), data, 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// config is the file that the host reads.
func (h *Host) config() string { return filepath.Join(h.Dir, "config.hcl") }

// pluginName is what a plugin is called in HCL: the last part of its path without an
// example's number ("examples/01-ticker" is ticker).
func pluginName(pkg string) string {
	base := filepath.Base(pkg)
	if number, name, ok := strings.Cut(base, "-"); ok && strings.Trim(number, "0123456789") == "" {
		return name
	}
	return base
}

// WriteConfig writes the config of a host that was started with HCL anew, with a host
// block that keeps everything in the test's directory.
func (h *Host) WriteConfig(hcl string) {
	h.t.Helper()
	head := "host {\n  data_dir = \"data\"\n  plugin_dir = \"plugins\"\n  admin {\n    listen = [\"unix:data/admin.sock\"]\n  }\n}\n"
	if err := os.WriteFile(h.config(), []byte(head+hcl), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// Launch starts the process of the host (again, after Stop or Kill) and waits until it is ready.
func (h *Host) Launch() {
	h.t.Helper()
	args := []string{"serve", "-config", h.config()}
	for k, v := range h.options.Vars {
		args = append(args, "-var", k+"="+v)
	}
	h.output = &output{}
	h.cmd = exec.Command(Build(h.t, "host/cmd/taskhost"), args...)
	h.cmd.Dir = h.Dir
	h.cmd.Env = append(os.Environ(), h.options.Env...)
	h.cmd.Stdout, h.cmd.Stderr = h.output, h.output
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.PID = h.cmd.Process.Pid
	done := make(chan struct{})
	h.done = done
	cmd := h.cmd
	go func() {
		h.err = cmd.Wait()
		close(done)
	}()
	client, err := admin.New("unix:"+filepath.Join(h.DataDir, "admin.sock"), admin.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Client = client
	h.Until("the host is ready", func(ctx context.Context) error {
		select {
		case <-done:
			return &fatal{fmt.Errorf("the host ended: %v", h.err)}
		default:
			return client.Ready(ctx)
		}
	})
}

// Output is what the host has printed so far.
func (h *Host) Output() string { return h.output.String() }

// last is the end of the output: what a failed test shows.
func (h *Host) last() string {
	const most = 4096
	out := h.Output()
	return out[max(0, len(out)-most):]
}

// Signal sends the host a signal.
func (h *Host) Signal(s os.Signal) { _ = h.cmd.Process.Signal(s) }

// Stop asks the host to end with SIGTERM, waits until it has, and returns its exit code.
func (h *Host) Stop() int {
	h.t.Helper()
	h.Signal(syscall.SIGTERM)
	return h.Wait()
}

// Kill ends the host with SIGKILL and waits until it is gone.
func (h *Host) Kill() {
	h.t.Helper()
	h.Signal(syscall.SIGKILL)
	h.Wait()
}

// Wait waits until the host has ended and returns its exit code, -1 for a signal.
func (h *Host) Wait() int {
	h.t.Helper()
	select {
	case <-h.done:
		return h.cmd.ProcessState.ExitCode()
	case <-time.After(Bound):
		h.t.Fatalf("the host did not end within %v:\n%s", Bound, h.last())
		return -1
	}
}

func (h *Host) cleanup() {
	if h.t.Failed() {
		h.t.Logf("last output of the host:\n%s", h.last())
	}
	select {
	case <-h.done:
	default:
		h.Stop()
	}
	for line := range strings.Lines(h.Output()) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "WARNING: DATA RACE") {
			h.t.Errorf("the host itself broke:\n%s", h.last())
			return
		}
	}
}

// fatal ends an Until at once.
type fatal struct{ error }

// Until tries check again and again until it returns nil, and fails the test when that
// takes longer than Bound.
func (h *Host) Until(what string, check func(context.Context) error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Bound)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if err = check(ctx); err == nil {
			return
		}
		if f, ok := errors.AsType[*fatal](err); ok {
			h.t.Fatalf("%s: %v\n%s", what, f.error, h.last())
		}
		select {
		case <-ctx.Done():
			h.t.Fatalf("%s: not within %v: %v\n%s", what, Bound, err, h.last())
		case <-tick.C:
		}
	}
}

// UntilState waits until the task is in the state, and returns it.
func (h *Host) UntilState(task, state string) admin.Task {
	h.t.Helper()
	var got admin.Task
	h.Until(task+" is "+state, func(ctx context.Context) (err error) {
		if got, err = h.Task(ctx, task); err == nil && got.State != state {
			err = fmt.Errorf("it is %s (%+v)", got.State, got.Reason)
		}
		return err
	})
	return got
}

// UntilRun waits until a run of the task has ended with the outcome ("" is any), and returns the newest such.
func (h *Host) UntilRun(task, outcome string) admin.Run {
	h.t.Helper()
	var got admin.Run
	h.Until(task+" has a run that "+outcome, func(ctx context.Context) error {
		runs, err := h.Runs(ctx, admin.RunQuery{Tasks: []string{task}, States: []string{"ended"}})
		if err != nil {
			return err
		}
		for _, r := range runs.Items {
			if outcome == "" || r.Outcome == outcome {
				got = r
				return nil
			}
		}
		return fmt.Errorf("it has %d ended runs, none of them so", len(runs.Items))
	})
	return got
}

// output collects what a process prints. Safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
