package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const lockedShop = `
host {
  plugin_dir        = "plugins"
  require_checksums = true
}
task "a" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["true"]
  }
}
task "b" {
  plugin = "http"
  type   = "check"
  on_demand {}
  config {
    url = "http://127.0.0.1:1"
  }
}
`

// TestALockFilePinsPluginsAndStandsInForThem walks the way from plugins that nobody has pinned to a machine that has none.
func TestALockFilePinsPluginsAndStandsInForThem(t *testing.T) {
	t.Parallel()
	dir := bench(t, map[string]string{"config.hcl": lockedShop})
	try := func(want int, says string, args ...string) {
		t.Helper()
		out, code := cli(t, dir, args...)
		if code != want || !strings.Contains(out, says) {
			t.Errorf("taskhost %s: exit %d, want %d with %q:\n%s", strings.Join(args, " "), code, want, says, out)
		}
	}
	try(1, `plugin "exec" is not pinned, and require_checksums = true`, "validate")
	try(1, "taskhost plugin lock writes it", "plugin", "verify")
	try(0, "new", "plugin", "lock")
	try(0, "same", "plugin", "verify")
	try(0, "the configuration is valid: 2 tasks", "validate")

	// Another binary: it is named with both digests, and nothing takes it until it is locked.
	exec := filepath.Join(dir, "plugins", "exec")
	other, err := os.ReadFile(exec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(exec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exec, append(other, "changed"...), 0o700); err != nil {
		t.Fatal(err)
	}
	try(1, "and the lock file taskhost.lock.json says", "validate")
	try(1, "changed; it was", "plugin", "verify")
	try(0, "changed; it was", "plugin", "lock")
	try(0, "the configuration is valid: 2 tasks", "validate")

	// A machine without plugins checks configs by what is locked, and serves nothing.
	if err := os.RemoveAll(filepath.Join(dir, "plugins")); err != nil {
		t.Fatal(err)
	}
	try(0, `plugin "http" is not here: it is taken to be what taskhost.lock.json says`, "validate")
	try(1, "there is no plugin", "serve")
	text := strings.Replace(lockedShop, "url =", "uri =", 1)
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	try(1, `did you mean "url"`, "validate")
}

// TestPluginsAreLockedWithoutTheSecretsOfTheHost is the desk of somebody who may change the configuration and knows none of them.
func TestPluginsAreLockedWithoutTheSecretsOfTheHost(t *testing.T) {
	t.Parallel()
	text := strings.Replace(lockedShop, "  on_demand {}", "  env = { TOKEN = secret(\"env:TASKHOST_E2E_NOT_SET\") }\n  on_demand {}", 1)
	dir := bench(t, map[string]string{"config.hcl": text})
	for _, step := range []struct {
		want int
		says string
		args []string
	}{
		{1, "TASKHOST_E2E_NOT_SET is not set", []string{"validate"}},
		{0, "new", []string{"plugin", "lock"}},
		{0, "same", []string{"plugin", "verify"}},
		{0, "the configuration is valid: 2 tasks", []string{"validate", "-offline"}},
	} {
		if out, code := cli(t, dir, step.args...); code != step.want || !strings.Contains(out, step.says) {
			t.Errorf("taskhost %s: exit %d, want %d with %q:\n%s", strings.Join(step.args, " "), code, step.want, step.says, out)
		}
	}
}
