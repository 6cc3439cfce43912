package supervisor

import (
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestJudgeReturn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		mode     task.Mode
		why      why
		stage    task.Stage
		status   task.RunStatus
		observed bool
		want     string // outcome, where it ended, class
	}{
		{"done", task.Periodic, whyNone, "", task.StatusSucceeded, false, "succeeded return"},
		{"nothing to do", task.Periodic, whyNone, "", task.StatusSkipped, false, "skipped return"},
		{"failed", task.Periodic, whyNone, "", task.StatusFailed, false, "failed return error"},
		{"unhealthy", task.Periodic, whyNone, "", task.StatusUnhealthy, false, "failed return unhealthy"},
		{"panic", task.Periodic, whyNone, "", task.StatusPanic, false, "failed return panic"},
		{"interrupted by nobody", task.Periodic, whyNone, "", task.StatusInterrupted, false, "failed return error"},
		{"done before it saw the stop", task.Periodic, whyStop, task.StageDrain, task.StatusSucceeded, false, "succeeded return"},
		{"done before it saw the cancel", task.Periodic, whyCancel, task.StageCancel, task.StatusSucceeded, false, "succeeded return"},
		{"done before it saw the timeout", task.Periodic, whyTimeout, task.StageCancel, task.StatusSucceeded, false, "succeeded return"},
		{"done in the drain", task.Periodic, whyStop, task.StageDrain, task.StatusSucceeded, true, "succeeded drain"},
		{"a daemon that ended well in the drain", task.Continuous, whyStop, task.StageDrain, task.StatusSucceeded, true, "succeeded drain"},
		{"a daemon that needed the cancel", task.Continuous, whyStop, task.StageCancel, task.StatusSucceeded, true, "interrupted cancel"},
		{"interrupted in the drain", task.Periodic, whyStop, task.StageDrain, task.StatusInterrupted, true, "interrupted drain"},
		{"an error because of the drain", task.Periodic, whyStop, task.StageDrain, task.StatusFailed, true, "interrupted drain"},
		{"an error of its own in the drain", task.Periodic, whyStop, task.StageDrain, task.StatusFailed, false, "failed drain error"},
		{"an error because of the cancel", task.Periodic, whyStop, task.StageCancel, task.StatusFailed, true, "interrupted cancel"},
		{"a panic in the drain", task.Periodic, whyStop, task.StageDrain, task.StatusPanic, true, "failed drain panic"},
		{"cancelled", task.Periodic, whyCancel, task.StageCancel, task.StatusFailed, true, "cancelled cancel"},
		{"cancelled and returned nil", task.Periodic, whyCancel, task.StageCancel, task.StatusSucceeded, true, "cancelled cancel"},
		{"timed out", task.Periodic, whyTimeout, task.StageCancel, task.StatusFailed, true, "timed_out cancel timeout"},
		{"silent", task.Continuous, whyWatchdog, task.StageCancel, task.StatusFailed, true, "failed cancel watchdog"},
		{"not ready", task.Continuous, whyReady, task.StageCancel, task.StatusFailed, true, "failed cancel timeout"},
	}
	for _, test := range tests {
		v := judgeReturn(test.mode, test.why, test.stage, task.RunResult{Status: test.status, ObservedStop: test.observed})
		if got := strings.TrimSpace(string(v.outcome) + " " + v.endedIn + " " + string(v.class)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestJudgeGone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		why   why
		stage task.Stage
		exit  task.ExitCause
		want  string
	}{
		{"a crash", whyNone, "", task.ExitCause{Code: 3}, "failed crash crash"},
		{"a panic", whyNone, "", task.ExitCause{Code: 2, Panic: "panic: boom"}, "failed crash panic"},
		{"a crash in the drain", whyStop, task.StageDrain, task.ExitCause{Code: 3}, "failed crash crash"},
		{"killed by a stop", whyStop, task.StageKill, task.ExitCause{Code: -1}, "interrupted kill"},
		{"killed by a cancel", whyCancel, task.StageKill, task.ExitCause{Code: -1}, "cancelled kill"},
		{"killed by a timeout", whyTimeout, task.StageKill, task.ExitCause{Code: -1}, "timed_out kill timeout"},
		{"killed by the watchdog", whyWatchdog, task.StageKill, task.ExitCause{Code: -1}, "failed kill watchdog"},
	}
	for _, test := range tests {
		v := judgeGone(test.why, test.stage, test.exit)
		if got := strings.TrimSpace(string(v.outcome) + " " + v.endedIn + " " + string(v.class)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if v.exit == nil {
			t.Errorf("%s: the exit is not told", test.name)
		}
	}
}
