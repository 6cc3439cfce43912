package solo_test

import (
	"cmp"
	"os"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// The table is how a host judges; its own tests hold it to that.
func TestRunsAreJudgedAsByAHost(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../../../host/internal/supervisor/testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(table)) {
		said, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		f := strings.Fields(said) // status, what was asked, the context, the stop, the mode
		var stop solo.Stop
		switch f[1] {
		case "stop":
			stop.Ask(solo.Stopped)
		case "timeout":
			stop.Ask(solo.TimedOut)
		case "cancel":
			stop.Ask(solo.Cancelled)
		}
		if f[2] == "ended" {
			stop.Cut()
		}
		status, known := taskv1.RunStatus_value["RUN_STATUS_"+strings.ToUpper(f[0])]
		if !known {
			t.Fatalf("there is no status %s", f[0])
		}
		v := stop.Judge(&taskv1.RunResult{Status: taskv1.RunStatus(status), ObservedStop: f[3] == "seen"}, f[4] == "continuous")
		if got := v.Outcome + " " + cmp.Or(v.Class, "-"); got != want {
			t.Errorf("%s: %q, a host says %q", said, got, want)
		}
	}
	if want := 8 * 5 * 2 * 2; rows != want {
		t.Errorf("the table has %d rows, want %d", rows, want)
	}
}
