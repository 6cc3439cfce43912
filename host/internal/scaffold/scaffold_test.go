package scaffold_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/scaffold"
)

// root is the module whose SDK the plugins use.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// module writes a module into a directory.
func module(t *testing.T, dir, form string) {
	t.Helper()
	files, err := scaffold.Plugin(scaffold.PluginOptions{Name: "my-" + form, Form: form, Go: "1.26.0", Version: "0.1.0", Replace: root(t)})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command in a module, with what the module cache holds and nothing else.
func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -trimpath", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
}

// Every form is formatted, builds, vets and passes its own tests. To link less, they are packages of the first one's module;
// the first one runs all of its tests.
func TestTheModuleOfEveryFormBuildsAndPassesItsTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, form := range scaffold.Forms {
		if i == 0 {
			module(t, dir, form)
			continue
		}
		below := filepath.Join(dir, form)
		module(t, below, form)
		if err := os.Remove(filepath.Join(below, "go.mod")); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "sh", "-c", `test -z "$(gofmt -l .)"`)
	run(t, dir, "go", "test", "-vet=all", "-ldflags=-s -w", "-count=1", "-short", "./...")
	if testing.Short() {
		return
	}
	run(t, dir, "go", "test", "-vet=off", "-ldflags=-s -w", "-count=1", "-run=SideEffects", ".")
}

func TestNamesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	good := scaffold.PluginOptions{Name: "a", Form: "job", Go: strings.TrimPrefix(runtime.Version(), "go"), Version: "0.1.0"}
	for what, change := range map[string]func(*scaffold.PluginOptions){
		"name":       func(o *scaffold.PluginOptions) { o.Name = "../a" },
		"upper case": func(o *scaffold.PluginOptions) { o.Name = "A" },
		"no name":    func(o *scaffold.PluginOptions) { o.Name = "" },
		"form":       func(o *scaffold.PluginOptions) { o.Form = "cron" },
		"module":     func(o *scaffold.PluginOptions) { o.Module = "a b" },
		"line":       func(o *scaffold.PluginOptions) { o.Module = "a\nb" },
		"replace":    func(o *scaffold.PluginOptions) { o.Replace = "/a b" },
	} {
		o := good
		change(&o)
		if files, err := scaffold.Plugin(o); err == nil {
			t.Errorf("%s: %d files", what, len(files))
		}
	}
	if _, err := scaffold.Plugin(good); err != nil {
		t.Error(err)
	}
}
