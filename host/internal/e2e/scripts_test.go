package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// guide is the page about scripts: what it shows is what is run.
const guide = "../../../docs/guide/scripts.md"

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// shown are the blocks of the guide in a language that hold a text.
func shown(t *testing.T, language, with string) (found []string) {
	t.Helper()
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		if m[1] == language && strings.Contains(m[2], with) {
			found = append(found, m[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("the guide shows no %s with %s", language, with)
	}
	return found
}

var scriptName = regexp.MustCompile(`^#!/bin/sh\n# ([a-z]+\.sh)\n`)

// patient gives commands time to end by themselves.
const patient = "defaults {\n  stop {\n    drain = \"30s\"\n    cancel = \"5s\"\n  }\n}\n"

// scripted is a host on what the guide shows, with its scripts beside it, more files and taskhost in the PATH.
func scripted(t *testing.T, hcl string, files map[string]string) *admintest.Host {
	t.Helper()
	dir := t.TempDir()
	for _, text := range shown(t, "sh", "") {
		if m := scriptName.FindStringSubmatch(text); m != nil {
			write(t, filepath.Join(dir, m[1]), text)
		}
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return stageWith(t, admintest.Options{HCL: patient + hcl, Plugins: []string{"plugins/exec"}, Dir: dir, Env: []string{"PATH=" + withoutTaskhost()}})
}

// withoutTaskhost is a PATH that holds no taskhost: a script finds that of its host all the same.
func withoutTaskhost() string {
	dirs := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "taskhost"))
		return err == nil
	})
	return strings.Join(dirs, string(os.PathListSeparator))
}

// withTaskhost is a PATH in which there is taskhost.
func withTaskhost(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(admintest.Build(t, "host/cmd/taskhost"), filepath.Join(bin, "taskhost")); err != nil {
		t.Fatal(err)
	}
	return bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// messages are the values that wait in a queue.
func messages(t *testing.T, h *admintest.Host, queue string) (values []string) {
	t.Helper()
	l, err := h.Peek(t.Context(), queue, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Items {
		values = append(values, string(m.Value))
	}
	return values
}

func TestAScriptGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	h := scripted(t, strings.Replace(shown(t, "hcl", `task "export"`)[0], "run_on_start = true", "", 1), map[string]string{"orders.csv": "a1,3\na2,4\n"})
	first := run(t, h, "export", admin.RunRequest{})
	if first.Outcome != "succeeded" {
		t.Fatalf("%s %+v\n%s", first.Outcome, first.Error, logOf(t, h, first.ID))
	}
	if p := first.Progress; p == nil || p.Done != 2 || p.Total != 2 || p.Note != "exporting lines 0 to 2" {
		t.Errorf("progress is %+v", p)
	}
	if again := run(t, h, "export", admin.RunRequest{}); again.Outcome != "skipped" || again.Note != "exit 75" {
		t.Errorf("with nothing to do: %s %q", again.Outcome, again.Note)
	}
	write(t, filepath.Join(h.Dir, "orders.csv"), "a1,3\na2,4\na3,5\na4,broken\n")
	if bad := run(t, h, "export", admin.RunRequest{}); bad.Outcome != "failed" || !strings.Contains(bad.Error.Message, "exit") {
		t.Errorf("with a line that is no JSON: %s %+v", bad.Outcome, bad.Error)
	}
	write(t, filepath.Join(h.Dir, "orders.csv"), "a1,3\na2,4\na3,5\n")
	if last := run(t, h, "export", admin.RunRequest{}); last.Outcome != "succeeded" {
		t.Errorf("%s %+v", last.Outcome, last.Error)
	}
	if diff := cmp.Diff([]string{`{"id":"a1","amount":3}`, `{"id":"a2","amount":4}`, `{"id":"a3","amount":5}`}, messages(t, h, "changes")); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	c, err := h.Checkpoint(t.Context(), "export")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Values["cursor"].Value); got != "3" {
		t.Errorf("cursor = %s", got)
	}
}

func TestAScriptsNextAttemptGoesOn(t *testing.T) {
	t.Parallel()
	part := "#!/bin/sh\n[ $1 != 3 ] || [ -e failed ] || { touch failed; exit 1; }\necho $1 >> parts\n"
	h := scripted(t, shown(t, "hcl", `task "migrate"`)[0], map[string]string{"part.sh": part})
	got := run(t, h, "migrate", admin.RunRequest{})
	text, err := os.ReadFile(filepath.Join(h.Dir, "parts"))
	if err != nil || string(text) != "1\n2\n3\n4\n5\n" || got.Outcome != "succeeded" || len(got.Attempts) != 2 {
		t.Errorf("%s %+v after %d attempts, parts %q, %v\n%s", got.Outcome, got.Error, len(got.Attempts), text, err, logOf(t, h, got.ID))
	}
}

func TestAScriptHandlesMessages(t *testing.T) {
	t.Parallel()
	h := scripted(t, shown(t, "hcl", `task "thumbnail"`)[0]+shown(t, "hcl", `task "load"`)[0], nil)
	for id, value := range map[string]string{"good": `{"file":"a.png"}`, "bad": `{"fil":"a.png"}`} {
		if _, err := h.Post(t.Context(), "uploads", json.RawMessage(value), admin.PostOptions{ID: id, Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	untilQueue(h, "uploads", "has nothing left", empty)
	if diff := cmp.Diff([]string{`{"file":"a.png"}`}, messages(t, h, "thumbnails")); diff != "" {
		t.Errorf("thumbnails (-want +got):\n%s", diff)
	}
	dead, err := h.DeadLetters(t.Context(), "uploads", 10, "")
	if err != nil || len(dead.Items) != 1 || dead.Items[0].ID != "bad" || dead.Items[0].Reason != "permanent" || !strings.Contains(dead.Items[0].LastError, "message bad names no file") {
		t.Errorf("dead letters: %+v, %v", dead.Items, err)
	}
	if _, err := h.Post(t.Context(), "rows", json.RawMessage(`{"n":1}`), admin.PostOptions{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	untilQueue(h, "rows", "has nothing left", empty)
	text, err := os.ReadFile(filepath.Join(h.Dir, "loaded.jsonl"))
	if err != nil || !bytes.HasPrefix(text, []byte(`{"id":"r1","attempt":1,`)) || !bytes.Contains(text, []byte(`"value":{"n":1}}`)) {
		t.Errorf("loaded %s, %v", text, err)
	}
}

func TestAScriptIsADaemon(t *testing.T) {
	t.Parallel()
	h := scripted(t, shown(t, "hcl", `task "poller"`)[0], nil)
	untilTask(h, "poller", "is ready", func(t admin.Task) bool { return t.Ready })
	h.Until("it saves", func(ctx context.Context) error {
		c, err := h.Checkpoint(ctx, "poller")
		if err == nil && len(c.Values["seen"].Value) == 0 {
			err = fmt.Errorf("its checkpoint is %v", c.Values)
		}
		return err
	})
	untilStopped(t, h, "poller", "stopping")
}

// Every verb, outside of a task and with what cannot be meant, says so.
func TestNotifyOutsideOfATaskSaysSo(t *testing.T) {
	t.Parallel()
	taskhost := admintest.Build(t, "host/cmd/taskhost")
	for _, c := range []struct {
		args []string
		env  string
		code int
		want string
	}{
		{[]string{"progress", "1"}, "", 6, "no command of a task"},
		{[]string{"save", "k", "v"}, "", 6, "no command of a task"},
		{[]string{"load", "k"}, "", 6, "no command of a task"},
		{[]string{"emit", "out", "1"}, "", 6, "no command of a task"},
		{[]string{"ready"}, "/nowhere/socket", 6, "cannot reach the task"},
		{[]string{"progress", "many"}, "", 2, `"many" is no whole number`},
		{[]string{"extend", "soon"}, "", 2, "soon"},
		{[]string{"emit", "out", "{"}, "", 2, "no JSON"},
		{[]string{"emit", "out", ""}, "", 2, "empty"},
		{[]string{"emit", "out", "1", "-lines"}, "", 2, "-lines"},
		{[]string{"sav", "k"}, "", 2, `did you mean "save"`},
	} {
		cmd := exec.CommandContext(t.Context(), taskhost, append([]string{"notify"}, c.args...)...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "TASKHOST_NOTIFY=") })
		cmd.Env = append(cmd.Env, "TASKHOST_NOTIFY="+c.env)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("taskhost notify %s: exit %d, want %d with %q\n%s", strings.Join(c.args, " "), got, c.code, c.want, out)
		}
	}
}
