package configfile_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/sdk/internal/configfile"
	"github.com/taskhost/taskhost/sdk/schema"
)

type config struct {
	URL   string `task:"url"`
	Token string `task:"token,optional,sensitive"`
}

func TestParse(t *testing.T) {
	t.Parallel()
	body, err := schema.Of[config]()
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return "from " + name, name == "HOME_PAGE" }
	for _, c := range []struct {
		name, file, text string
		problems         []schema.Problem
		checkErr         error
		want             string // in the error; "" is none
		print            string
	}{
		{"native", "c.hcl", `url = "x"`, nil, nil, "", ""},
		{"JSON", "c.hcl.json", `{"url": "x"}`, nil, nil, "", ""},
		{"env", "c.hcl", `url = env("HOME_PAGE")`, nil, nil, "", ""},
		{"env that is not set", "c.hcl", `url = env("NONE")`, nil, nil, "the environment variable NONE is not set", "env(\"NONE\")"},
		{"syntax", "c.hcl", `url =`, nil, nil, "c.hcl:1,", "url ="},
		{"a problem of the plugin", "c.hcl", "\nurl = \"x\"", []schema.Problem{{Path: []schema.PathStep{schema.Attr("url")}, Summary: "no good"}}, nil, "c.hcl:2,7-10: url: no good", "2: url = \"x\""},
		{"a warning of the plugin", "c.hcl", `url = "x"`, []schema.Problem{{Summary: "old", Warning: true}}, nil, "", "Warning: old"},
		{"the plugin cannot check", "c.hcl", `url = "x"`, nil, errors.New("dead"), "The plugin cannot read the config: dead", "dead"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := configfile.Parse(body, func([]byte) ([]schema.Problem, error) { return c.problems, c.checkErr }, c.file, []byte(c.text), env)
			err := got.Err()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			var out bytes.Buffer
			got.Print(&out)
			if !strings.Contains(out.String(), c.print) {
				t.Errorf("printed %q, want %q", out.String(), c.print)
			}
		})
	}
	missing := configfile.Load(body, nil, filepath.Join(t.TempDir(), "none.hcl"), nil)
	if err := missing.Err(); err == nil || !strings.Contains(err.Error(), "Cannot read the config") {
		t.Errorf("a missing file: %v", err)
	}
}
