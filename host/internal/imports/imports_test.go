package imports_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// value evaluates what was written.
func value(t interface{ Fatalf(string, ...any) }, v imports.Value) string {
	expr, diags := hclsyntax.ParseExpression([]byte(v), "x.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", v, diags)
	}
	out, diags := expr.Value(nil)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", v, diags)
	}
	return out.AsString()
}

func TestATextMeansInHCLWhatItMeantBefore(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", `a "b" \c`, "$HOME ${A} $${B} $$${C} %{d} %%{e} ${", "line\nline\ttab\rend", "\x1b[2J\x01", "$", "%", "${", "äöü €"} {
		if got := value(t, imports.String(text)); got != text {
			t.Errorf("%q is %q", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"$", "%", "{", "}", `"`, `\`, "\n", "a", " ", "~", "'"})).Draw(t, "parts"), "")
		if got := value(t, imports.String(text)); got != text {
			t.Errorf("%q is %q", text, got)
		}
	})
}

func TestWhatMostTasksHaveInCommonIsADefault(t *testing.T) {
	t.Parallel()
	f := &imports.Found{}
	for i, user := range []string{"web", "web", "root"} {
		task := f.Add(fmt.Sprint("t", i), imports.Place{File: "tab", Line: i + 1})
		task.Mode = imports.Periodic
		task.Set("plugin", imports.String("exec"))
		task.Set("user", imports.String(user))
		task.Set("periodic.cron", imports.String("@daily"))
		if i > 0 { // not all of them
			task.Set("timeout", imports.Duration(time.Hour))
		}
		task.Set("config.shell", imports.String("true"))
	}
	every := f.Add("every", imports.Place{File: "tab"})
	every.Mode = imports.Continuous
	every.Set("plugin", imports.String("exec"))
	every.Set("user", imports.String("web"))
	every.Set("config.shell", imports.String("true"))
	flat := string(imports.Write(f, imports.Output{Flat: true}))
	if strings.Contains(flat, "defaults") || strings.Count(flat, "plugin") != 4 || strings.Count(flat, "user") != 4 {
		t.Errorf("without defaults it is\n%s", flat)
	}
	got := string(imports.Write(f, imports.Output{}))
	head, rest, _ := strings.Cut(got, "\n}\n")
	if head != "defaults {\n  plugin = \"exec\"\n  user   = \"web\"" {
		t.Errorf("the defaults are\n%s", head)
	}
	if strings.Count(rest, "user") != 1 || strings.Count(rest, "timeout") != 2 || strings.Count(rest, "shell") != 4 || strings.Count(rest, "cron") != 3 || !strings.Contains(rest, "  continuous {}\n") {
		t.Errorf("the tasks are\n%s", rest)
	}
}

func TestCommentsCannotBecomeAnythingElse(t *testing.T) {
	t.Parallel()
	f := &imports.Found{Comments: []string{"one\ntask \"x\" {}", "\x1b[2J two", "three\u2028task"}}
	for line := range strings.Lines(string(imports.Write(f, imports.Output{Heading: []string{"a\rb"}}))) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "# ") || strings.ContainsAny(line, "\x1b\r\u2028") {
			t.Errorf("%q", line)
		}
	}
}

func TestNamesComeFromWhatACommandIsAbout(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"/usr/local/bin/backup.sh --all": "backup", "cd /srv/app && ./bin/report": "report", "test -x /usr/sbin/x || /bin/y": "y", "[ -f /etc/z ] && z": "z",
		"flock -n /run/a.lock nice -n 5 /opt/job": "job", "A=1 B=2 python3.12 /srv/a.py": "a", "bash -c 'sync-all now'": "sync-all", "sleep 30; true": "otherwise", "": "otherwise",
		"php /home/x/artisan schedule:run": "artisan", "cd / && run-parts --report /etc/cron.daily": "cron.daily", "timeout 5m /bin/slow": "slow",
	} {
		if got := imports.NameOf(command, "otherwise"); got != want {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}
