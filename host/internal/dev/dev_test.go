package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bound is how long a wait may take before the test fails.
const bound = 60 * time.Second

// write writes files of a module with a command below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// command is a module with a command of two packages and an embedded file.
func command(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"go.mod":             "module m\n\ngo 1.21\n",
		"cmd/p/main.go":      "package main\n\nimport (\n\t_ \"embed\"\n\n\t\"m/inner\"\n)\n\n//go:embed words.txt\nvar words string\n\nfunc main() { println(inner.Text + words) }\n",
		"cmd/p/words.txt":    "a",
		"cmd/p/main_test.go": "package main\n",
		"inner/inner.go":     "package inner\n\nconst Text = \"a\"\n",
		"other/other.go":     "package other\n",
		"shop.hcl":           "",
	})
	return dir
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

func TestABuildThatFailsLeavesTheBinaryAndSaysWhatTheCompilerSays(t *testing.T) {
	t.Parallel()
	dir, ctx := command(t), bounded(t)
	out := filepath.Join(t.TempDir(), "p")
	if err := Build(ctx, filepath.Join(dir, "cmd/p"), out, false); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"inner/inner.go": "package inner\n\nconst Text = a\n"})
	err = Build(ctx, filepath.Join(dir, "cmd/p"), out, false)
	refused, ok := errors.AsType[*BuildError](err)
	if !ok || !strings.Contains(refused.Text, "undefined: a") {
		t.Errorf("the compiler's words: %v", err)
	}
	if after, err := os.ReadFile(out); err != nil || string(after) != string(before) {
		t.Errorf("the binary has changed, %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
		t.Errorf("beside the binary: %v, %v", entries, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := Build(ended, filepath.Join(dir, "cmd/p"), out, false); !errors.Is(err, context.Canceled) {
		t.Errorf("a build that is not wanted any more: %v", err)
	}
}

func TestAChangeOfWhatThePluginIsMadeOfIsNoticed(t *testing.T) {
	t.Parallel()
	dir, ctx := command(t), bounded(t)
	w := Watch(ctx, filepath.Join(dir, "cmd/p"), []string{filepath.Join(dir, "shop.hcl"), filepath.Join(dir, "inner")})
	for _, tt := range []struct {
		name, text string
		code       bool
	}{
		{"cmd/p/main.go", "package main\n\nimport (\n\t_ \"embed\"\n\n\t_ \"m/inner\"\n)\n\n//go:embed words.txt\nvar words string\n\nfunc main() {}\n", true},
		{"cmd/p/words.txt", "abc", true},
		{"inner/inner.go", "package inner\n", true},
		{"inner/new.go", "package inner\n\nconst New = 1\n", true},
		{"go.mod", "module m\n\ngo 1.22\n", true},
		{"shop.hcl", "# changed\n", false},
		{"inner/more.hcl", "# new\n", false},
	} {
		before := time.Now()
		write(t, dir, map[string]string{tt.name: tt.text})
		c, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if c.Code != tt.code || c.Saved.Before(before.Add(-time.Second)) || c.Saved.After(time.Now()) {
			t.Errorf("%s: %+v, written at %s", tt.name, c, before)
		}
	}
	if err := os.Remove(filepath.Join(dir, "inner/new.go")); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Next(ctx); err != nil || !c.Code {
		t.Errorf("a file that goes: %+v, %v", c, err)
	}
}

func TestTestsAndOtherPackagesChangeNothing(t *testing.T) {
	t.Parallel()
	dir, ctx := command(t), bounded(t)
	w := Watch(ctx, filepath.Join(dir, "cmd/p"), []string{filepath.Join(dir, "shop.hcl")})
	write(t, dir, map[string]string{"cmd/p/main_test.go": "package main\n\n// more\n", "other/other.go": "package other\n\n// more\n", "cmd/p/notes.txt": "more"})
	if c, changed := compare(w.seen, w.look()); changed {
		t.Errorf("noticed: %+v", c)
	}
	write(t, dir, map[string]string{"shop.hcl": "# this is noticed\n"})
	if _, changed := compare(w.seen, w.look()); !changed {
		t.Error("a change was not noticed")
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("enough"))
	w.seen = w.look()
	if _, err := w.Next(ended); err == nil || err.Error() != "enough" {
		t.Errorf("a wait that has ended: %v", err)
	}
}

func TestWhatIsSavedDuringABuildIsNoticedAfterIt(t *testing.T) {
	t.Parallel()
	dir, ctx := command(t), bounded(t)
	w := Watch(ctx, filepath.Join(dir, "cmd/p"), nil)
	write(t, dir, map[string]string{"inner/inner.go": "package inner\n\nconst Text = \"ab\"\n"})
	if _, err := w.Next(ctx); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"inner/inner.go": "package inner\n\nconst Text = \"abc\"\n"})
	if c, err := w.Next(ctx); err != nil || !c.Code {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWithoutAModuleTheDirectoryIsWatched(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"main.go": "package main {"})
	if s := SourcesOf(bounded(t), dir); len(s.Dirs) != 1 || s.Dirs[0] != dir {
		t.Errorf("%+v", s)
	}
}

func TestAPlaceIsNobodyElsesAndGoesWithItsSession(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "dev")
	open := func() *Place {
		p, err := openPlace(root, "greeter")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := open(), open()
	if first.Dir == second.Dir {
		t.Errorf("both are in %s", first.Dir)
	}
	killed := open()
	killed.lock.Close() // as the system does for who is killed
	third := open()
	for p, there := range map[*Place]bool{first: true, second: true, killed: false, third: true} {
		if _, err := os.Stat(p.PluginDir()); (err == nil) != there {
			t.Errorf("%s: %v, want there = %v", p.Dir, err, there)
		}
	}
	for _, p := range []*Place{first, second, third} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWhatIsBuiltForADebuggerIsNeitherOptimisedNorStripped(t *testing.T) {
	t.Parallel()
	for debug, want := range map[bool]string{true: "-gcflags all=-N -l", false: "-ldflags -s -w"} {
		if name, value := buildFlag(debug); name+" "+value != want {
			t.Errorf("debug %v: %s %s", debug, name, value)
		}
	}
}
