package supervisor

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

var update = flag.Bool("update", false, "write the table of verdicts, by which the test kit of the SDK is tested, too")

// The test kit of the SDK judges runs by itself, since the SDK imports nothing of the host. Both are held to one table.
func TestReturnsAreJudgedByTheTable(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("# status, asked for, context (ended or goes on), stop (seen or unseen), mode: outcome, class of the error or -\n")
	asked := []struct {
		name  string
		why   why
		stage task.Stage
	}{
		{"nothing goes_on", whyNone, ""}, {"stop goes_on", whyStop, task.StageDrain}, {"stop ended", whyStop, task.StageCancel},
		{"timeout ended", whyTimeout, task.StageCancel}, {"cancel ended", whyCancel, task.StageCancel},
	}
	for _, status := range []task.RunStatus{
		task.StatusSucceeded, task.StatusSkipped, task.StatusInterrupted, task.StatusFailed, task.StatusPermanent, task.StatusRetryAfter,
		task.StatusUnhealthy, task.StatusPanic,
	} {
		for _, a := range asked {
			for _, seen := range []bool{false, true} {
				for _, mode := range []task.Mode{task.Periodic, task.Continuous} {
					v := judgeReturn(mode, a.why, a.stage, task.RunResult{Status: status, ObservedStop: seen})
					stop := map[bool]string{false: "unseen", true: "seen"}[seen]
					fmt.Fprintf(&table, "%s %s %s %s: %s %s\n", status, a.name, stop, mode, v.outcome, cmp.Or(v.class, "-"))
				}
			}
		}
	}
	golden := filepath.Join("testdata", "verdicts.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), table.String()); diff != "" {
		t.Errorf("runs are judged otherwise than %s says (-update writes it; sdk/internal/solo has to follow):\n%s", golden, diff)
	}
}
