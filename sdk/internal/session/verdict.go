package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Verdict is an author's error that says more than that something failed.
type Verdict struct {
	Status taskv1.RunStatus
	After  time.Duration // with RUN_STATUS_RETRY_AFTER
	Note   string        // of a skip, an interruption, an unhealthy check
	Err    error         // what the verdict is about, when it is about an error
}

func (v *Verdict) Error() string {
	if v.Err != nil {
		return v.Err.Error()
	}
	word := "unhealthy"
	switch v.Status {
	case taskv1.RunStatus_RUN_STATUS_SKIPPED:
		word = "skipped"
	case taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
		word = "interrupted"
	}
	if v.Note == "" {
		return word
	}
	return word + ": " + v.Note
}

func (v *Verdict) Unwrap() error { return v.Err }

// Panic is a panic of author code, caught.
type Panic struct {
	Value any
	Stack string
}

func (p *Panic) Error() string { return fmt.Sprint("panic: ", p.Value) }

// stackLimit bounds the stack of a panic in a result, in bytes.
const stackLimit = 32 << 10

// errExited stands for an error that never came, because author code ended its
// goroutine. Callers of guard that go on in that case set it before the call.
var errExited = errors.New("the function ended its goroutine (runtime.Goexit) instead of returning")

// guard runs author code; a panic is its error. An error that cannot say its text, as a nil pointer in an error cannot,
// panics here, too, and not where its text is wanted.
func guard(author func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{Value: v, Stack: clip(string(debug.Stack()), stackLimit)}
		}
	}()
	if err = author(); err != nil {
		_ = err.Error()
	}
	return err
}

// apart runs author code in a goroutine of its own and waits for it: code that ends its goroutine, as a test's FailNow
// does, must not take along the one that has to answer the host.
func apart(author func() error) error {
	err := errExited
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = author()
	}()
	<-done
	return err
}

// rank orders statuses: of several errors joined into one, the highest speaks.
func rank(s taskv1.RunStatus) int {
	switch s {
	case taskv1.RunStatus_RUN_STATUS_PANIC:
		return 7
	case taskv1.RunStatus_RUN_STATUS_PERMANENT:
		return 6
	case taskv1.RunStatus_RUN_STATUS_RETRY_AFTER:
		return 5
	case taskv1.RunStatus_RUN_STATUS_FAILED:
		return 4
	case taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		return 3
	case taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
		return 2
	case taskv1.RunStatus_RUN_STATUS_SKIPPED:
		return 1
	}
	return 0
}

// judge finds the verdict that speaks for err, which is not nil. An error that
// holds none has failed.
func judge(err error) *Verdict {
	switch e := err.(type) {
	case *Verdict:
		return e
	case *Panic:
		return &Verdict{Status: taskv1.RunStatus_RUN_STATUS_PANIC, Err: e}
	case interface{ Unwrap() []error }:
		var worst *Verdict
		for _, part := range e.Unwrap() {
			if part == nil {
				continue
			}
			if v := judge(part); worst == nil || rank(v.Status) > rank(worst.Status) {
				worst = v
			}
		}
		if worst != nil {
			return worst
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return judge(inner)
		}
	}
	if err == ErrStopping {
		return &Verdict{Status: taskv1.RunStatus_RUN_STATUS_INTERRUPTED}
	}
	return &Verdict{Status: taskv1.RunStatus_RUN_STATUS_FAILED, Err: err}
}

// resultOf turns what author code returned into the word for the host. ended is
// the cause of the run's context, nil while it is alive.
func resultOf(run string, result []byte, err, ended error, observed bool) *taskv1.RunResult {
	r := &taskv1.RunResult{Run: run, ObservedStop: observed}
	if err == nil {
		r.Status, r.Result = taskv1.RunStatus_RUN_STATUS_SUCCEEDED, result
		return r
	}
	v := judge(err)
	r.Status, r.RetryAfter = v.Status, int64(v.After)
	r.Message = clip(textOf(v, err), textLimit)
	switch v.Status {
	case taskv1.RunStatus_RUN_STATUS_SKIPPED, taskv1.RunStatus_RUN_STATUS_INTERRUPTED, taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		r.Result = result // a job that was cut may have a partial result
	}
	if errors.Is(err, ErrStopping) {
		r.ObservedStop = true
	}
	var p *Panic
	if errors.As(err, &p) {
		r.Stack = clip(p.Stack, stackLimit)
	}
	// Judged by the run's own context, not by the error: a deadline that author
	// code set for itself is a failure and no cancel.
	if ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Canceled)) {
		r.Cause, r.ObservedStop = wordOf(ended), true
	}
	return r
}

// textOf is what people read of an error: its text, or the note of a verdict that is no failure.
func textOf(v *Verdict, err error) string {
	switch v.Status {
	case taskv1.RunStatus_RUN_STATUS_SKIPPED, taskv1.RunStatus_RUN_STATUS_INTERRUPTED, taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		if bare := err == error(v) || err == ErrStopping; bare || v.Note != "" {
			return v.Note
		}
	}
	return err.Error()
}

// textLimit bounds a text that an author gives for people to read, in bytes.
const textLimit = 16 << 10

// clip makes a text fit for the wire: valid UTF-8 of bounded length.
func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit] + " …"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
