package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// terminal runs the command line in dir and returns what it wrote to stdout and to stderr.
func terminal(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), admintest.Build(t, "host/cmd/taskhost"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), problems.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), problems.String(), 0
}

// freePort returns an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestEveryCommandAnswersPeopleAndPrograms(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	config := filepath.Join(t.TempDir(), "given.hcl")
	hcl := "host {\n  data_dir   = \"data\"\n  plugin_dir = \"plugins\"\n  admin {\n    listen = [\"unix:data/admin.sock\", \"" + addr + "\"]\n  }\n}\n" +
		actor("quick", "on_demand {}") +
		actor("slow", "labels = { team = \"shop\" }\n on_demand {}\n stop {\n drain = \"30s\"\n cancel = \"30s\"\n }", `work = "1h"`, `until = "kill"`) +
		actor("bad", "on_demand {}", `fail = "error"`) +
		actor("nightly", "periodic { cron = \"15 2 * * *\" }") +
		actor("live", "continuous {}\n stop {\n drain = \"100ms\"\n cancel = \"5s\"\n }")
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	h := stageWith(t, admintest.Options{Config: config})
	untilTask(h, "live", "is ready", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	for name, text := range map[string]string{
		"wrong.token": "not the token\n", "rough.hcl": "task   \"x\" {\n}\n", "broken.hcl": "task {\n", "neat.hcl": "task \"x\" {\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(h.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slow := begin(t, h, "slow", "")
	quick := run(t, h, "quick", admin.RunRequest{})
	plain := func(code int, args ...string) (string, string) {
		t.Helper()
		out, problems, got := terminal(t, h.Dir, args...)
		if got != code {
			t.Errorf("taskhost %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, problems)
		}
		if code != 0 && problems == "" && out == "" {
			t.Errorf("taskhost %s: exit %d without a word", strings.Join(args, " "), got)
		}
		return out, problems
	}
	// both checks the command as a person and as a program gives it; it must bear being given twice.
	both := func(code int, args ...string) {
		t.Helper()
		plain(code, args...)
		out, _ := plain(code, append(args, "-json")...)
		values := 0
		for d := json.NewDecoder(strings.NewReader(out)); ; values++ {
			var v any
			if err := d.Decode(&v); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("taskhost %s -json: %v in %q", strings.Join(args, " "), err, out)
				return
			}
		}
		if code == 0 && values == 0 {
			t.Errorf("taskhost %s -json wrote nothing", strings.Join(args, " "))
		}
	}
	for _, line := range []string{
		"version", "validate", "status", "status q*", "task list", "task ls -label team=shop", "task show live", "task state quick", "task checkpoint quick",
		"task schedule", "task schedule nightly -n 3", "task call live echo -input {\"text\":\"x\"}",
		"task wait live -until running -timeout 5s", "task run quick -wait 20s", "task run quick -input {\"text\":\"x\"} -wait 20s",
		"runs list", "runs list quick -outcome succeeded -n 1", "runs show " + quick.ID, "runs retry " + quick.ID + " -wait 20s", "runs show " + slow.ID,
		"runs timeout " + slow.ID + " 1h", "plugin list", "plugin describe actor", "host status",
		"task pause nightly -reason x -until 2h", "task overrides", "task resume nightly", "task pause -select plugin=actor -dry-run", "task reset nightly",
		"task restart live -wait 20s", "task stop live -wait 20s", "task start live -wait 20s",
		"task backfill nightly -from 2026-03-01T00:00:00Z -to 2026-03-02T12:00:00Z -wait 20s",
		"host pause -reason x", "host resume",
	} {
		both(0, strings.Fields(line)...)
	}
	for _, line := range []string{
		"help", "completion bash", "completion zsh", "completion fish", "task slots nightly", "logs quick", "logs " + quick.ID, "logs quick -n 1 -level info -grep x",
		"fmt -check neat.hcl", "fmt -diff rough.hcl", "fmt rough.hcl", "fmt -check rough.hcl", "task checkpoint quick key -set 5", "task checkpoint quick key",
		"task checkpoint quick key -delete -yes", "status -addr " + addr, "status --addr=" + addr,
	} {
		plain(0, strings.Fields(line)...)
	}
	// What is refused says why, and its code says which kind of no it is.
	for code, lines := range map[int][]string{
		1:   {"task run bad -wait 20s", "validate broken.hcl", "fmt broken.hcl", "fmt -check broken.hcl"},
		2:   {"stats", "status -stat running", "task stop", "task stop live -mode hrad", "task run quick -input {", "task run quick -input {\"txt\":1}", "runs timeout " + slow.ID + " soon", "runs list -outcome good", "task pause nightly -until 2020-01-01T00:00:00Z"},
		3:   {"task show lvie", "task stop lvie", "runs show 01m8169ks85h5ca876mx1x71ke", "plugin describe atcor", "task call live ecko", "logs lvie", "task stop -select name=nobody"},
		4:   {"task run slow", "task run live", "runs retry " + slow.ID, "runs timeout " + quick.ID + " 1h"},
		5:   {"status -addr " + addr + " -token-file wrong.token"},
		6:   {"status -addr unix:nowhere.sock", "status -addr 127.0.0.1:1"},
		124: {"task wait slow -until stopped -timeout 50ms", "task stop slow -wait 100ms", "runs cancel " + slow.ID + " -wait 100ms", "task call live slow -timeout 100ms"},
	} {
		for _, line := range lines {
			_, problems := plain(code, strings.Fields(line)...)
			if problems == "" && code != 1 {
				t.Errorf("taskhost %s said nothing to stderr", line)
			}
		}
	}
	if out, problems := plain(3, "task", "show", "lvie"); out != "" || !strings.Contains(problems, "live") {
		t.Errorf("the nearest name is missing: %s%s", out, problems)
	}
	// A hard stop asks a person, not a program; a wait for the end returns it.
	if out, _ := plain(0, "task", "stop", "slow", "-mode", "kill", "-wait", "20s"); !strings.Contains(out, "in kill; no process left") {
		t.Errorf("stop said %q", out)
	}
	plain(0, "task", "start", "slow")
	slow = begin(t, h, "slow", "")
	if out, _ := plain(0, "runs", "cancel", slow.ID, "-mode", "kill", "-wait", "20s"); !strings.Contains(out, "cancelled") {
		t.Errorf("cancel said %q", out)
	}
	plain(0, "task", "cancel", "slow")
	plain(0, "host", "drain", "-wait", "20s")
	plain(0, "host", "shutdown", "-reason", "done")
	if code := h.Wait(); code != 0 {
		t.Errorf("the host exited %d", code)
	}
	plain(6, "status")
}

func TestALogIsShownWhole(t *testing.T) {
	t.Parallel()
	const lines = 1500
	h := admintest.Start(t, admintest.Options{Plugins: []string{"plugins/exec"}, HCL: fmt.Sprintf(`
task "count" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["seq", "%d"]
  }
}
`, lines)})
	run(t, h, "count", admin.RunRequest{})
	for _, args := range [][]string{{"logs", "count", "-since", "1h"}, {"logs", "count", "-since", "1h", "-grep", "^[0-9]+$"}} {
		stdout, stderr, code := terminal(t, h.Dir, args...)
		if n := strings.Count(stdout, " INFO  "); code != 0 || n < lines {
			t.Errorf("%v shows %d lines and exits %d, want %d: %s", args, n, code, lines, stderr)
		}
	}
}

func TestLogsAndEventsCanBeFollowed(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("beat", "periodic { every = \"200ms\" }", `say = "hello"`))
	for _, args := range [][]string{{"logs", "-f", "beat", "-json"}, {"events", "-json"}} {
		cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), args...)
		cmd.Dir = h.Dir
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(admintest.Bound, func() { cmd.Process.Kill() })
		d := json.NewDecoder(out)
		for range 5 {
			var v map[string]any
			if err := d.Decode(&v); err != nil {
				t.Errorf("%v: %v", args, err)
				break
			}
		}
		late.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	}
}
