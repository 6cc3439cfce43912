package docs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/cli"
)

// pages are the Markdown files of the module, by their path inside it.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "data" || name == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			all[rel] = read(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A block is a fenced piece of a page.
type block struct {
	language, text string
	line           int
}

func blocks(page string) []block {
	var all []block
	var open *block
	number := 0
	for line := range strings.Lines(page) {
		number++
		switch mark, is := strings.CutPrefix(strings.TrimRight(line, "\n"), "```"); {
		case is && open == nil:
			open = &block{language: mark, line: number}
		case is:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return all
}

// wholes are the blocks that stand in a file, not in another block.
var wholes = []string{"variable", "locals", "host", "defaults", "plugin", "queue", "group", "task"}

func TestHCLInTheDocumentationIsValid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range firstParty(t) {
		install(t, admintest.Build(t, "plugins/"+name), filepath.Join(plugins, name))
	}
	buildFirst(t, marked(t, read(t, filepath.Join(root, "README.md")), "first plugin"), filepath.Join(plugins, "disk"))
	taskhost := admintest.Build(t, "host/cmd/taskhost")
	seen := 0
	for page, text := range pages(t) {
		if page == tutorial {
			continue // its own test validates it, with the plugin that it makes
		}
		for _, b := range blocks(text) {
			if b.language != "hcl" {
				continue
			}
			seen++
			t.Run(fmt.Sprintf("%s:%d", page, b.line), func(t *testing.T) {
				file, diags := hclsyntax.ParseConfig([]byte(b.text), page, hcl.InitialPos)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				body := file.Body.(*hclsyntax.Body)
				if len(body.Attributes) > 0 || !slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool { return slices.Contains(wholes, b.Type) }) {
					return // a piece of a task
				}
				path := filepath.Join(dir, fmt.Sprintf("%s-%d.hcl", strings.NewReplacer("/", "-", ".md", "").Replace(page), b.line))
				if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(taskhost, "validate", "-config", path).CombinedOutput()
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
	if seen < 5 {
		t.Errorf("only %d blocks of HCL were found", seen)
	}
}

// install links a binary to where a host finds it.
func install(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

var inline = regexp.MustCompile("`(taskhost [^`]*)`")

func TestCommandLinesInTheDocumentationAreKnown(t *testing.T) {
	t.Parallel()
	seen := 0
	for page, text := range pages(t) {
		if strings.HasPrefix(page, filepath.Join("docs", "reference")) {
			continue // made from the commands
		}
		for _, line := range commandLines(text) {
			seen++
			if err := cli.Check(shellWords(line)[1:]); err != nil {
				t.Errorf("%s: %s: %v", page, line, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// commandLines are the lines of a page that begin with taskhost, as a prompt's answer or as a
// block of code, and what stands so in backticks.
func commandLines(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		code, indented := strings.CutPrefix(line, "    ")
		if !indented {
			code, indented = strings.CutPrefix(line, "$ ")
		}
		code = strings.TrimPrefix(code, "./bin/")
		if indented && strings.HasPrefix(code, "taskhost ") {
			all = append(all, strings.TrimSpace(code))
		}
	}
	for _, match := range inline.FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

// shellWords splits a command line as a shell does, as far as the documentation goes: quotes hold words
// together, a blank and # begin a comment, a pipe ends the command.
func shellWords(line string) []string {
	var all []string
	var word strings.Builder
	in, quote := false, rune(0)
	end := func() {
		if in {
			all = append(all, word.String())
			word.Reset()
		}
		in = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, in = r, true
		case quote == 0 && r == ' ':
			end()
		case quote == 0 && !in && (r == '#' || r == '|' || r == '>'):
			return all
		default:
			word.WriteRune(r)
			in = true
		}
	}
	end()
	return all
}
