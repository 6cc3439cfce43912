package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/catalog"
)

// loadLocked loads a configuration that uses the plugins exec and http, with a lock for these.
func loadLocked(t *testing.T, host string, locked ...string) (errors, warnings string) {
	t.Helper()
	dir := t.TempDir()
	text := "host {\n" + host + "\n}\n" + `
task "a" {
  plugin = "exec"
  on_demand {}
}
task "b" {
  plugin = "http"
  type   = "check"
  on_demand {}
  config {
    url = "http://x"
  }
}
`
	path := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(locked) > 0 {
		l := catalog.Lock{Plugins: map[string]catalog.Locked{}}
		for _, name := range locked {
			d := newFakePlugins().plugins[name]
			d.Protocol = 1
			l.Plugins[name] = catalog.Locked{Digests: map[string]string{catalog.Platform(): digestOf(name)}, Description: d}
		}
		if err := catalog.WriteLock(filepath.Join(dir, catalog.LockName), l); err != nil {
			t.Fatal(err)
		}
	}
	c, diags, sources := Load(t.Context(), Options{Paths: []string{path}, Plugins: func(Host) Plugins { return newFakePlugins() }})
	for _, d := range Diagnostics(diags, sources) {
		if d.Severity == "error" {
			errors += d.Summary + "\n"
		} else {
			warnings += d.Summary + "\n"
		}
	}
	for _, p := range c.Plugins {
		if want := strings.Contains(strings.Join(locked, " "), p.Name); p.Pinned != want {
			t.Errorf("plugin %s pinned: %v, want %v", p.Name, p.Pinned, want)
		}
	}
	return errors, warnings
}

func TestPluginsThatAreNotPinnedAreSpokenOfAsTheFileSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		host     string
		locked   []string
		err, war string
	}{
		{"", nil, "", "not pinned: exec, http; "},
		{"", []string{"http"}, "", "not pinned: exec; "},
		{"", []string{"exec", "http"}, "", ""},
		{"require_checksums = false", nil, "", ""},
		{"require_checksums = true", []string{"http"}, `plugin "exec" is not pinned, and require_checksums = true`, ""},
		{"require_checksums = true", []string{"exec", "http"}, "", ""},
	}
	for _, tt := range tests {
		errors, warnings := loadLocked(t, tt.host, tt.locked...)
		if !matches(errors, tt.err) || !matches(warnings, tt.war) {
			t.Errorf("%q, locked %v: errors %q, warnings %q; want %q and %q", tt.host, tt.locked, errors, warnings, tt.err, tt.war)
		}
	}
}

// matches reports whether one line was said that begins so, or none where none is wanted.
func matches(said, want string) bool {
	if want == "" {
		return said == ""
	}
	return strings.HasPrefix(said, want) && strings.Count(said, "\n") == 1
}
