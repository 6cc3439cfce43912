package cli

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAValueOfSeveralLinesStandsUnderItsName(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{Terminal: Terminal{Out: &out}}
	a.fact("reason", "it wrote last:\n  not found\r\n\n\x1b[2J")
	a.fact("nothing", "")
	want := "  reason        it wrote last:\n                  not found\n                \\x1b[2J\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
