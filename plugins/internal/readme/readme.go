// Package readme keeps the config tables in the README files of the first-party plugins
// in step with their schemas. Only their tests call it.
package readme

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
)

var update = flag.Bool("update", false, "write the generated parts of README.md")

// Check fails when README.md in the working directory does not hold, between the marks
// of each type, the table of its config. With -update it writes the tables.
func Check(t *testing.T, p task.Plugin) {
	t.Helper()
	d, _, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	const file = "README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for _, typ := range d.Types {
		begin, end := fmt.Sprintf("<!-- config of %s -->\n", typ.Name), "<!-- end -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the config of %s: %s… %s", file, typ.Name, begin, end)
		}
		want = before + begin + "\n" + schema.Markdown(typ.Config) + "\n" + end + after
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date: go test -run README -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
