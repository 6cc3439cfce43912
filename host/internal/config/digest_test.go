package config

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const digestBase = `
task "a" {
  plugin = "http"
  type   = "check"
  on_demand {}
  env = { TOKEN = secret("file:secret") }
  config {
    url   = "https://example.org"
    token = secret("file:secret")
  }
}
`

// load loads one file beside a secret.
func load(t *testing.T, text, secret string, change func(*Options)) *Config {
	t.Helper()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(text)}, {Name: "secret", Data: []byte(secret)}}})
	if change != nil {
		change(&s.options)
	}
	c, diags, _ := Load(t.Context(), s.options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// digestAt is the digest as if the files had stood in dir.
func digestAt(c *Config, dir, key string) string {
	for i := range c.Tasks {
		c.Tasks[i].Dir = dir
	}
	return Digest(c.Tasks, c.Groups, []byte(key))
}

func TestDigestTellsWhatTasksDo(t *testing.T) {
	t.Parallel()
	base := digestAt(load(t, digestBase, "one-secret", nil), "/here", "")
	for _, test := range []struct {
		name         string
		text, secret string
		key          string
		dir          string
		same         bool
	}{
		{"the same again", digestBase, "one-secret", "", "", true},
		{"moved down", "\n\n# a comment\n" + digestBase, "one-secret", "", "", true},
		{"another default written out", strings.Replace(digestBase, "on_demand {}", "on_demand {}\n idle = \"60s\"", 1), "one-secret", "", "", true},
		{"another host setting", digestBase + "host {\n log {\n level = \"debug\"\n }\n}", "one-secret", "", "", true},
		{"another secret", digestBase, "two-secret", "", "", false},
		{"another url", strings.Replace(digestBase, "example", "sample", 1), "one-secret", "", "", false},
		{"another task", digestBase + "task \"b\" {\n plugin = \"exec\"\n on_demand {}\n}", "one-secret", "", "", false},
		{"another group", digestBase + "group \"g\" {\n max = 1\n}", "one-secret", "", "", false},
		{"another key", digestBase, "one-secret", "key", "", false},
		{"another directory", digestBase, "one-secret", "", "/there", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := digestAt(load(t, test.text, test.secret, nil), cmp.Or(test.dir, "/here"), test.key)
			if (got == base) != test.same {
				t.Errorf("digest %s, was %s", got, base)
			}
		})
	}
}

func TestKeyIsAskedForInTheDataDirectory(t *testing.T) {
	t.Parallel()
	var asked string
	c := load(t, digestBase+"host {\n data_dir = \"kept\"\n}", "x-secret", func(o *Options) {
		o.Key = func(dir string) ([]byte, error) { asked = dir; return nil, nil }
	})
	if asked != c.Host.DataDir || !strings.HasSuffix(asked, "/kept") {
		t.Errorf("asked in %q", asked)
	}
}

func TestUnreadableKeyIsADiagnostic(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte("locals {}\n")}}})
	s.options.Key = func(string) ([]byte, error) { return nil, errors.New("permission denied") }
	_, diags, _ := Load(t.Context(), s.options)
	if !diags.HasErrors() || !strings.Contains(diags[0].Summary, "permission denied") {
		t.Error(diags)
	}
}

func TestSecretsReachThePluginInTheClear(t *testing.T) {
	t.Parallel()
	c := load(t, digestBase, canary+"\n", nil)
	if d := c.Tasks[0]; !bytes.Contains(d.Config.Msgpack, []byte(canary)) || d.Env["TOKEN"] != canary {
		t.Errorf("config %q, env %q", d.Config.Msgpack, d.Env)
	}
}
