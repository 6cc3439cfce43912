package config

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestTheOriginOfEveryValueIsKnown(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(`
host {
  time_zone = "Europe/Berlin"
  keep {
    failed = 7
  }
}
defaults {
  labels = { team = "shop" }
  stop {
    drain = "30s"
  }
  keep {
    slots = 9
  }
  continuous {
    pause = "1s"
  }
}
task "check" {
  for_each = { a = "x" }
  plugin   = "http"
  type     = "check"
  env      = { TOKEN = secret("env:SECRET_TOKEN") }
  periodic {
    cron = "@daily"
  }
  stop {
    cancel = "1s"
  }
  config {
    url = "https://example.org/${each.value}"
  }
}
`)}}})
	s.options.Explain = "check.a"
	c, diags, _ := Load(t.Context(), s.options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got := map[string]string{}
	for _, o := range c.Origins {
		if _, twice := got[o.Path]; twice {
			t.Errorf("%s comes twice", o.Path)
		}
		got[o.Path] = strings.TrimSpace(string(o.From) + " " + strings.TrimPrefix(filepath.Base(o.Place), "a.hcl:") + " " + o.Value)
	}
	for path, want := range map[string]string{
		"plugin":             "task 22 http",
		"labels":             `defaults 9 {"team":"shop"}`,
		"env":                "task 24 " + hidden,
		"periodic.cron":      "task 26 @daily",
		"periodic.time_zone": "host 3 Europe/Berlin",
		"periodic.overlap":   "built in . skip",
		"stop.drain":         "defaults 11 30s",
		"stop.cancel":        "task 29 1s",
		"keep.slots":         "defaults 14 9",
		"keep.failed":        "host 5 7",
		"keep.succeeded":     "built in . 1000",
		"config.url":         `for_each 32 "https://example.org/x"`,
	} {
		if got[path] != want {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
	}
	for path := range got {
		if strings.HasPrefix(path, "continuous.") {
			t.Errorf("%s has no meaning for a periodic task", path)
		}
	}
	if text, err := json.Marshal(c.Origins); err != nil || strings.Contains(string(text), canary) {
		t.Errorf("the secret stands in the origins, or %v", err)
	}
}

func TestOriginsAreOnlyToldWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte("task \"a\" {\n  plugin = \"exec\"\n  on_demand {}\n  config {\n    command = [\"true\"]\n  }\n}\n")}}})
	for name, want := range map[string]bool{"": false, "b": false, "a": true} {
		s.options.Explain = name
		c, _, _ := Load(t.Context(), s.options)
		if got := len(c.Origins) > 0; got != want {
			t.Errorf("%q: origins %v", name, c.Origins)
		}
	}
}
