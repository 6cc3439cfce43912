package docs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestTheFirstPluginOfTheREADMEDoesWhatTheREADMESays(t *testing.T) {
	t.Parallel()
	readme := read(t, filepath.Join(root, "README.md"))
	source := marked(t, readme, "first plugin")
	if lines := statements(source); lines > 25 {
		t.Errorf("the first plugin has %d lines beside package, imports and blank ones; it should have about 20", lines)
	}
	dir := t.TempDir()
	buildFirst(t, source, filepath.Join(dir, "plugins", "disk"))
	hcl := marked(t, readme, "its task")
	h := admintest.Start(t, admintest.Options{Dir: dir, HCL: hcl})

	h.UntilRun("root_disk", "succeeded")
	h.Until("free is published", func(ctx context.Context) error {
		state, err := h.State(ctx, "root_disk")
		if err != nil {
			return err
		}
		var free float64
		if err := json.Unmarshal(state.Values["free"].Value, &free); err != nil {
			return err
		}
		if free < 5 || free > 100 {
			return fmt.Errorf("%g percent are free", free)
		}
		return nil
	})
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d", code)
	}

	mistake(t, dir, hcl, marked(t, readme, "its mistake"))
}

// mistake misspells an attribute as the README does and compares what validate says.
func mistake(t *testing.T, dir, hcl, shown string) {
	t.Helper()
	config := "host {\n  plugin_dir = \"plugins\"\n}\n"
	for name, text := range map[string]string{"config.hcl": config, "disk.hcl": strings.Replace(hcl, "min_free", "min_fre", 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command, want, _ := strings.Cut(shown, "\n")
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), strings.Fields(strings.TrimPrefix(command, "$ taskhost "))...)
	cmd.Dir = dir
	got, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("%s: %v; want exit code 1", command, err)
	}
	if string(got) != want {
		t.Errorf("%s prints\n%s\nthe README says\n%s", command, got, want)
	}
}

// buildFirst links the source as plugins/disk of this module, without writing there.
func buildFirst(t *testing.T, source, out string) {
	t.Helper()
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	main, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(module, "plugins", "disk", "main.go"): main}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{main: []byte(source), overlay: text} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", out, "./plugins/disk")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the first plugin: %v\n%s", err, text)
	}
}

// marked is the content of the fenced block that follows a mark.
func marked(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "<!-- "+mark+" -->\n```")
	_, rest, opened := strings.Cut(rest, "\n")
	content, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !opened || !closed {
		t.Fatalf("the README has no block marked %q", mark)
	}
	return content + "\n"
}

// statements counts the lines that are neither blank nor part of the package clause and the imports.
func statements(source string) int {
	_, body, _ := strings.Cut(source, "\n)\n")
	n := 0
	for line := range strings.Lines(body) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}
