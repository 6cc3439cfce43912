package task_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

// contains reports each of wants that is not in text.
func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, text)
		}
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, "testdata/plugin")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.hcl", "name = \"ann\"\ntimes = 2\ntoken = \"hunter2\"\n")
	goodJSON := file("good.hcl.json", `{"name": "ann"}`)
	bad := file("bad.hcl", "nam = \"ann\"\ntimes = 0\n")
	cross := file("cross.hcl", "name = \"nobody\"\n")
	forever := file("forever.hcl", "name = \"ann\"\ntimes = 2\npause = \"1h\"\n")
	for _, c := range []struct {
		name        string
		args        []string
		code        int
		out, stderr []string
	}{
		{"no arguments explain the binary", nil, 2, nil, []string{"greeter 1.2.3 is a plugin of taskhost", "greet somebody", `plugin = "greeter"`, "describe", "validate -c FILE"}},
		{"help", []string{"--help"}, 0, []string{"greeter 1.2.3 is a plugin"}, nil},
		{"version", []string{"version"}, 0, []string{"greeter 1.2.3 (protocol 1)"}, nil},
		{"a typo", []string{"descrbe"}, 2, nil, []string{`greeter has no command "descrbe"; did you mean "describe"?`}},
		{"too many arguments", []string{"version", "now"}, 2, nil, []string{`unexpected argument "now"`}},
		{"unknown flag", []string{"validate", "-x"}, 2, nil, []string{"flag provided but not defined: -x"}},
		{"validate", []string{"validate", "-c", good, "-type", "greet"}, 0, []string{"is a valid config of type greet"}, nil},
		{"validate JSON, two dashes", []string{"validate", "--c", goodJSON, "--type=greet"}, 0, []string{"is a valid config"}, nil},
		{"validate all that is wrong", []string{"validate", "-c", bad, "-type", "greet"}, 1, nil, []string{`Unknown attribute "nam"`, `Did you mean "name"?`, "times: 0 must be at least 1"}},
		{"validate across fields", []string{"validate", "-c", cross, "-type", "greet"}, 1, nil, []string{"nobody cannot be greeted", "line 1"}},
		{"validate without a type", []string{"validate", "-c", good}, 2, nil, []string{"name one of the types with -type: greet, answer"}},
		{"validate an unknown type", []string{"validate", "-c", good, "-type", "gret"}, 2, nil, []string{`greeter has no type "gret"; did you mean "greet"?`}},
		{"validate without a file", []string{"validate", "-type", "greet"}, 2, nil, []string{"name a file with -c"}},
		{"validate a missing file", []string{"validate", "-c", dir + "/none.hcl", "-type", "greet"}, 1, nil, []string{"no such file"}},
		{"run", []string{"run", "--once", "-c", good, "-type", "greet"}, 0, []string{`"outcome": "succeeded"`, `"greeted": 2`, `"last": "ann"`}, []string{"[INFO]  hello:", "token=\"***\""}},
		{"run a job", []string{"run", "-c", good, "-type", "answer", "-input", `{"text":"hi"}`}, 0, []string{`"text": "hi, ann"`}, nil},
		{"run with a wrong input", []string{"run", "-c", good, "-type", "answer", "-input", `{"txt":"hi"}`}, 2, nil, []string{"-input: ", "txt"}},
		{"run with an input that nobody takes", []string{"run", "-c", good, "-type", "greet", "-input", `1`}, 2, nil, []string{`type "greet" takes no input`}},
		{"run with a timeout", []string{"run", "-c", forever, "-type", "greet", "-timeout", "50ms"}, 1, []string{`"outcome": "timed_out"`}, nil},
		{"run with a bad duration", []string{"run", "-c", good, "-type", "greet", "-timeout", "soon"}, 2, nil, []string{"-timeout: "}},
		{"run a bad config", []string{"run", "-c", bad, "-type", "greet"}, 1, nil, []string{`Unknown attribute "nam"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, stderr, code := p.Command(nil, c.args...)
			equal(t, "exit code", code, c.code)
			contains(t, "stdout", out, c.out...)
			contains(t, "stderr", stderr, c.stderr...)
			check(t, "hunter2", "output", out+stderr)
		})
	}
	t.Run("describe is one JSON document", func(t *testing.T) {
		out, _, _ := p.Command(nil, "describe")
		var d map[string]any
		if err := json.Unmarshal([]byte(out), &d); err != nil || d["plugin"] != "greeter" {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("validate on the wire", func(t *testing.T) {
		for _, c := range []struct {
			stdin []byte
			code  int
			want  string
		}{
			// {"name": …, "pause": "0s", "times": 1, "token": nil} as msgpack
			{[]byte("\x84\xa4name\xa3ann\xa5pause\xa20s\xa5times\x01\xa5token\xc0"), 0, "{\"problems\":[]}\n"},
			{[]byte("\x84\xa4name\xa6nobody\xa5pause\xa20s\xa5times\x01\xa5token\xc0"), 0,
				`{"problems":[{"path":[{"attr":"name"}],"summary":"nobody cannot be greeted"}]}` + "\n"},
			{[]byte("garbage"), 1, ""},
		} {
			out, _, code := p.Command(c.stdin, "validate", "-wire", "-type", "greet")
			equal(t, "exit code", code, c.code)
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("validate many on the wire", func(t *testing.T) {
		good, bad := []byte("\x84\xa4name\xa3ann\xa5pause\xa20s\xa5times\x01\xa5token\xc0"), []byte("\x84\xa4name\xa6nobody\xa5pause\xa20s\xa5times\x01\xa5token\xc0")
		for _, c := range []struct {
			configs [][]byte
			code    int
			want    string
		}{
			{[][]byte{good, bad, good}, 0, `[{"problems":[]},{"problems":[{"path":[{"attr":"name"}],"summary":"nobody cannot be greeted"}]},{"problems":[]}]` + "\n"},
			{[][]byte{}, 0, "[]\n"},
			{[][]byte{good, []byte("garbage")}, 1, ""},
		} {
			stdin, err := json.Marshal(c.configs)
			if err != nil {
				t.Fatal(err)
			}
			out, _, code := p.Command(stdin, "validate", "-wire", "-many", "-type", "greet")
			equal(t, "exit code", code, c.code)
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("a wrong declaration is named", func(t *testing.T) {
		_, stderr, code := tasktest.Binary(t, "testdata/broken").Command(nil, "describe")
		equal(t, "exit code", code, 2)
		contains(t, "stderr", stderr, `task.Serve: plugin "broken": type "Run"`, "sometimes")
	})
}

func TestServedProcess(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, "testdata/plugin")
	run := func(t *testing.T, typ string) *tasktest.Task {
		t.Helper()
		r := p.Run(typ, "name = \"ann\"\ntoken = \"hunter2\"", tasktest.Env("PLUGIN_OF_TASK", "mine"))
		if typ != "greet" && typ != "crash" {
			r.WaitReady()
		}
		return r
	}
	t.Run("prints and logs reach the host through the real descriptors", func(t *testing.T) {
		t.Parallel()
		r := run(t, "talk")
		r.Stop(time.Minute)
		equal(t, "outcome", r.Outcome(), "interrupted")
		equal(t, "ready", strings.Join(r.Ready(), ""), "talking")
		r.Close(time.Second)
		equal(t, "exit code", r.ExitCode(), 0)
		var got []string
		for _, l := range r.Logs() {
			if l.Level != "debug" {
				got = append(got, strings.TrimSpace(l.Level+" "+l.Message))
			}
			if s, ok := l.Fields["token"]; ok && s != "***" {
				t.Errorf("the token is shown: %v", s)
			}
		}
		want := []string{"info through slog", "info through the host", "inherited by children: mine", "printed to stderr", "printed to stdout", "warn through log"}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(got))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("SIGTERM drains, SIGINT and SIGPIPE do nothing", func(t *testing.T) {
		t.Parallel()
		r := run(t, "talk")
		r.Signal(os.Interrupt)
		r.Signal(syscall.SIGPIPE)
		equal(t, "state, still there", r.State("none"), "")
		r.Signal(syscall.SIGTERM)
		equal(t, "outcome", r.Outcome(), "failed") // the host has not asked for it
		equal(t, "exit code", r.ExitCode(), 0)
	})
	t.Run("host gone: an idle task ends at once", func(t *testing.T) {
		t.Parallel()
		r := run(t, "greet")
		r.Wait()
		took := hostGone(r)
		equal(t, "exit code", r.ExitCode(), 113)
		if took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("host gone: a run that drains ends at once", func(t *testing.T) {
		t.Parallel()
		r := run(t, "talk")
		took := hostGone(r)
		equal(t, "exit code", r.ExitCode(), 113)
		if took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("host gone: a run that does not drain gets the cause", func(t *testing.T) {
		t.Parallel()
		r := run(t, "linger")
		took := hostGone(r)
		equal(t, "exit code", r.ExitCode(), 113)
		if took < time.Second || took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
		var text string
		for _, l := range r.Logs() {
			text += l.Message + "\n"
		}
		contains(t, "log", text, "cause: the host is gone true")
	})
	t.Run("host gone: a run that never returns does not keep the process", func(t *testing.T) {
		t.Parallel()
		r := run(t, "wedge")
		took := hostGone(r)
		equal(t, "exit code", r.ExitCode(), 113)
		if took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("a panic in a goroutine ends the process and is on stderr", func(t *testing.T) {
		t.Parallel()
		r := run(t, "crash")
		equal(t, "outcome", r.Outcome(), "failed")
		equal(t, "class", r.Class(), "crash")
		equal(t, "exit code", r.ExitCode(), 2)
		var text string
		for _, l := range r.Logs() {
			text += l.Message + "\n"
		}
		contains(t, "stderr", text, "panic: in a goroutine", "goroutine ")
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		r := run(t, "wedge")
		r.Kill()
		equal(t, "outcome", r.Outcome(), "failed")
		equal(t, "exit code", r.ExitCode(), -1)
	})
}

// hostGone takes the host away and is the time that the process then lived.
func hostGone(r *tasktest.Task) time.Duration {
	began := time.Now()
	r.LoseHost()
	r.ExitCode()
	return time.Since(began)
}

func TestSignalsOfATerminal(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, "testdata/plugin")
	file := filepath.Join(t.TempDir(), "c.hcl")
	if err := os.WriteFile(file, []byte("name = \"ann\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ, first string // a line that says that it is at work
		times      int    // that Ctrl-C is pressed
		outcome    string // "" of a process that the last one ended
		code       int
	}{
		{"talk", "printed to stderr", 1, "interrupted", 0},
		{"linger", "lingering", 2, "cancelled", 1},
		{"wedge", "wedged", 3, "", -1},
		{"stuck", "opening", 1, "", -1},
	} {
		t.Run(c.typ, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(p.Path, "run", "-c", file, "-type", c.typ)
			var out strings.Builder
			cmd.Stdout = &out
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			waitFor := func(text string) {
				t.Helper()
				for lines.Scan() {
					if strings.Contains(lines.Text(), text) {
						return
					}
				}
				t.Errorf("%q does not appear", text)
			}
			waitFor(c.first)
			answers := []string{"draining; once more to cancel", "cancelling; once more to end it here and now"}
			for n := range c.times {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
				if c.outcome != "" || n < c.times-1 {
					waitFor(answers[n])
				}
			}
			for lines.Scan() { // until it has ended
			}
			_ = cmd.Wait()
			equal(t, "exit code", cmd.ProcessState.ExitCode(), c.code)
			if c.outcome != "" {
				contains(t, "report", out.String(), `"outcome": "`+c.outcome+`"`)
			}
		})
	}
}
