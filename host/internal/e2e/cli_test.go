package e2e

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// cli runs the command line in dir and returns what it printed and its exit code.
func cli(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}
