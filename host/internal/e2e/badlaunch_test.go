package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// What goes wrong before a plugin serves, and what the run's error must say.
var badLaunches = []struct{ bad, text string }{
	{"exit_3", "cannot find my other shoe"},
	{"panic_at_start", "bad from the start"},
	{"panic_in_init", "bad from the very start"},
	{"never_serve", ""},
	{"wrong_cookie", ""},
	{"hang", ""},
}

func TestABadLaunchHasAReadableCause(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	hcl.WriteString(neighbour)
	hcl.WriteString(task("print_first"))
	for _, b := range badLaunches {
		hcl.WriteString(task(b.bad))
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	untilProcesses(h, 1)
	before, began := descriptors(t, h), time.Now()

	run, err := h.StartRun(t.Context(), "print_first", admin.RunRequest{}, "", admintest.Bound)
	if err != nil || run.Outcome != "succeeded" {
		t.Errorf("a plugin that prints before the handshake: %v, %s %+v", err, run.Outcome, run.Error)
	}
	for _, b := range badLaunches {
		t.Run(b.bad, func(t *testing.T) {
			run, err := h.StartRun(t.Context(), b.bad, admin.RunRequest{}, "", admintest.Bound)
			if err != nil {
				t.Fatal(err)
			}
			if run.Outcome != "failed" || run.Error == nil || run.Error.Class != "launch" {
				t.Fatalf("the run ended %s with %+v; want a failed launch", run.Outcome, run.Error)
			}
			if !strings.Contains(run.Error.Message, b.text) || !strings.Contains(run.Error.Message, "bad_"+b.bad) {
				t.Errorf("its message is %q; want the plugin's name and %q in it", run.Error.Message, b.text)
			}
			untilProcesses(h, 1)
		})
	}
	checkNeighbour(t, h, began)
	if now := descriptors(t, h); now > before+len(badLaunches)+3 { // a task that has written keeps its log file open
		t.Errorf("there were %d descriptors, now there are %d", before, now)
	}
}

// task is a task on a plugin of its own that goes wrong at launch.
func task(bad string) string {
	return fmt.Sprintf(`
plugin "bad_%[1]s" {
  path = "plugins/badplugin"
  env  = { BAD = %[1]q }
}
task %[1]q {
  plugin        = "bad_%[1]s"
  type          = "run"
  process       = "run"
  start_timeout = "2s"
  on_demand {}
}
`, bad)
}

func TestAPluginThatIsNoneIsFoundBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(plugins, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(plugins, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("not_executable", "#!/bin/sh\n", 0o644)
	write("not_a_plugin", "#!/bin/sh\necho hello\n", 0o755)
	write("other_machine", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf7\x00", 0o755)
	var hcl strings.Builder
	hcl.WriteString("host {\n  plugin_dir = \"plugins\"\n}\n")
	for _, name := range []string{"not_executable", "not_a_plugin", "other_machine", "not_ther"} {
		fmt.Fprintf(&hcl, "task %q {\n  plugin = %q\n  on_demand {}\n}\n", name, name)
	}
	config := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(config, []byte(hcl.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"validate", "serve"} {
		out, code := cli(t, dir, verb, "-config", config)
		if code != 1 {
			t.Errorf("%s exits with %d; want 1", verb, code)
		}
		for _, want := range []string{"not_executable", "not_a_plugin", "other_machine", `there is no plugin "not_ther"`, "4 problems"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", verb, want, out)
			}
		}
	}
}
