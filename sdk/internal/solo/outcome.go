package solo

import "github.com/taskhost/taskhost/sdk/wire/taskv1"

// Why is what a run is asked to end for.
type Why int

// The reasons. Of several the first holds, but a cancel goes before all.
const (
	Nothing   Why = iota
	Stopped       // its task stops
	TimedOut      // the attempt's timeout is over
	Cancelled     // somebody cancels it
)

// Stop is what was asked of a run before it ended.
type Stop struct {
	why Why
	cut bool // its context has ended, too
}

// Ask notes one more thing that is asked.
func (s *Stop) Ask(why Why) {
	if s.why == Nothing || why == Cancelled {
		s.why = why
	}
	s.cut = s.cut || why != Stopped
}

// Cut notes that the context of a run that drains has ended.
func (s *Stop) Cut() { s.cut = true }

// Verdict is how a run is recorded.
type Verdict struct {
	Outcome string // succeeded, failed, timed_out, cancelled, interrupted, skipped or lost
	Class   string // of its error; "" is none
	Message string
}

// Judge says how a host records a run that has returned r. Who was done without having seen the stop was simply done;
// otherwise the reason of the stop decides, and only a drain leaves the author a choice between done and interrupted.
func (s Stop) Judge(r *taskv1.RunResult, continuous bool) Verdict {
	v := Verdict{Message: r.GetMessage()}
	v.Outcome, v.Class = byStatus(r.GetStatus())
	clean := v.Outcome == "succeeded" || v.Outcome == "skipped"
	switch {
	case r.GetCause() == taskv1.Cause_CAUSE_HOST_GONE:
		v.Outcome, v.Class = "lost", ""
	case s.why == Nothing && v.Outcome == "interrupted":
		v.Outcome, v.Class = "failed", "error"
		if v.Message == "" {
			v.Message = "it returned as interrupted, but nothing had asked it to stop"
		}
	case s.why == Nothing || clean && !r.GetObservedStop():
	case s.why == Cancelled:
		v.Outcome, v.Class = "cancelled", ""
	case s.why == TimedOut:
		v.Outcome, v.Class = "timed_out", "timeout"
	case clean && s.cut && continuous || !clean && !s.genuine(v, r):
		v.Outcome, v.Class = "interrupted", ""
	}
	return v
}

// genuine reports whether a run that was stopped has failed for another reason than the stop.
func (s Stop) genuine(v Verdict, r *taskv1.RunResult) bool {
	return v.Class == "panic" || v.Outcome == "failed" && !r.GetObservedStop() && !s.cut
}

// Killed says how a host records a run whose process has ended under it.
func (s Stop) Killed(message string) Verdict {
	switch s.why {
	case Cancelled:
		return Verdict{"cancelled", "", message}
	case TimedOut:
		return Verdict{"timed_out", "timeout", message}
	}
	return Verdict{"failed", "crash", message}
}

// byStatus is the outcome of a run that nothing was asked of, and the class of its error.
func byStatus(s taskv1.RunStatus) (outcome, class string) {
	switch s {
	case taskv1.RunStatus_RUN_STATUS_SUCCEEDED:
		return "succeeded", ""
	case taskv1.RunStatus_RUN_STATUS_SKIPPED:
		return "skipped", ""
	case taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
		return "interrupted", ""
	case taskv1.RunStatus_RUN_STATUS_PERMANENT:
		return "failed", "permanent"
	case taskv1.RunStatus_RUN_STATUS_RETRY_AFTER:
		return "failed", "retry"
	case taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		return "failed", "unhealthy"
	case taskv1.RunStatus_RUN_STATUS_PANIC:
		return "failed", "panic"
	}
	return "failed", "error"
}
