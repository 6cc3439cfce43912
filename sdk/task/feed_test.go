//go:build linux

package task_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestAConsumerWithoutAHostHandlesLines(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, "testdata/plugin")
	file := filepath.Join(t.TempDir(), "c.hcl")
	if err := os.WriteFile(file, []byte("name = \"ann\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in string
		args     []string
		code     int
		out      []string // a line each, in any order
		stderr   []string
	}{
		{"all go well", "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\r\n{\"text\":\"quiet\"}", []string{"-type", "shout"}, 0,
			[]string{`{"output":"shouts","id":"~`, `"value":{"text":"A"}}`, `"value":{"text":"B"}}`}, []string{"succeeded: 2 handled, 1 skipped, 0 failed"}},
		{"nothing", "", []string{"-type", "shout"}, 0, nil, []string{"succeeded: 0 handled, 0 skipped, 0 failed"}},
		{"some do not", "nonsense\n{\"txt\":\"a\"}\n{\"text\":\"no\"}\n{\"text\":\"b\"}\n", []string{"-type", "shout", "-concurrency", "4"}, 1,
			[]string{`"value":{"text":"B"}}`}, []string{`line1: this is no JSON: "nonsense"`, "line2: ", "txt", "line3: failed: hoarse", "succeeded: 1 handled, 0 skipped, 3 failed"}},
		{"many", strings.Repeat("{\"text\":\"a\"}\n", 2000), []string{"-type", "shout", "-concurrency", "8"}, 0,
			[]string{`"value":{"text":"A"}}`}, []string{"succeeded: 2000 handled"}},
		{"in batches", strings.Repeat("{\"text\":\"a\"}\n", 7), []string{"-type", "count", "-batch", "3"}, 0,
			[]string{`{"output":"counts"`}, []string{"succeeded: 7 handled"}},
		{"a line that is too long", strings.Repeat("x", 2<<20), []string{"-type", "shout"}, 1, nil, []string{"line1: cannot be read, nor what follows", "0 handled, 0 skipped, 1 failed"}},
		{"no handlers", "", []string{"-type", "shout", "-concurrency", "0"}, 2, nil, []string{"-concurrency and -batch are at least 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, stderr, code := p.Command([]byte(c.in), append([]string{"run", "-once", "-c", file}, c.args...)...)
			equal(t, "exit code", code, c.code)
			contains(t, "stdout", out, c.out...)
			contains(t, "stderr", stderr, c.stderr...)
			if c.name == "many" && strings.Count(out, "\n") != 2000 {
				t.Errorf("%d lines are printed", strings.Count(out, "\n"))
			}
		})
	}
	t.Run("a terminal is no source of messages", func(t *testing.T) {
		t.Parallel()
		cmd := exec.Command(p.Path, "run", "-c", file, "-type", "shout")
		cmd.Stdin = terminal(t)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v", err)
		}
		contains(t, "output", string(out), `type "shout" handles messages: give them on stdin, one JSON value per line`)
	})
}

// terminal is one that nobody types at.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}
