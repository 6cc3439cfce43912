package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestRenderMarksTheRightColumns(t *testing.T) {
	t.Parallel()
	text := "locals {\n\ta = [\"日本e\u0301\", upper()]\n}\n"
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(text)}}})
	_, diags, sources := Load(t.Context(), s.options)
	var plain, color bytes.Buffer
	if err := Render(&plain, diags, sources, false); err != nil {
		t.Fatal(err)
	}
	if err := Render(&color, diags, sources, true); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(s.relative(plain.String()), "\n")
	want := []string{"    1 │ locals {", "    2 │ \ta = [\"日本e\u0301\", upper()]", "      │ \t                    ^"}
	if diff := cmp.Diff(want, lines[1:4]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(color.String(), "\x1b[31m^\x1b[0m") || strings.Contains(plain.String(), "\x1b") {
		t.Errorf("colour: %q", color.String())
	}
}

func TestDiagnosticsForToolsCarryPlaceHintAndTask(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte("task \"x\" {\n  plugin = \"exce\"\n  on_demand {}\n}\n")}}})
	_, diags, sources := Load(t.Context(), s.options)
	got, err := json.Marshal(Diagnostics(diags, sources))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","summary":"there is no plugin \"exce\" in plugins","hint":"did you mean \"exec\"?",` +
		`"task":"x","file":"a.hcl","line":2,"column":12,"end_line":2,"end_column":18,"snippet":"  plugin = \"exce\""}]`
	if diff := cmp.Diff(want, s.relative(string(got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRenderCountsInWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		errors, warnings int
		want             string
	}{
		{0, 0, ""},
		{1, 0, "1 problem; nothing was started"},
		{3, 0, "3 problems; nothing was started"},
		{0, 1, "1 warning"},
		{1, 2, "1 problem and 2 warnings; nothing was started"},
	} {
		if got := summary(test.errors, test.warnings); got != test.want {
			t.Errorf("%d errors, %d warnings: %q, want %q", test.errors, test.warnings, got, test.want)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestRenderReportsAWriterThatFails(t *testing.T) {
	t.Parallel()
	_, diags, sources := Load(t.Context(), Options{})
	if err := Render(brokenWriter{}, diags, sources, false); err == nil {
		t.Error("no error")
	}
}
