package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// linesOf returns what actors have written to their journal, without ids and pids.
func linesOf(t *testing.T, file string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		lines = append(lines, f[0]+" "+f[1])
	}
	return lines
}

func TestTasksStartAndStopInTheOrderOfTheirDependencies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "journal")
	journal := "journal = \"" + file + "\""
	needs := func(text string) string { return "depends_on = { " + text + " }\n" }
	h := stageWith(t, admintest.Options{Dir: dir, HCL: brisk +
		actor("base", "continuous {\n ready { timeout = \"1m\" }\n }", `until = "drain"`, journal) +
		actor("migrate", needs("base = \"ready\"")+"periodic {\n every = \"10h\"\n run_on_start = true\n }", journal) +
		actor("app", needs("migrate = \"succeeded\"")+"continuous {}", `until = "drain"`, journal) +
		actor("front", needs("app = \"started\"")+"continuous {}", `until = "drain"`, journal) +
		actor("broken", "periodic {\n every = \"10h\"\n run_on_start = true\n }", `fail = "error"`) +
		actor("waits", needs("broken = \"succeeded\"")+"continuous {}", journal) +
		actor("content", needs("broken = \"completed\"")+"continuous {}", `until = "drain"`) +
		actor("slots", needs("broken = \"succeeded\"")+"periodic { every = \"200ms\" }") +
		actor("many", "instances = 2\n continuous {\n ready { timeout = \"1m\" }\n }", `until = "drain"`, journal) +
		actor("after", needs("many = \"ready\"")+"continuous {}", `until = "drain"`, journal)})
	for _, name := range []string{"front", "content", "after"} {
		untilTask(h, name, "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	}
	task := h.UntilState("waits", "starting")
	if task.Waiting == nil || task.Waiting.For != "dependency" || !strings.HasPrefix(task.Waiting.On, "broken") || !strings.Contains(task.Note, "broken") {
		t.Errorf("waits: %+v, note %q", task.Waiting, task.Note)
	}
	if s := untilSlots(h, "slots", "skipped(dependency)"); !strings.HasPrefix(s.By, "broken") {
		t.Errorf("slots: %+v", s)
	}
	began := linesOf(t, file)
	before := func(lines []string, first, second string) {
		t.Helper()
		i, j := slices.Index(lines, first), slices.Index(lines, second)
		if i < 0 || j < 0 || i > j {
			t.Errorf("%q is not before %q in %v", first, second, lines)
		}
	}
	before(began, "begin base", "begin migrate")
	before(began, "end migrate", "begin app")
	before(began, "begin many.1", "begin after")
	before(began, "begin many.2", "begin after")
	if slices.Contains(began, "begin waits") {
		t.Error("a task began whose dependency has not succeeded")
	}
	if code := h.Stop(); code != 0 {
		t.Errorf("the host exited %d", code)
	}
	ended := linesOf(t, file)[len(began):]
	before(ended, "end front", "end app")
	before(ended, "end app", "end base")
	before(ended, "end after", "end many.1")
	before(ended, "end after", "end many.2")
}
