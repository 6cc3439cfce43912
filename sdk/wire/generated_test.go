package wire_test

import (
	"os/exec"
	"testing"
)

func TestGeneratedCodeIsNotStale(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "run", "./internal/gen", "-check").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
