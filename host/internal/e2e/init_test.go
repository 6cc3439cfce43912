package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// What init writes is valid, canonical, and does what it says on a real host.
func TestTheFirstConfigurationRuns(t *testing.T) {
	t.Parallel()
	dir := bench(t, nil)
	if _, code := cliOut(t, dir, "init"); code != 0 {
		t.Fatalf("init: exit %d", code)
	}
	path := filepath.Join(dir, "config.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out, code := cliWith(t, dir, nil, "fmt", "-check", "config.hcl"); code != 0 {
		t.Errorf("it is not in canonical form: %s", out)
	}
	if out, code := cliWith(t, dir, nil, "init"); code != 1 || !strings.Contains(out, "there already") {
		t.Errorf("a second time: exit %d: %s", code, out)
	}
	// The plugins of the test lie in the directory; those that a build puts beside the program do not.
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"10s"`, `"1s"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{Config: path, Plugins: []string{"plugins/exec"}})
	h.UntilRun("hello", "succeeded")
	h.UntilState("ticker", "running")
	if out, code := cliWith(t, h.Dir, nil, "task", "run", "report", "-wait", "30s"); code != 0 {
		t.Errorf("run report: exit %d: %s", code, out)
	}
	// What the host says of the slots, and what the files say.
	for _, args := range [][]string{{"next", "-n", "2"}, {"next", "-n", "2", "-c", "config.hcl"}} {
		if out, code := cliOut(t, h.Dir, args...); code != 0 || strings.Count(out, "  hello") < 2 || !strings.Contains(out, "hello  every 1s: more slots") {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
	out, code := cliOut(t, h.Dir, "explain", "hello", "-c", "config.hcl")
	for _, want := range []string{"A run every 1s, on a grid", "retry.attempts = 2  [config.hcl:", "stop.drain = 10s  [built in]", "\n  Next: "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("explain: exit %d, no %q in %s", code, want, out)
		}
	}
	if out, code := cliWith(t, h.Dir, nil, "explain", "helo"); code != 3 || !strings.Contains(out, `did you mean "hello"?`) {
		t.Errorf("explain a task that is not there: exit %d: %s", code, out)
	}
}
