package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
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
	return Digest(c.Tasks, c.Groups, c.Queues, []byte(key))
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
		{"another queue", digestBase + "queue \"q\" {}", "one-secret", "", "", false},
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

// changes gives every attribute about queues a value that is not its default.
var changes = map[string]string{
	"queue.description":           `"x"`,
	"queue.max_messages":          "7",
	"queue.max_bytes":             `"7KiB"`,
	"queue.max_deliveries":        "7",
	"queue.max_age":               `"7s"`,
	"queue.overflow":              `"block"`,
	"queue.ids_for":               `"7s"`,
	"queue.ingress":               "true",
	"queue.redeliver.backoff":     `"7s"`,
	"queue.redeliver.max_backoff": `"7s"`,
	"queue.dead_letters.max":      "7",
	"queue.dead_letters.age":      `"7m"`,
	"consume.concurrency":         "7",
	"consume.rate":                `"7/s"`,
	"consume.order_by":            `"customer"`,
	"consume.batch.size":          "7",
	"consume.batch.wait":          `"7s"`,
	"output.queue":                `"r"`,
}

// pipeline is a configuration with a queue; inside names what stands in its blocks, by their names.
func pipeline(inside map[string]string) string {
	typ, output := "post", "again"
	if strings.Contains(inside["consume"], "batch") {
		typ, output = "load", "invoices"
	}
	wired := cmp.Or(inside["output"], `queue = "q"`)
	return fmt.Sprintf(`
queue "q" {
%s
}
queue "r" {}
task "a" {
  plugin = "erp"
  type   = %q
  continuous {}
  consume "q" {
%s
  }
  output %q {
%s
  }
}
`, inside["queue"], typ, inside["consume"], output, wired)
}

func TestEveryAttributeAboutQueuesIsPartOfTheDigest(t *testing.T) {
	t.Parallel()
	var walk func(outer, path string, s *shape, wrap func(string) string)
	walk = func(outer, path string, s *shape, wrap func(string) string) {
		for _, a := range s.attrs {
			name := path + "." + a.name
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				value, known := changes[name]
				if !known {
					t.Fatal("what is another value of it?")
				}
				before := digestAt(load(t, pipeline(map[string]string{outer: wrap("")}), "", nil), "/here", "")
				after := digestAt(load(t, pipeline(map[string]string{outer: wrap(a.name + " = " + value)}), "", nil), "/here", "")
				if before == after {
					t.Error("the digest does not tell")
				}
			})
		}
		for _, b := range s.blocks {
			walk(outer, path+"."+b.name, b, func(text string) string { return wrap(b.name + " {\n" + text + "\n}") })
		}
	}
	for _, s := range []*shape{queueShape, taskShape.block("consume"), taskShape.block("output")} {
		walk(s.name, s.name, s, func(text string) string { return text })
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
