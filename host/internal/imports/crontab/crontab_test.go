package crontab_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/imports/crontab"
)

// one reads a crontab of one entry.
func one(t *testing.T, text string, o crontab.Options) (*imports.Found, *imports.Task) {
	t.Helper()
	f := crontab.Read([]imports.File{{Name: "tab", Text: text}}, o)
	if len(f.Tasks) != 1 {
		t.Fatalf("%q came to %d tasks: %v", text, len(f.Tasks), f.Notes)
	}
	return f, f.Tasks[0]
}

func TestAPercentSignBeginsTheStandardInput(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		`0 0 * * * a \% b`:          `"a % b"`,
		`0 0 * * * a%one%two`:       `"printf '%s\\n' one two | a"`,
		`0 0 * * * a%it's \%5`:      `"printf '%s\\n' 'it'\\''s %5' | a"`,
		`0 0 * * * a # c%in%`:       `"printf '%s\\n' in | {\na # c\n}"`,
		`0 0 * * * echo ${A} \%{b}`: `"echo $${A} %%{b}"`,
	} {
		if _, task := one(t, entry, crontab.Options{}); string(task.Get("config.shell")) != want {
			t.Errorf("%s: %s, want %s", entry, task.Get("config.shell"), want)
		}
	}
}

func TestTheUserColumnIsFoundByPlaceOrContent(t *testing.T) {
	t.Parallel()
	known := func(name string) bool { return name == "deploy" }
	for _, c := range []struct {
		file, text, user string
		column           crontab.UserColumn
	}{
		{"/etc/cron.d/x", "0 0 * * * web /bin/a", "web", crontab.Auto},
		{"tab", "0 0 * * * deploy /bin/a", "deploy", crontab.Auto},
		{"tab", "0 0 * * * /bin/a x", "", crontab.Auto},
		{"tab", "0 0 * * * deploy", "", crontab.Auto},
		{"tab", "@daily deploy a", "deploy", crontab.Auto},
		{"tab", "0 0 * * * web /bin/a", "web", crontab.Yes},
		{"/etc/cron.d/x", "0 0 * * * web /bin/a", "", crontab.No},
	} {
		f := crontab.Read([]imports.File{{Name: c.file, Text: c.text}}, crontab.Options{UserColumn: c.column, Account: known})
		want := imports.Value("")
		if c.user != "" {
			want = imports.String(c.user)
		}
		if len(f.Tasks) != 1 || f.Tasks[0].Get("user") != want {
			t.Errorf("%s %q: %v", c.file, c.text, f.Tasks)
		}
	}
}

func TestABrokenLineIsNamedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	text := "61 * * * * a\n* * * *\n0 0 * * *\n0~9 0 * * * a\nCRON_TZ=Nowhere/Land\n@every -5m a\n@yearlong a\n0 0 31 2 * a\n\xff\n0 1 * * * /bin/good\n"
	f := crontab.Read([]imports.File{{Name: "tab", Text: text}}, crontab.Options{})
	if len(f.Tasks) != 1 || f.Tasks[0].Name != "good" || !f.Broken() {
		t.Errorf("tasks %v", f.Tasks)
	}
	lines := map[int]string{}
	for _, n := range f.Notes {
		if n.Kind == imports.Broken {
			lines[n.Line] = n.Text
		}
	}
	for line := 1; line <= 9; line++ {
		if lines[line] == "" {
			t.Errorf("nothing is said of line %d: %v", line, lines)
		}
	}
	if !strings.Contains(lines[1], "minute 61") || !strings.Contains(lines[4], "jitter") {
		t.Errorf("notes do not help: %v", lines)
	}
}

func TestSettingsHoldForTheEntriesBelowThem(t *testing.T) {
	t.Parallel()
	f := crontab.Read([]imports.File{{Name: "tab", Text: "A=1\n0 0 * * * /bin/a\n'B' = \" two \"\nA=\n0 0 * * * /bin/b\n"}}, crontab.Options{})
	if got, want := f.Tasks[0].Get("env"), imports.Map(imports.Env{}.With("A", "1").With("PATH", "/usr/bin:/bin")); got != want {
		t.Errorf("the first has %s, want %s", got, want)
	}
	if got, want := f.Tasks[1].Get("env"), imports.Map(imports.Env{}.With("B", " two ").With("A", "").With("PATH", "/usr/bin:/bin")); got != want {
		t.Errorf("the second has %s, want %s", got, want)
	}
}

func TestANameThatIsTakenIsChangedAndSaid(t *testing.T) {
	t.Parallel()
	f := crontab.Read([]imports.File{{Name: "tab", Text: "0 1 * * * /a/prune.sh\n0 2 * * * /b/prune.sh\n0 3 * * * /c/Prune\n"}}, crontab.Options{})
	if f.Tasks[0].Name != "prune" || f.Tasks[1].Name != "prune_2" || f.Tasks[2].Name != "prune_3" {
		t.Errorf("names %s %s %s", f.Tasks[0].Name, f.Tasks[1].Name, f.Tasks[2].Name)
	}
	said := 0
	for _, n := range f.Notes {
		if n.Kind == imports.Renamed && strings.Contains(n.Text, `the name "prune" is taken by tab:1`) {
			said++
		}
	}
	if said != 2 {
		t.Errorf("it was said %d times: %v", said, f.Notes)
	}
}

func TestCornersOfTheAccountColumn(t *testing.T) {
	t.Parallel()
	read := func(column crontab.UserColumn, text string) *imports.Found {
		return crontab.Read([]imports.File{{Name: "tab", Text: text}}, crontab.Options{UserColumn: column, Account: func(name string) bool { return name == "root" }})
	}
	f := read(crontab.Yes, "@every_minute www:web /bin/a\n5 5 * * * \"quoted user\" /bin/b\n")
	if len(f.Tasks) != 1 || f.Tasks[0].Get("user") != `"www"` || f.Tasks[0].Get("group") != `"web"` || f.Tasks[0].Get("periodic.cron") != `"* * * * *"` {
		t.Errorf("tasks %+v", f.Tasks)
	}
	if !slices.ContainsFunc(f.Notes, func(n imports.Note) bool { return n.Line == 2 && n.Kind == imports.Broken }) {
		t.Errorf("a user that cannot be is passed over: %v", f.Notes)
	}
	f = read(crontab.Auto, "0 1 * * * root /bin/a\n0 2 * * * /bin/b\n")
	if len(f.Tasks) != 2 || f.Tasks[0].Get("user") != "" {
		t.Errorf("tasks %+v", f.Tasks)
	}
	if !slices.ContainsFunc(f.Notes, func(n imports.Note) bool { return n.Line == 1 && strings.Contains(n.Text, "-user-column yes") }) {
		t.Errorf("what looks like an account is passed over: %v", f.Notes)
	}
}
