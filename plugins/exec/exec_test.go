package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/plugins/internal/readme"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// binaryPath is where the plugin is built for these tests.
var binaryPath = filepath.Join(os.TempDir(), fmt.Sprintf("exec-plugin-%d", os.Getpid()))

// binary builds the plugin once. Commands run in its process, never in the test's.
var binary = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", binaryPath, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binaryPath, nil
})

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == sayer {
		os.Exit(say(os.Args[2:]))
	}
	code := m.Run()
	os.Remove(binaryPath)
	os.Exit(code)
}

func program(t *testing.T) *tasktest.Program {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return tasktest.At(t, path)
}

func run(t *testing.T, hcl string, opts ...tasktest.Option) *tasktest.Task {
	t.Helper()
	return program(t).Run("command", hcl, opts...)
}

// until waits, bounded, for something that other processes bring about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

func logged(r *tasktest.Task, stream string) string {
	var lines []string
	for _, l := range r.Logs() {
		if l.Fields["stream"] == stream {
			lines = append(lines, l.Message)
		}
	}
	return strings.Join(lines, "|")
}

// wantLog waits for the text: a log travels beside the outcome and may come after it.
func wantLog(t *testing.T, r *tasktest.Task, stream, want string) {
	t.Helper()
	got := ""
	until(t, stream+" of the command: "+want, func() bool {
		got = logged(r, stream)
		return len(got) >= len(want)
	})
	if got != want {
		t.Errorf("%s = %s; want %s", stream, got, want)
	}
}

func TestConfigsThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	for hcl, want := range map[string]string{
		``:                                              "set command or shell",
		"command = [\"a\"]\nshell = \"b\"":              "not both",
		`command = [""]`:                                "no name",
		`command = ["a\u0000"]`:                         "NUL",
		`shell = "x\u0000"`:                             "NUL",
		"shell = \"x\"\nstop_signal = \"BOO\"":          "unknown signal",
		"shell = \"x\"\ncancel_signal = \"-1\"":         "unknown signal",
		"shell = \"x\"\nenv = { \"A=B\" = \"\" }":       "name of a variable",
		"shell = \"x\"\nexit_codes {\n skip = [0]\n}":   "already stands in ok",
		"shell = \"x\"\nexit_codes {\n skip = [300]\n}": "255",
		"shell = \"x\"\numask = \"9\"":                  "umask",
		"shell = \"x\"\ninput = \"file\"":               "stdin",
	} {
		if _, err := tasktest.Config[Config](t, hcl); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a problem with %q", hcl, err, want)
		}
	}
	c, err := tasktest.Config[Config](t, "command = [\"a\", \"b\"]\numask = \"027\"\nstop_signal = \"sigint\"")
	if err != nil || c.umask() != 0o27 || c.stopSignal(false) != syscall.SIGINT || c.cancelSignal() != syscall.SIGTERM {
		t.Errorf("a good config = %+v, %v", c, err)
	}
}

func TestExitCodesDecideTheOutcome(t *testing.T) {
	t.Parallel()
	codes := ExitCodes{OK: []int{0, 10}, Skip: []int{75}, Permanent: []int{2}}
	picky := ExitCodes{OK: []int{0}, Retry: []int{5}}
	for _, c := range []struct {
		name    string
		codes   ExitCodes
		end     ending
		stopped syscall.Signal
		want    error
	}{
		{"ok", codes, ending{}, 0, nil},
		{"listed ok", codes, ending{code: 10}, 0, nil},
		{"skip", codes, ending{code: 75}, 0, task.Skip("exit 75")},
		{"permanent", codes, ending{code: 2}, 0, task.Permanent(errors.New("the command failed: exit 2"))},
		{"failure", codes, ending{code: 3}, 0, errors.New("the command failed: exit 3")},
		{"worth a retry", picky, ending{code: 5}, 0, errors.New("the command failed: exit 5")},
		{"not worth one", picky, ending{code: 6}, 0, task.Permanent(errors.New("the command failed: exit 6"))},
		{"signal", codes, ending{signal: syscall.SIGSEGV}, 0, errors.New("the command failed: ended by SIGSEGV")},
		{"our signal", codes, ending{signal: syscall.SIGTERM}, syscall.SIGTERM, nil},
		{"our signal through a shell", codes, ending{code: 143}, syscall.SIGTERM, nil},
		{"another signal", codes, ending{signal: syscall.SIGKILL}, syscall.SIGTERM, errors.New("the command failed: ended by SIGKILL")},
		{"failing while it stops", codes, ending{code: 1}, syscall.SIGTERM, errors.New("the command failed: exit 1")},
	} {
		got := c.codes.judge(c.end, c.stopped, "")
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", c.want, c.want) {
			t.Errorf("%s: %T %v; want %T %v", c.name, got, got, c.want, c.want)
		}
	}
}

func TestEnvFilesAreRead(t *testing.T) {
	t.Parallel()
	got, err := parseEnv("# words\n\nA=1\nexport B = two words \nC=\"x=y\"\nD='#'\r\nE=\n")
	if diff := cmp.Diff([]string{"A=1", "B=two words", "C=x=y", "D=#", "E="}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"A", "=1", "A B=1", "A=\x00"} {
		if _, err := parseEnv("X=1\n" + bad); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v; want an error at line 2", bad, err)
		}
	}
}

func FuzzEveryByteIsInALine(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\x00\xff"), 3)
	f.Add([]byte(strings.Repeat("x", maxPiece)+"\n"+strings.Repeat("y", 2*maxPiece+1)+"\nz"), 100)
	f.Add([]byte("x"+strings.Repeat("€", maxPiece)+"\n"+strings.Repeat("x", maxPiece-1)+"\xe2\n"), 100)
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		var got []string
		o := &output{log: func(_, line string) { got = append(got, line) }, result: true}
		o.read("stdout", chunks{in, max(1, chunk%5000)}.reader())
		var want []string
		for line := range strings.Lines(string(in)) {
			line = strings.TrimSuffix(line, "\n")
			split := len(line) >= maxPiece
			for len(line) >= maxPiece {
				n := wholeRunes([]byte(line[:maxPiece]))
				want, line = append(want, line[:n]), line[n:]
			}
			if line != "" || !split {
				want = append(want, line)
			}
		}
		for i := range want {
			want[i] = strings.TrimSuffix(want[i], "\r")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(o.tail) > tailLines {
			t.Errorf("%d lines are kept for an error", len(o.tail))
		}
	})
}

func TestALongLineIsSplitBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, line := range []string{strings.Repeat("€", maxPiece), "x" + strings.Repeat("é", maxPiece), "xy" + strings.Repeat("\U0001F600", maxPiece)} {
		var got []string
		o := &output{log: func(_, line string) { got = append(got, line) }}
		o.read("stdout", chunks{[]byte(line + "\n"), 1000}.reader())
		if strings.Join(got, "") != line {
			t.Error("something is lost or added")
		}
		for i, piece := range got {
			if !utf8.ValidString(piece) || len(piece) > maxPiece {
				t.Errorf("piece %d has %d bytes and ends in %q", i, len(piece), piece[max(len(piece)-3, 0):])
			}
		}
	}
}

// chunks hands out text a few bytes at a time.
type chunks struct {
	text []byte
	size int
}

func (c chunks) reader() *chunkReader { return &chunkReader{c} }

type chunkReader struct{ chunks }

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, os.ErrClosed
	}
	n := copy(p, c.text[:min(c.size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

func TestACommandSeesItsRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "vars")
	if err := os.WriteFile(file, []byte("FROM=file\nBOTH=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	slot := time.Date(2026, 3, 1, 2, 15, 0, 0, time.UTC)
	r := run(t, fmt.Sprintf(`
		shell    = "echo $TASKHOST_TASK $TASKHOST_RUN $TASKHOST_ATTEMPT $TASKHOST_TRIGGER $TASKHOST_SLOT $TASKHOST_PREVIOUS_SLOT; echo $FROM $BOTH; pwd; umask; env | grep -c PLUGIN_ >&2"
		dir      = %q
		env      = { BOTH = "env" }
		env_from = [%q]
		umask    = "0137"
		exit_codes {
			ok = [0, 1]
		}
	`, dir, file), tasktest.Name("dump"), tasktest.Trigger("slot"), tasktest.Slot(slot), tasktest.PreviousSlot(slot.Add(-24*time.Hour)))
	if got := r.Outcome(); got != "succeeded" {
		t.Fatalf("%s: %s", got, r.Message())
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "dump run1 1 slot 2026-03-01T02:15:00Z 2026-02-28T02:15:00Z|file env|" + real + "|0137"
	wantLog(t, r, "stdout", want)
	wantLog(t, r, "stderr", "0") // variables of the handshake
	if r.State("exit_code") != "1" {
		t.Errorf("exit_code = %s", r.State("exit_code"))
	}
}

func TestInputAndResultAreJSON(t *testing.T) {
	t.Parallel()
	r := run(t, "shell = \"cat; echo; echo warning >&2\"\ninput = \"stdin\"\nresult = \"json\"", tasktest.Input(map[string]any{"name": "Ada"}))
	if r.Outcome() != "succeeded" || r.Result() != `{"name":"Ada"}` {
		t.Errorf("%s %s, result %s", r.Outcome(), r.Message(), r.Result())
	}
	for shell, want := range map[string]string{
		"true":     "printed no result",
		"echo '{'": "not JSON",
		"head -c 600000 /dev/zero | tr '\\\\0' 1": "more than",
	} {
		r := run(t, fmt.Sprintf("shell = \"%s\"\nresult = \"json\"", shell))
		if r.Outcome() != "failed" || !strings.Contains(r.Message(), want) {
			t.Errorf("%s: %s %s; want %q", shell, r.Outcome(), r.Message(), want)
		}
	}
	if r := run(t, `shell = "cat"`); r.Outcome() != "succeeded" || r.Result() != "" || logged(r, "stdout") != "" {
		t.Errorf("without input and result: %s, %q, %q", r.Outcome(), r.Result(), logged(r, "stdout"))
	}
}

func TestAFailureSaysWhatTheCommandSaidLast(t *testing.T) {
	t.Parallel()
	r := run(t, `shell = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; done; exit 3"`)
	m := r.Message()
	if r.Outcome() != "failed" || r.Class() != "error" || !strings.Contains(m, "exit 3") || !strings.Contains(m, "line 50") || !strings.Contains(m, "line 31") || strings.Contains(m, "line 30\n") {
		t.Errorf("%s %s: %s", r.Outcome(), r.Class(), m)
	}
}

func TestAProgramThatIsNotThereIsAPermanentFailure(t *testing.T) {
	t.Parallel()
	for _, hcl := range []string{`command = ["/nowhere/to/be/found"]`, `command = ["no-such-program-at-all"]`, `command = ["/etc/passwd"]`, "shell = \"true\"\ndir = \"/nowhere\"", "shell = \"true\"\nenv_from = [\"/nowhere\"]"} {
		if r := run(t, hcl); r.Outcome() != "failed" || r.Class() != "permanent" {
			t.Errorf("%s: %s %s %s", hcl, r.Outcome(), r.Class(), r.Message())
		}
	}
}

func TestADrainLetsAPeriodicCommandFinish(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := run(t, fmt.Sprintf(`shell = "echo begun; until [ -e %s ]; do sleep 0.01; done; echo done"`, gate))
	until(t, "the command runs", func() bool { return logged(r, "stdout") == "begun" })
	r.Stop(time.Minute)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.Outcome() != "succeeded" {
		t.Errorf("%s: %s", r.Outcome(), r.Message())
	}
	wantLog(t, r, "stdout", "begun|done")
}

func TestAPeriodicCommandThatADrainEndsIsInterrupted(t *testing.T) {
	t.Parallel()
	for shell, outcome := range map[string]string{
		"echo begun; exec sleep 60":                                        "interrupted",
		"trap 'exit 3' TERM; echo begun; sleep 60 & wait":                  "interrupted",
		"trap 'echo in time; exit 0' TERM; echo begun; sleep 60 & wait $!": "succeeded",
	} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			r := run(t, fmt.Sprintf("shell = %q\nstop_signal = \"TERM\"", shell))
			until(t, "the command runs", func() bool { return logged(r, "stdout") == "begun" })
			r.Stop(time.Minute)
			if r.Outcome() != outcome {
				t.Errorf("%s: %s, want %s: %s", shell, r.Outcome(), outcome, r.Message())
			}
		})
	}
}

func TestADrainEndsADaemonWell(t *testing.T) {
	t.Parallel()
	for name, shell := range map[string]string{
		"by the signal":   "echo begun; exec sleep 60",
		"by a trap":       "trap 'echo bye; exit 0' TERM; echo begun; sleep 60 & wait",
		"as a shell says": "trap 'exit 143' TERM; echo begun; sleep 60 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, fmt.Sprintf("shell = %q", shell), tasktest.Mode(task.ModeContinuous))
			until(t, "it runs and is ready", func() bool { return logged(r, "stdout") == "begun" && len(r.Ready()) == 1 })
			r.Stop(time.Minute)
			if r.Outcome() != "succeeded" {
				t.Errorf("%s: %s", r.Outcome(), r.Message())
			}
		})
	}
}

func TestACancelThatIsIgnoredEndsInAKill(t *testing.T) {
	t.Parallel()
	r := run(t, `shell = "trap '' TERM; echo begun; while :; do sleep 0.05; done"`)
	until(t, "the command runs", func() bool { return logged(r, "stdout") == "begun" })
	r.Cancel()
	if r.Outcome() != "cancelled" || !strings.Contains(r.Message(), "SIGKILL") {
		t.Errorf("%s: %s", r.Outcome(), r.Message())
	}
}

func TestATimeoutIsATimeout(t *testing.T) {
	t.Parallel()
	r := run(t, `shell = "exec sleep 60"`, tasktest.Timeout(50*time.Millisecond))
	if r.Outcome() != "timed_out" {
		t.Errorf("%s: %s", r.Outcome(), r.Message())
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// pids reads process numbers that a command wrote to its log.
func pids(t *testing.T, r *tasktest.Task, n int) []int {
	t.Helper()
	var found []int
	until(t, fmt.Sprint(n, " processes run"), func() bool {
		found = nil
		for word := range strings.SplitSeq(logged(r, "stdout"), "|") {
			if pid, err := strconv.Atoi(word); err == nil {
				found = append(found, pid)
			}
		}
		return len(found) == n
	})
	return found
}

// A child, a child in a session of its own, and one that was forked twice without
// environment and holds the output: none outlives its command, whatever ends that.
const family = `sleep 61 & echo $!; setsid sh -c 'echo $$; exec sleep 62' & env -i /bin/sh -c 'PATH=/usr/bin:/bin; (setsid sh -c "echo \$\$; trap : TERM HUP; while :; do sleep 63; done" &)'; `

func TestNothingOfTheTreeOutlivesTheCommand(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("looks at /proc")
	}
	t.Parallel()
	for name, end := range map[string]struct {
		rest string
		by   func(*tasktest.Task)
		want string
	}{
		"when it returns":      {"until [ -e GATE ]; do sleep 0.01; done", func(*tasktest.Task) {}, "succeeded"},
		"when it is cancelled": {"wait; sleep 64", func(r *tasktest.Task) { r.Cancel() }, "cancelled"},
		"when it ignores that": {"trap '' TERM; while :; do sleep 0.05; done", func(r *tasktest.Task) { r.Cancel() }, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := filepath.Join(t.TempDir(), "gate")
			r := run(t, fmt.Sprintf("shell = %q", family+strings.ReplaceAll(end.rest, "GATE", gate)))
			children := pids(t, r, 3)
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			end.by(r)
			if r.Outcome() != end.want {
				t.Errorf("%s: %s", r.Outcome(), r.Message())
			}
			for _, pid := range children {
				if alive(pid) {
					t.Errorf("process %d is alive after the end", pid)
				}
			}
		})
	}
}

func TestTheCommandDiesWithThePlugin(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs the parent-death signal")
	}
	t.Parallel()
	r := run(t, `shell = "echo $$; exec sleep 60"`)
	pid := pids(t, r, 1)[0]
	r.Kill()
	until(t, "the command dies", func() bool { return !alive(pid) })
}

func TestAFloodOfOutputIsSplitAndBounded(t *testing.T) {
	t.Parallel()
	r := run(t, `shell = "head -c 3000000 /dev/zero | tr '\\0' x; echo; printf 'a\\000b\\377c\\033[1m'; exit 9"`)
	if r.Outcome() != "failed" || len(r.Message()) > 32<<10 {
		t.Errorf("%s with a message of %d bytes", r.Outcome(), len(r.Message()))
	}
	all := ""
	until(t, "the last line is in the log", func() bool {
		all = strings.ReplaceAll(logged(r, "stdout"), "|", "")
		return strings.HasSuffix(all, "a\x00b\uFFFDc\x1b[1m")
	})
	if n := strings.Count(all, "x"); n != 3_000_000 {
		t.Errorf("%d of 3000000 bytes are in the log", n)
	}
}

func TestManyRunsInOneProcessLeaveNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("looks at /proc")
	}
	t.Parallel()
	r := run(t, `shell = "echo $PPID"`)
	plugin := pids(t, r, 1)[0]
	count := func() int {
		found, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", plugin))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	r.Wait()
	before := count()
	for range 30 {
		r = r.Next()
		if r.Outcome() != "succeeded" {
			t.Fatalf("%s: %s", r.Outcome(), r.Message())
		}
	}
	if after := count(); after > before+2 {
		t.Errorf("%d descriptors after 30 runs, %d before", after, before)
	}
}

func TestThePluginDescribesItself(t *testing.T) {
	t.Parallel()
	p := program(t)
	tasktest.NoSideEffects(t, p)
	d := p.Describe()
	var types []string
	for _, typ := range d.Types {
		types = append(types, typ.Name+" "+strings.Join(typ.Modes, " "))
	}
	want := []string{"command periodic on_demand continuous", "handle continuous", "handle_batch continuous"}
	if diff := cmp.Diff(want, types); d.Plugin != "exec" || diff != "" {
		t.Errorf("%s (-want +got):\n%s", d.Plugin, diff)
	}
	if err := p.Validate("command", `shel = "x"`); err == nil || !strings.Contains(err.Error(), "shell") {
		t.Errorf("a typo = %v", err)
	}
}

func TestREADMEHoldsTheConfig(t *testing.T) { readme.Check(t, plugin()) }
