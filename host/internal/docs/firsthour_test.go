package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		if err := os.MkdirAll(plugins, 0o755); err != nil {
			t.Fatal(err)
		}
		install(t, admintest.Build(t, "plugins/exec"), filepath.Join(plugins, "exec"))
	}
	for name, mark := range map[string]string{"my.crontab": "crontab", "night.hcl": "night"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(marked(t, guide, mark)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for _, b := range blocks(guide) {
		if b.language != "console" {
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			seen++
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(admintest.Build(t, "host/cmd/taskhost"))+":"+os.Getenv("PATH"), "TZ=UTC", "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
			for line := range strings.Lines(shown) {
				if line = withoutCounts(line); line != "" && !strings.Contains(withoutCounts(string(out)), line) {
					t.Errorf("%s prints no line %q as the guide says; it prints\n%s", command, line, out)
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("the guide has only %d commands", seen)
	}
}

var aDistance = regexp.MustCompile(`^-?[0-9.]+(s|m|h|d)$`)

// withoutCounts joins the words of a text, distances in time left out: how far ahead something is depends on the day of the test.
func withoutCounts(text string) string {
	var words []string
	for w := range strings.FieldsSeq(text) {
		if !aDistance.MatchString(w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
