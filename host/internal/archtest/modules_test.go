package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryLibraryHasAReason holds go.mod against docs/decisions.md: what is required directly must be named
// there, by its path without the domain of its host.
func TestEveryLibraryHasAReason(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile(filepath.Join(root, "docs", "decisions.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(line, "\t") || !strings.HasPrefix(fields[1], "v") {
			continue // indirect ones have a comment, tools no version
		}
		if name := strings.TrimPrefix(fields[0], "github.com/"); !strings.Contains(string(reasons), name) {
			t.Errorf("docs/decisions.md gives no reason for %s", fields[0])
		}
	}
}
