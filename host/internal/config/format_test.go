package config

import (
	"bytes"
	"strings"
	"testing"
)

func TestFormatAlignsAndKeepsComments(t *testing.T) {
	t.Parallel()
	got, diags := Format([]byte("task \"x\" {\nplugin=\"exec\" # why\n  description = \"y\"\n}\n"), "a.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := "task \"x\" {\n  plugin      = \"exec\" # why\n  description = \"y\"\n}\n"
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestFormatLeavesWhatItCannotReadAlone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"a.hcl": "task \"x\" {\nplugin=\n", "deep.hcl": "a = " + strings.Repeat("[", 300) + "\n"} {
		got, diags := Format([]byte(text), name)
		if !diags.HasErrors() || string(got) != text {
			t.Errorf("%s: got %q, %v", name, got, diags)
		}
		var out bytes.Buffer
		if err := Render(&out, diags, SourcesOf(map[string][]byte{name: []byte(text)}), false); err != nil || !strings.Contains(out.String(), "│") {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}

func TestFormatLeavesJSONAlone(t *testing.T) {
	t.Parallel()
	got, diags := Format([]byte(`{"a":1}`), "a.hcl.json")
	if diags.HasErrors() || string(got) != `{"a":1}` {
		t.Errorf("got %q, %v", got, diags)
	}
}
