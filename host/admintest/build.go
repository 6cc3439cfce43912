package admintest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const module = "github.com/taskhost/taskhost"

// built remembers per test binary what has been linked, so that a package's tests share one build.
var built struct {
	sync.Mutex
	dir string
	err map[string]error
}

// Build links one of the module's commands (by its path inside the module, such as
// "plugins/exec" or "host/cmd/taskhost"), or a package path of another module that is
// required by the test's own, and returns the binary's path. The go command caches what is unchanged.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "taskhost-test-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir, built.err = dir, map[string]error{}
	}
	out := filepath.Join(built.dir, filepath.Base(pkg))
	err, done := built.err[pkg]
	if !done {
		err = link(t, pkg, out)
		built.err[pkg] = err
	}
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return out
}

// Clean removes what Build has made. A package's TestMain calls it at its end.
func Clean() {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		os.RemoveAll(built.dir)
		built.dir = ""
	}
}

func link(t testing.TB, pkg, out string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, module+"/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s", text)
	}
	return err
}
