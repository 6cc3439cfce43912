package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// A walk does what the console blocks of a guide say, one command after the other, in a directory.
type walk struct {
	t   *testing.T
	dir string
	env []string
}

func newWalk(t *testing.T, dir string, env ...string) *walk {
	t.Helper()
	path := filepath.Dir(admintest.Build(t, "host/cmd/taskhost")) + string(os.PathListSeparator) + os.Getenv("PATH")
	env = append(env, "PATH="+path, "TZ=UTC", "NO_COLOR=1", "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	return &walk{t: t, dir: dir, env: append(os.Environ(), env...)}
}

// through does all of a guide and returns how many commands it has.
func (w *walk) through(guide string) int {
	w.t.Helper()
	seen := 0
	for _, b := range blocks(guide) {
		if b.language != "console" {
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			seen++
			if strings.HasPrefix(command, "taskhost serve") {
				w.serve(command)
				continue
			}
			w.step(command, shown)
		}
	}
	return seen
}

// step runs a command, which succeeds and prints the lines that are shown. What a task does on its own may take a while
// to stand in its log, and to be kept.
func (w *walk) step(command, shown string) {
	w.t.Helper()
	ctx, end := context.WithTimeout(w.t.Context(), admintest.Bound)
	defer end()
	patient := strings.HasPrefix(command, "taskhost logs") || strings.HasPrefix(command, "taskhost task checkpoint")
	for {
		out, err := w.command(command).Output()
		missing := notIn(shown, string(out))
		if err == nil && missing == "" {
			return
		}
		if !patient || !pause(ctx) {
			w.t.Errorf("%s: %v; it prints no line %q as the guide says, but\n%s", command, err, missing, out)
			return
		}
	}
}

// serve starts a host, waits until it answers, and ends it with the test.
func (w *walk) serve(command string) {
	w.t.Helper()
	cmd := w.command("exec " + command)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("%s: %v", command, err)
		}
	})
	ctx, end := context.WithTimeout(w.t.Context(), admintest.Bound)
	defer end()
	for w.command("taskhost host status").Run() != nil {
		if !pause(ctx) {
			w.t.Fatalf("%s: no host answers within %v", command, admintest.Bound)
		}
	}
}

func (w *walk) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = w.dir, w.env
	return cmd
}

// pause waits for the next try; false is the end of all tries.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(50 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// notIn is the first of the lines that are shown which is not in the output; "" is none.
func notIn(shown, output string) string {
	got := withoutCounts(output)
	for line := range strings.Lines(shown) {
		if line = withoutCounts(line); !strings.Contains(got, line) {
			return line
		}
	}
	return ""
}

var aMoment = regexp.MustCompile(`^(-?[0-9.]+(ms|s|m|h|d)|[0-9]{2}:[0-9]{2}:[0-9]{2})$`)

// withoutCounts joins the words of a text, distances and times of the day left out: they are others on each day of the test.
func withoutCounts(text string) string {
	var words []string
	for w := range strings.FieldsSeq(text) {
		if !aMoment.MatchString(w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
