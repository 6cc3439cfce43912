package session

import (
	"context"
	"errors"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// cause is why a context ended or a wait was cut short. It also answers to the
// context error that code not written for this SDK looks for.
type cause struct {
	text string
	also error
}

func (c *cause) Error() string { return c.text }

func (c *cause) Is(target error) bool { return target == c.also }

// The causes that author code sees; package task documents them.
var (
	ErrStopping    = errors.New("the task is stopping")
	ErrCancelled   = error(&cause{"the run was cancelled", context.Canceled})
	ErrStopTimeout = error(&cause{"the run did not end while the task drained", context.Canceled})
	ErrTimeout     = error(&cause{"the run's timeout is over", context.DeadlineExceeded})
	ErrHostGone    = error(&cause{"the host is gone", context.Canceled})
)

// errClosed ends the context of methods when their instance closes.
var errClosed = error(&cause{"the task is closed in this process", context.Canceled})

// causeOf turns the wire's word into the error that ends a context.
func causeOf(c taskv1.Cause) error {
	switch c {
	case taskv1.Cause_CAUSE_STOP_TIMEOUT:
		return ErrStopTimeout
	case taskv1.Cause_CAUSE_TIMEOUT:
		return ErrTimeout
	case taskv1.Cause_CAUSE_HOST_GONE:
		return ErrHostGone
	}
	return ErrCancelled
}

// wordOf is the inverse of causeOf.
func wordOf(err error) taskv1.Cause {
	switch err {
	case ErrCancelled:
		return taskv1.Cause_CAUSE_CANCELLED
	case ErrStopTimeout:
		return taskv1.Cause_CAUSE_STOP_TIMEOUT
	case ErrTimeout:
		return taskv1.Cause_CAUSE_TIMEOUT
	case ErrHostGone:
		return taskv1.Cause_CAUSE_HOST_GONE
	}
	return taskv1.Cause_CAUSE_UNSPECIFIED
}
