package tasktest

import (
	"os/exec"
	"strings"
	"testing"
)

func TestSideEffectsBeforeServeAreFound(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cat"); err != nil {
		t.Skip(err)
	}
	found := strings.Join(Binary(t, "testdata/opens").sideEffects(), "\n")
	for _, want := range []string{"leftover.txt is open", "(socket:[", "child process", "goroutine", "the file leftover.txt is made"} {
		want = strings.TrimPrefix(want, "(")
		if !strings.Contains(found, want) {
			t.Errorf("%q is not found in:\n%s", want, found)
		}
	}
}
