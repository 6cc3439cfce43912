package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(strings.Fields(p.doc)) < 6 && p.path != "sdk/wire/taskv1" {
			t.Errorf("%s has no package comment that says what it is for", p.path)
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	for _, p := range testFiles(t) {
		for name, file := range p.files {
			if calls(file, "time", "Sleep") && !callsSynctest(file) {
				t.Errorf("%s/%s sleeps in real time: use testing/synctest, or wait for a condition with a bound", p.path, name)
			}
		}
	}
}

func TestNothingExitsButMain(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path, "host/internal/") && !strings.HasPrefix(p.path, "host/internal/e2e/") && p.path != "host/internal/bench" && p.path != "host/internal/man" {
			for name, file := range p.files {
				if file.Name.Name == "main" {
					continue
				}
				if calls(file, "os", "Exit") || calls(file, "log", "Fatal") || calls(file, "log", "Fatalf") {
					t.Errorf("%s/%s ends the host; return an error", p.path, name)
				}
			}
		}
	}
}

func TestEveryExampleHasItsThreeParts(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "cookbook" { // whose recipes the whole-program tests run
			continue
		}
		for _, part := range []string{"README.md", "config.hcl", "example_test.go"} {
			if _, err := os.Stat(filepath.Join(root, "examples", e.Name(), part)); err != nil {
				t.Errorf("examples/%s: %v", e.Name(), err)
			}
		}
	}
}

// calls reports whether the file calls pkg.fn.
func calls(file *ast.File, pkg, fn string) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		found = found || ok && id.Name == pkg && sel.Sel.Name == fn
		return true
	})
	return found
}

// callsSynctest reports whether the file's tests run on a virtual clock.
func callsSynctest(file *ast.File) bool {
	for _, imp := range file.Imports {
		if imp.Path.Value == `"testing/synctest"` {
			return true
		}
	}
	return false
}
