//go:build linux

package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Not parallel: it counts the goroutines and descriptors of the whole test binary.
func TestABadPluginFailsToStartWithItsCauseAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// An ELF header of a machine that this one is not.
	foreign := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00\x01\x00\x00\x00")
	foreign = append(foreign, make([]byte, 64-len(foreign))...)
	foreign[52], foreign[54], foreign[58] = 64, 56, 64

	tests := []struct {
		name, script, arg, path string
		timeout                 time.Duration
		kind                    task.LaunchKind
		says                    []string
		code                    int // of the exit, when it ended by itself
	}{
		{name: "missing", path: filepath.Join(dir, "nothing"), kind: task.LaunchMissing, says: []string{"does not exist"}},
		{name: "not executable", path: write("plain", "#!/bin/sh\n", 0o644), kind: task.LaunchNotExec, says: []string{"not executable", "chmod"}},
		{name: "a directory", path: dir, kind: task.LaunchNotExec, says: []string{"directory"}},
		{name: "a text file", path: write("text", "hello", 0o755), kind: task.LaunchNotExec, says: []string{"no program"}},
		{name: "another architecture", path: write("foreign", string(foreign), 0o755), kind: task.LaunchNotExec, says: []string{"riscv", "build it for this machine"}},
		{name: "missing interpreter", path: write("script", "#!/no/such/shell\n", 0o755), kind: task.LaunchNotExec, says: []string{"interpreter"}},
		{name: "not a plugin", path: write("true", "#!/bin/sh\nexit 0\n", 0o755), kind: task.LaunchNotPlugin, says: []string{"without a handshake"}},
		{name: "wrong cookie", script: "cookie", kind: task.LaunchNotPlugin, says: []string{"another program"}, code: 1},
		{name: "exits 3", script: "exit", arg: "3", kind: task.LaunchExited, says: []string{"exit 3", "cannot go on"}, code: 3},
		{name: "panics at start", script: "panic-start", kind: task.LaunchExited, says: []string{"panic: no luck at start"}, code: 2},
		{name: "panics in init", script: "panic-init", kind: task.LaunchExited, says: []string{"panic: no luck in init"}, code: 2},
		{name: "never shakes hands", script: "hang", timeout: 300 * time.Millisecond, kind: task.LaunchTimeout, says: []string{"did not shake hands within 300ms"}},
		{name: "shakes hands and never serves", script: "never-serves", timeout: 3 * time.Second, kind: task.LaunchTimeout, says: []string{"does not answer within 3s"}},
		{name: "closes stdout", script: "close-stdout", kind: task.LaunchNotPlugin, says: []string{"closed its stdout"}},
		{name: "too new", script: "version", arg: "9", kind: task.LaunchProtocol, says: []string{`plugin "scripted" 1.4.0`, "speaks protocol 9, this host speaks 1", "rebuild"}},
		{name: "too old", script: "version", arg: "0", kind: task.LaunchProtocol, says: []string{"speaks protocol 0, this host speaks 1", "rebuild"}},
		{name: "other handshake", script: "core-version", kind: task.LaunchProtocol, says: []string{"version 7"}},
		{name: "net/rpc", script: "netrpc", kind: task.LaunchNotPlugin, says: []string{"gRPC"}},
		{name: "serves elsewhere", script: "foreign-socket", kind: task.LaunchNotPlugin, says: []string{"docker.sock"}},
		{name: "another service", script: "unknown-service", kind: task.LaunchNotPlugin, says: []string{"cannot be reached", "does not know"}},
		{name: "prints for ever", script: "junk-endless", kind: task.LaunchNotPlugin, says: []string{"before the handshake", "loading"}},
		{name: "prints bytes for ever", script: "junk-binary", kind: task.LaunchNotPlugin, says: []string{"before the handshake"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t, tt.script, tt.arg)
			if tt.path != "" {
				s.spec.Path = tt.path
			}
			if tt.timeout > 0 {
				s.spec.Timeout = tt.timeout
			}
			check := s.leakCheck()
			began := time.Now()
			_, err := s.l.Launch(context.Background(), s.spec)
			if took := time.Since(began); took > tt.timeout+5*time.Second {
				t.Errorf("took %s", took)
			}
			var launch *task.LaunchError
			if !errors.As(err, &launch) {
				t.Fatalf("error %v (%T)", err, err)
			}
			t.Log(launch)
			if launch.Kind != tt.kind {
				t.Errorf("kind %s, want %s", launch.Kind, tt.kind)
			}
			for _, text := range append(tt.says, s.spec.Path) {
				if !strings.Contains(launch.Error(), text) {
					t.Errorf("%q does not say %q", launch.Error(), text)
				}
			}
			if tt.code != 0 && (launch.Exit == nil || launch.Exit.Code != tt.code) {
				t.Errorf("exit %+v, want code %d", launch.Exit, tt.code)
			}
			check()
		})
	}
}

func TestAGoodPluginIsUpAndLeavesNothingWhenItIsKilled(t *testing.T) {
	s := newStand(t, "good", "")
	check := s.leakCheck()
	p := s.up()
	if err := p.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	if info := p.Info(); info.PID == 0 || info.Version != "1.4.0" || info.Digest != "d" {
		t.Errorf("info %+v", info)
	}
	p.Kill()
	p.Kill()
	exit := awaitDone(t, p, 2*time.Second)
	if !exit.ByHost || exit.Signal != "killed" || exit.Code != -1 || exit.MaxRSS == 0 || exit.Panic != "" {
		t.Errorf("exit %+v", exit)
	}
	if err := p.Ping(context.Background()); err == nil || !strings.Contains(err.Error(), "the process has ended") {
		t.Errorf("ping of an ended process: %v", err)
	}
	p.Kill()
	check()
}

func TestOutputBeforeTheHandshakeIsLoggedAndTheHandshakeFound(t *testing.T) {
	t.Parallel()
	s := newStand(t, "junk-before", "")
	s.up()
	s.sink.await(t, "junk line", func(l task.LogLine) bool {
		return l.Stream == streamStdout && l.Message == "hello from an init function"
	})
	s.sink.await(t, "junk before the handshake on its line", func(l task.LogLine) bool { return l.Message == "loading... 1" })
}

func TestACancelledLaunchReturnsSoonAndLeavesNothing(t *testing.T) {
	for _, script := range []string{"hang", "never-serves"} {
		s := newStand(t, script, "deaf")
		check := s.leakCheck()
		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error, 1)
		go func() {
			_, err := s.l.Launch(ctx, s.spec)
			failed <- err
		}()
		eventually(t, "process started", func() bool { return len(marked(s.mark)) > 0 })
		began := time.Now()
		cancel()
		err := <-failed
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %s", script, took)
		}
		var launch *task.LaunchError
		if !errors.As(err, &launch) || launch.Kind != task.LaunchStopped {
			t.Errorf("%s: error %v", script, err)
		}
		check()
	}
}

func TestCloseStopsALaunch(t *testing.T) {
	s := newStand(t, "hang", "deaf")
	check := s.leakCheck()
	failed := make(chan error, 1)
	go func() {
		_, err := s.l.Launch(context.Background(), s.spec)
		failed <- err
	}()
	eventually(t, "process started", func() bool { return len(marked(s.mark)) > 0 })
	s.l.Close()
	for range 2 { // the one that was under way, and one after it
		err := <-failed
		var launch *task.LaunchError
		if !errors.As(err, &launch) || launch.Kind != task.LaunchStopped {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = s.l.Launch(ctx, s.spec)
		failed <- err
	}
	check()
}

func TestTheEnvironmentIsExplicit(t *testing.T) {
	t.Setenv("PROCTEST_HOST_SECRET", "x")
	t.Setenv("LANG", "from-the-host")
	t.Setenv("TZ", "from-the-host")
	s := newStand(t, "env", "")
	s.spec.Env["TZ"] = "from-the-config"
	s.spec.Env["PLUGIN_UNIX_SOCKET_DIR"] = "/nowhere"
	p := s.up()
	s.sink.await(t, "environment", contains("env "+MarkEnv+"="))
	p.Kill()
	awaitDone(t, p, 5*time.Second)
	got := map[string]string{}
	for _, l := range s.sink.all() {
		if kv, ok := strings.CutPrefix(l.Message, "env "); ok {
			name, value, _ := strings.Cut(kv, "=")
			got[name] = value
		}
	}
	for name, want := range map[string]string{"LANG": "from-the-host", "TZ": "from-the-config", "PLUGIN_UNIX_SOCKET_DIR": ".", "TASKHOST_LIFELINE": "2"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if _, leaked := got["PROCTEST_HOST_SECRET"]; leaked {
		t.Error("a variable of the host got through")
	}
}

func TestADataDirectoryMayHaveALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100), "run")
	s := newStandIn(t, dir, "good", "")
	s.spec.Task = "block." + strings.Repeat("X", 127)
	p := s.up()
	p.Kill()
	awaitDone(t, p, 5*time.Second)
}

func TestLaunchingWhileCopiesAreWrittenWorks(t *testing.T) {
	t.Parallel()
	self, _ := os.Executable()
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	failed := make(chan error)
	const copies = 8
	for i := range copies {
		go func() {
			path := filepath.Join(dir, string(rune('a'+i)))
			err := os.WriteFile(path, binary, 0o755)
			if err == nil {
				var c *child
				c, err = startPatiently(exec.Command(path, "-test.run=^$"))
				if err == nil {
					c.awaitExit()
					_, err = c.reap()
				}
			}
			failed <- err
		}()
	}
	for range copies {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
