package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/taskhost/taskhost/host/internal/task"
)

var update = flag.Bool("update", false, "write what Load gives into the golden files")

// canary is the secret of all tests; it must be in nothing that Load returns for
// people.
const canary = "canary-4711-do-not-print"

// scene is one txtar file: configuration files, settings, and what must come out.
// The comment may hold lines "var name=value", "varfile name", "path name" (default:
// every *.hcl and *.hcl.json), "offline". The environment holds SECRET_TOKEN, with
// the canary, SITE, and TASKHOST_VAR_from_env.
type scene struct {
	dir     string
	archive *txtar.Archive
	options Options
}

func newScene(t testing.TB, archive *txtar.Archive) *scene {
	t.Helper()
	s := &scene{dir: t.TempDir(), archive: archive}
	s.options = Options{Unlocked: true, Plugins: func(Host) Plugins { return newFakePlugins() }, Env: func(name string) (string, bool) {
		value, set := map[string]string{
			"SECRET_TOKEN":           canary,
			"SITE":                   "https://example.org",
			"TASKHOST_VAR_from_env":  "from the environment",
			"CREDENTIALS_DIRECTORY":  filepath.Join(s.dir, "credentials"),
			"TASKHOST_VAR_hush":      canary,
			"TASKHOST_VAR_many_envs": "[1, 2]",
		}[name]
		return value, set
	}}
	for _, f := range archive.Files {
		path := filepath.Join(s.dir, f.Name)
		if strings.HasPrefix(f.Name, "want") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(f.Name) == "." && (strings.HasSuffix(f.Name, ".hcl") || strings.HasSuffix(f.Name, ".hcl.json")) {
			s.options.Paths = append(s.options.Paths, path)
		}
	}
	explicit := false
	for line := range strings.Lines(string(archive.Comment)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "var":
			s.options.Vars = append(s.options.Vars, rest)
		case "varfile":
			s.options.VarFiles = append(s.options.VarFiles, filepath.Join(s.dir, rest))
		case "path":
			if !explicit {
				s.options.Paths, explicit = nil, true
			}
			s.options.Paths = append(s.options.Paths, filepath.Join(s.dir, rest))
		case "offline":
			s.options.Offline = true
		}
	}
	return s
}

// relative takes the directory of the test out of a text.
func (s *scene) relative(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, s.dir+"/", ""), s.dir, ".")
}

// outcome is what Load gives, as text: diagnostics, and the configuration if it is
// usable.
func (s *scene) outcome(t *testing.T) (rendered, config string) {
	t.Helper()
	c, diags, sources := Load(t.Context(), s.options)
	var out bytes.Buffer
	if err := Render(&out, diags, sources, false); err != nil {
		t.Fatal(err)
	}
	tools, err := json.MarshalIndent(Diagnostics(diags, sources), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.MarshalIndent(struct {
		Host   Host              `json:"host"`
		Tasks  []task.Definition `json:"tasks"`
		Groups []task.Group      `json:"groups,omitempty"`
		Queues []task.Queue      `json:"queues,omitempty"`
	}{c.Host, c.Tasks, c.Groups, c.Queues}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"rendering": out.String(), "diagnostics as JSON": string(tools), "definitions as JSON": string(shown)} {
		if strings.Contains(text, canary) {
			t.Errorf("the %s hold the secret:\n%s", what, text)
		}
	}
	return s.relative(out.String()), s.relative(string(shown)) + "\n"
}

// golden compares got with the file of the archive, or writes it there.
func (s *scene) golden(t *testing.T, path, name, got string) {
	t.Helper()
	for i, f := range s.archive.Files {
		if f.Name != name {
			continue
		}
		if *update {
			s.archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(s.archive), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		return
	}
	if *update {
		s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: []byte(got)})
		if err := os.WriteFile(path, txtar.Format(s.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s has no %s; run the test with -update", path, name)
}

func forEachScene(t *testing.T, pattern string, check func(*testing.T, string, *scene)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenes in %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			check(t, path, newScene(t, archive))
		})
	}
}

func TestEveryMistakeIsReportedWithItsPlaceAndAHint(t *testing.T) {
	t.Parallel()
	forEachScene(t, "testdata/bad/*.txtar", func(t *testing.T, path string, s *scene) {
		rendered, _ := s.outcome(t)
		if rendered == "" {
			t.Error("there is no diagnostic")
		}
		s.golden(t, path, "want", rendered)
	})
}

func TestGoodConfigurationsGiveDefinitionsWithEveryDefault(t *testing.T) {
	t.Parallel()
	forEachScene(t, "testdata/good/*.txtar", func(t *testing.T, path string, s *scene) {
		rendered, config := s.outcome(t)
		if strings.Contains(rendered, "nothing was started") {
			t.Errorf("there are problems:\n%s", rendered)
		}
		s.golden(t, path, "want.json", config)
		if rendered != "" {
			s.golden(t, path, "want", rendered)
		}
	})
}
