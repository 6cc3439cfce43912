package solo

import "github.com/taskhost/taskhost/sdk/wire/taskv1"

// Outcome is how a run is recorded that ended with r: succeeded, failed,
// timed_out, cancelled, interrupted, skipped or lost.
func Outcome(r *taskv1.RunResult) string {
	switch r.GetStatus() {
	case taskv1.RunStatus_RUN_STATUS_SUCCEEDED:
		return "succeeded"
	case taskv1.RunStatus_RUN_STATUS_SKIPPED:
		return "skipped"
	case taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
		if r.GetCause() == taskv1.Cause_CAUSE_UNSPECIFIED {
			return "interrupted"
		}
	case taskv1.RunStatus_RUN_STATUS_PANIC, taskv1.RunStatus_RUN_STATUS_PERMANENT:
		return "failed"
	}
	switch r.GetCause() {
	case taskv1.Cause_CAUSE_CANCELLED:
		return "cancelled"
	case taskv1.Cause_CAUSE_STOP_TIMEOUT:
		return "interrupted"
	case taskv1.Cause_CAUSE_TIMEOUT:
		return "timed_out"
	case taskv1.Cause_CAUSE_HOST_GONE:
		return "lost"
	}
	return "failed"
}
