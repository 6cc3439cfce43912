package task

import (
	"time"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// ErrStopping is what [Host.Wait] returns when the task began to stop. A run that
// returns it is recorded as interrupted.
var ErrStopping = session.ErrStopping

// The causes with which a run's context ends: compare context.Cause(ctx) with
// errors.Is. They also answer to context.Canceled, ErrTimeout to
// context.DeadlineExceeded, so that code which knows nothing of tasks sees what
// it expects.
var (
	ErrCancelled   = session.ErrCancelled   // somebody cancelled the run
	ErrStopTimeout = session.ErrStopTimeout // it did not return while the task drained
	ErrTimeout     = session.ErrTimeout     // the attempt's timeout is over
	ErrHostGone    = session.ErrHostGone    // the host has died; nothing can be committed any more
)

// Permanent marks an error that another try cannot mend: the run fails and is not
// retried. Returned by an open function it rejects the config. Permanent(nil) is nil.
//
// Of several errors that one run returns together (errors.Join), the gravest
// speaks: permanent, then retry, then a plain error, then unhealthy, interrupted
// and skipped. So a failed commit joined with Interrupted is a failure.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_PERMANENT, Err: err}
}

// RetryAfter marks an error after which the next try, if the task has one left,
// comes after d and not after its own backoff. RetryAfter(d, nil) is nil.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_RETRY_AFTER, After: max(d, 0), Err: err}
}

// Skip ends a run that found nothing to do. It is no failure.
func Skip(reason string) error {
	return &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_SKIPPED, Note: reason}
}

// Interrupted ends a run that was stopped before its work was done, with a note on
// how far it came. It is no failure; a run that saved run-scoped values goes on
// at the next start.
func Interrupted(note string) error {
	return &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_INTERRUPTED, Note: note}
}

// Unhealthy ends a run that did its work and found that what it checks is not well.
func Unhealthy(reason string) error {
	return &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_UNHEALTHY, Note: reason}
}
