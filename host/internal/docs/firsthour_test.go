package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// The commands of the first hour, one after the other: each must print lines of the kind that the guide shows.
func TestTheFirstHourGoesAsTheGuideSays(t *testing.T) {
	t.Parallel()
	guide := read(t, filepath.Join(root, "docs", "guide", "first-hour.md"))
	dir := t.TempDir()
	for _, plugins := range []string{filepath.Join(dir, "shop", "plugins"), filepath.Join(dir, "plugins")} {
		withExec(t, plugins)
	}
	for name, mark := range map[string]string{"my.crontab": "crontab", "night.hcl": "night"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(marked(t, guide, mark)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if seen := newWalk(t, dir).through(guide); seen < 6 {
		t.Errorf("the guide has only %d commands", seen)
	}
}

var tutorial = filepath.Join("docs", "guide", "tutorial.md")

// The tutorial, in one folder: with a host that runs, and a plugin that is made, tested and built.
func TestTheTutorialGoesAsItSays(t *testing.T) {
	t.Parallel()
	guide := read(t, filepath.Join(root, tutorial))
	dir := t.TempDir()
	withExec(t, filepath.Join(dir, "plugins"))
	for name, mark := range map[string]string{"my.crontab": "crontab", "signups.sh": "signups.sh", "collect.sh": "collect.sh"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(marked(t, guide, mark)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	clone, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(guide, "\n## 4. ")
	if !found {
		t.Fatal("the tutorial has no fourth part")
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	// The module cache has what the plugin needs; nothing is asked of a network.
	w := newWalk(t, dir, "CLONE="+clone, "GOCACHE="+strings.TrimSpace(string(cache)), "GOFLAGS=-mod=mod -trimpath", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0")
	seen := w.through(before)
	if err := os.WriteFile(filepath.Join(dir, "pipeline.hcl"), []byte(marked(t, guide, "pipeline")), 0o600); err != nil {
		t.Fatal(err)
	}
	if seen += w.through(after); seen < 12 {
		t.Errorf("the tutorial has only %d commands", seen)
	}
}

// withExec makes a directory of plugins with exec in it.
func withExec(t *testing.T, plugins string) {
	t.Helper()
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	install(t, admintest.Build(t, "plugins/exec"), filepath.Join(plugins, "exec"))
}
