package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// The secrets of these tests, by the way that they come into the configuration. None may be seen.
var canaries = map[string]string{
	"CANARY_SECRET":          "canary-by-secret-f3a1",
	"TASKHOST_VAR_sensitive": "canary-by-variable-77c0",
	"CANARY_PLUGIN_ENV":      "canary-by-plugin-env-9b52",
	"CANARY_TASK_ENV":        "canary-by-task-env-e04d",
	"CANARY_HOST":            "canary-of-the-host-itself-1f88",
}

const secretive = `
variable "sensitive" {
  sensitive = true
}

plugin "exec" {
  env = { FROM_PLUGIN = secret("env:CANARY_PLUGIN_ENV") }
}

# It gets a secret in each way that there is, and tells all of them.
task "indiscreet" {
  plugin = "exec"
  env    = { FROM_TASK = secret("env:CANARY_TASK_ENV") }
  on_demand {}
  config {
    shell = "env; env >&2; exit 3"
    env   = { A = secret("env:CANARY_SECRET"), B = "and ${var.sensitive} in the middle" }
  }
}

# Its error repeats the address, which holds a secret.
task "refused" {
  plugin = "http"
  type   = "check"
  on_demand {}
  config {
    url     = "http://127.0.0.1:1/?key=${var.sensitive}"
    headers = { Authorization = secret("env:CANARY_SECRET") }
  }
}

# Its command is no command, and its name is secret.
task "unable" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["/no/such/${var.sensitive}"]
  }
}
`

func environment() (env []string) {
	for k, v := range canaries {
		env = append(env, k+"="+v)
	}
	return env
}

func checkNoCanary(t *testing.T, where string, text []byte) {
	t.Helper()
	for way, canary := range canaries {
		if at := bytes.Index(text, []byte(canary)); at >= 0 {
			t.Errorf("%s: the secret of %s: …%s…", where, way, text[max(0, at-120):min(len(text), at+60)])
		}
	}
}

func TestASecretIsSeenNowhere(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, secretive, admintest.Options{Plugins: []string{"plugins/exec", "plugins/http"}, Env: environment()})
	last := ""
	for _, name := range []string{"indiscreet", "refused", "unable"} {
		status, _, body := ask(t, addr, "POST", "/v1/tasks/"+name+"/runs?wait=30s", nil, map[string]string{"Authorization": "Bearer " + token})
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, status, body)
		}
		checkNoCanary(t, "the run of "+name, body)
		last = h.UntilRun(name, "failed").ID
	}
	for _, name := range []string{"indiscreet", "refused", "unable"} {
		for _, r := range everyRoute(t, addr, token, func(part string) string {
			return map[string]string{"task": name, "run": last, "plugin": "exec", "key": "k", "method": "m"}[part]
		}) {
			if r.method != "GET" || r.path == "/v1/events" {
				continue
			}
			for _, accept := range []string{"application/json", "text/plain"} {
				_, _, body := ask(t, addr, r.method, r.path, nil, map[string]string{"Authorization": "Bearer " + token, "Accept": accept})
				checkNoCanary(t, r.path, body)
			}
		}
	}
	_, _, lines := ask(t, addr, "GET", "/v1/tasks/indiscreet/logs", nil, map[string]string{"Authorization": "Bearer " + token})
	for _, want := range []string{"FROM_PLUGIN=***", "FROM_TASK=***", `"stream":"stdout"`, `"stream":"stderr"`, "B=***"} {
		if !bytes.Contains(lines, []byte(want)) {
			t.Errorf("the log of indiscreet lacks %q", want)
		}
	}
	for _, pid := range append(processesOf(h), h.PID) {
		argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		checkNoCanary(t, "the command line of "+strconv.Itoa(pid), argv)
		if pid != h.PID {
			env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if bytes.Contains(env, []byte(canaries["CANARY_HOST"])) {
				t.Errorf("process %d has the environment of the host", pid)
			}
		}
	}
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d", code)
	}
	checkNoCanary(t, "the output of the host", []byte(h.Output()))
	err := filepath.WalkDir(h.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		checkNoCanary(t, path, text)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestValidateShowsNoSecret(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Plugins: []string{"plugins/exec", "plugins/http"}, HCL: secretive, Env: environment()})
	bad := secretive + `
task "bad" {
  plugin  = "http"
  type    = "check"
  timeout = var.sensitive
  on_demand {}
  config {
    url          = secret("env:CANARY_SECRET")
    method       = var.sensitive
    body_match   = "(${var.sensitive}"
    no_such_name = secret("env:CANARY_TASK_ENV")
  }
}
`
	path := filepath.Join(h.Dir, "bad.hcl")
	if err := os.WriteFile(path, []byte("host {\n  plugin_dir = \"plugins\"\n}\n"+bad), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate", "-config", path}, {"validate", "-config", path, "-json"}, {"validate", "-config", path, "-var", "sensitive=canary-by-variable-77c0"}, {"serve", "-config", path}} {
		out, code := cliWith(t, h.Dir, environment(), args...)
		if code != 1 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
		checkNoCanary(t, strings.Join(args, " "), []byte(out))
	}
	for _, args := range [][]string{{"status"}, {"task", "show", "indiscreet"}, {"task", "show", "refused", "-json"}, {"plugin", "describe", "exec"}, {"plugin", "list", "-json"}} {
		out, code := cliWith(t, h.Dir, environment(), args...)
		if code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
		checkNoCanary(t, strings.Join(args, " "), []byte(out))
	}
}

// cliWith is cli with more in the environment.
func cliWith(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "XDG_CACHE_HOME="+filepath.Join(dir, "cache")), env...)
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
