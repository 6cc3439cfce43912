package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// root is the module's root, seen from this package.
const root = "../../.."

var update = flag.Bool("update", false, "write the reference under docs/reference, and the diagram in docs/states.md")

func TestMain(m *testing.M) {
	code := m.Run()
	admintest.Clean()
	os.Exit(code)
}

// references are the files under docs/reference and what makes each.
var references = []struct {
	file string
	make func(*testing.T) string
}{
	{"hcl.md", hclReference},
	{"defaults.md", defaultsReference},
	{"cli.md", cliReference},
	{"api.md", apiReference},
	{"metrics.md", metricsReference},
	{"sdk.md", sdkReference},
	{"plugins.md", pluginReference},
}

const generated = "<!-- Written by `make generate`; change what it is made from. -->\n\n"

func TestTheReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	for _, r := range references {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			current(t, filepath.Join(root, "docs", "reference", r.file), generated+r.make(t))
		})
	}
}

func TestTheDiagramOfStatesIsCurrent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, "docs", "states.md")
	text := read(t, path)
	before, rest, found := strings.Cut(text, "```mermaid\n")
	_, after, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("%s has no diagram", path)
	}
	current(t, path, before+"```mermaid\n"+supervisor.Diagram()+"```\n"+after)
}

// current compares a file with what it should be, or writes it with -update.
func current(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(read(t, path), want); diff != "" {
		t.Errorf("%s is out of date; `make generate` writes it (-file +code):\n%s", path, diff)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func hclReference(*testing.T) string {
	return `# HCL reference

Every block and attribute. ` + "`a.b`" + ` stands for block b in block a; a name in brackets is the block's label. Durations are texts such as
"500ms", "1h30m" or "7d", sizes such as "64KiB" or "10GiB". [Operators' guide](../guide/operators.md) shows them at work,
[defaults](defaults.md) has all defaults in one table.

Names match ` + "`^[a-z0-9][a-z0-9_-]{0,62}$`" + `. Relative paths begin at the directory of the file that they stand in.

` + config.Markdown()
}

func cliReference(*testing.T) string {
	return `# Command line reference

` + "`-word` and `--word`" + ` are the same. Every command but ` + "`serve`, `dev`, `validate`, `fmt`, `completion` and `version`" + ` asks a running host
over the admin API. It finds the host by ` + "`-addr`, then `TASKHOST_ADDR`" + `, then ` + "`data_dir` in `config.hcl`" + ` of the working directory, then
` + "`/run/taskhost/admin.sock`" + `.

` + cli.Markdown()
}

func defaultsReference(t *testing.T) string {
	var out strings.Builder
	out.WriteString(`# All defaults

What holds where nothing is said: in HCL first, then in the config of the first-party plugins.

| attribute | type | default |
|---|---|---|
`)
	for _, d := range config.Reference() {
		if d.Block || d.Default == "" {
			continue
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", d.Path, d.Type, escape(d.Default))
	}
	out.WriteString("\n| plugin | type | attribute | default |\n|---|---|---|---|\n")
	for _, name := range firstParty(t) {
		for _, typ := range describe(t, name).Types {
			bodyDefaults(&out, name, typ.Name, "", typ.Config)
		}
	}
	return out.String()
}

// bodyDefaults writes a row for each attribute of a schema that has a default.
func bodyDefaults(out *strings.Builder, plugin, typ, in string, b schema.Body) {
	for _, a := range b.Attributes {
		if a.Default != nil {
			var value bytes.Buffer
			if err := json.Compact(&value, a.Default); err != nil {
				value.Write(a.Default)
			}
			fmt.Fprintf(out, "| %s | %s | `%s%s` | `%s` |\n", plugin, typ, in, a.Name, escape(value.String()))
		}
	}
	for _, block := range b.Blocks {
		bodyDefaults(out, plugin, typ, in+block.Name+".", block.Body)
	}
}

func pluginReference(t *testing.T) string {
	var out strings.Builder
	out.WriteString("# First-party plugins\n\nWhat each says of itself (`taskhost plugin describe NAME` shows the same). Their READMEs have examples and tell how they behave.\n")
	for _, name := range firstParty(t) {
		d := describe(t, name)
		fmt.Fprintf(&out, "\n## %s\n\n", name)
		if d.Doc != "" {
			fmt.Fprintf(&out, "%s. ", sentence(d.Doc))
		}
		fmt.Fprintf(&out, "[README](../../plugins/%s/README.md)\n", name)
		for _, typ := range d.Types {
			fmt.Fprintf(&out, "\n### %s: `%s`\n\n", name, typ.Name)
			if typ.Doc != "" {
				fmt.Fprintf(&out, "%s.\n\n", sentence(typ.Doc))
			}
			fmt.Fprintf(&out, "Modes: %s.\n\n%s", strings.Join(typ.Modes, ", "), schema.Markdown(typ.Config))
		}
	}
	return out.String()
}

// firstParty are the plugins of the module by name.
func firstParty(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(root, "plugins", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("there are no plugins: %v", err)
	}
	names := make([]string, len(mains))
	for i, path := range mains {
		names[i] = filepath.Base(filepath.Dir(path))
	}
	return names
}

// describe asks a plugin's binary what it serves.
func describe(t *testing.T, name string) wire.Description {
	t.Helper()
	text, err := exec.Command(admintest.Build(t, "plugins/"+name), "describe").Output()
	if err != nil {
		t.Fatalf("describe %s: %v", name, err)
	}
	var d wire.Description
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("describe %s: %v", name, err)
	}
	return d
}

// sentence begins a text with a capital and takes the full stop from its end.
func sentence(text string) string {
	text = strings.TrimRight(text, ".")
	return strings.ToUpper(text[:1]) + text[1:]
}

// escape keeps a text within its cell of a table.
func escape(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
