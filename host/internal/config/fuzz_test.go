package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad checks that no text makes Load panic or show the secret, in native syntax
// and in JSON, with and without an environment.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.txtar", "testdata/bad/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range archive.Files {
				if strings.Contains(file.Name, ".hcl") {
					f.Add(file.Data, strings.HasSuffix(file.Name, ".json"), false)
				}
			}
		}
	}
	for _, text := range []string{
		`locals { a = secret("env:SECRET_TOKEN") ? 1 : 2 }`,
		`task "x" { for_each = { for k in [sensitive("a")] : k => k } }`,
		`task "x" { for_each = toset([sensitive("a")]) }`,
		`task "x" { instances = sensitive(3) }`,
		`variable "x" { type = object({ a = optional(list(object({ b = optional(string, "c") })), [{}]) })` + "\n" + `default = { a = null } }`,
		`task "x" { depends_on = sensitive({}) }`,
		`host { data_dir = [for x in sensitive(["a"]) : x]... }`,
		`locals { a = try(sensitive(tonumber("x")), can(local.a)) }`,
		`locals { a = merge({}, sensitive({ a = 1 }))["a"] }`,
		`locals { a = templatefile("nothing", sensitive({})) }`,
		`queue "q" { max_messages = sensitive(3) }`,
		`queue "q" { redeliver { backoff = env("SITE") } }`,
		"task \"x\" {\nplugin = \"erp\"\ntype = \"post\"\ncontinuous {}\nconsume \"q\" {\nrate = null\nbatch {}\n}\noutput \"again\" {\nqueue = sensitive(\"q\")\n}\n}\nqueue \"q\" {}",
	} {
		f.Add([]byte(text), false, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, isJSON, offline bool) {
		name := "a.hcl"
		if isJSON {
			name = "a.hcl.json"
		}
		s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: name, Data: text}}})
		s.options.Offline = offline
		if strings.Contains(string(text), canary) {
			t.Skip("a secret that is written out is hidden only when it is known to be one")
		}
		s.outcome(t)
	})
}

// FuzzFormat checks that formatting is stable and never panics.
func FuzzFormat(f *testing.F) {
	f.Add([]byte("task \"x\" {\nplugin=\"exec\"\n on_demand {}\n}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, diags := Format(text, "a.hcl")
		if diags.HasErrors() {
			return
		}
		twice, _ := Format(once, "a.hcl")
		if string(once) != string(twice) {
			t.Errorf("formatting twice differs:\n%q\n%q", once, twice)
		}
	})
}
