package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// companions are what must stand beside an attribute so that it is looked at.
var companions = map[string]string{
	"periodic.offset":          `every = "1m"`,
	"periodic.time_zone":       `cron = "* * * * *"`,
	"watchdog.action":          `timeout = "1s"`,
	"group.burst":              `rate = "1/s"`,
	"validation.error_message": "condition = false",
}

// TestTheDecoderReadsEveryAttributeOfTheReference gives each attribute an expression
// that fails, and expects to hear of it. That the decoder reads nothing else holds by
// itself: it panics when asked for a name that the grammar does not have.
func TestTheDecoderReadsEveryAttributeOfTheReference(t *testing.T) {
	t.Parallel()
	var walk func(s *shape, path []*shape)
	walk = func(s *shape, path []*shape) {
		path = append(slices.Clone(path), s)
		for _, a := range s.attrs {
			name := a.name
			for _, p := range slices.Backward(path) {
				name = p.name + "." + name
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// Nothing calls upper without an argument with success.
				text := "\n" + a.name + " = upper()\n" + companions[s.name+"."+a.name] + "\n"
				for _, p := range slices.Backward(path) {
					label := ""
					if p.label != "" {
						label = ` "x"`
					}
					text = p.name + label + " {\n" + text + "}\n"
				}
				scene := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(text)}}})
				_, diags, _ := Load(t.Context(), scene.options)
				for _, d := range diags {
					line := strings.Split(text, "\n")[max(subject(d).Start.Line-1, 0)]
					if strings.HasPrefix(strings.TrimSpace(line), a.name+" = upper()") && subject(d).Start.Column > 1 {
						return
					}
				}
				t.Errorf("nobody looked at it:\n%s\n%v", text, diags)
			})
		}
		for _, b := range s.blocks {
			walk(b, path)
		}
	}
	for _, b := range rootShape.blocks {
		walk(b, nil)
	}
}

func TestTheReferenceDocumentsEveryAttribute(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range Reference() {
		if d.Doc == "" {
			t.Errorf("%s has no documentation", d.Path)
		}
		if !d.Block && d.Type == "" {
			t.Errorf("%s has no type", d.Path)
		}
		if seen[d.Path] {
			t.Errorf("%s is listed twice", d.Path)
		}
		seen[d.Path] = true
	}
	for _, path := range []string{"host.admin.listen", "task[name].periodic.catch_up.window", "task[name].after_run[task].outcome", "variable[name].validation.condition"} {
		if !seen[path] {
			t.Errorf("%s is missing", path)
		}
	}
}

func TestTheReferenceDocumentsExactlyTheFunctionsThatCanBeCalled(t *testing.T) {
	t.Parallel()
	all := outside{}.functions(".")
	documented := map[string]bool{}
	for _, d := range Functions() {
		documented[d.Name] = true
		if _, ok := all[d.Name]; !ok {
			t.Errorf("there is no function %s", d.Name)
		}
	}
	for name := range all {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}

func TestTheReferenceAsMarkdownHoldsEverything(t *testing.T) {
	t.Parallel()
	text := Markdown()
	for _, d := range Reference() {
		name := d.Path[strings.LastIndexByte(d.Path, '.')+1:]
		if !strings.Contains(text, name) || !strings.Contains(text, d.Doc) {
			t.Errorf("%s is missing", d.Path)
		}
	}
	for _, d := range Functions() {
		if !strings.Contains(text, "`"+d.Call+"`") {
			t.Errorf("%s is missing", d.Name)
		}
	}
}
