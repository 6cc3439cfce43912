package task_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestWhatARunReturnsDecidesItsOutcome(t *testing.T) {
	t.Parallel()
	plain := errors.New("connection refused")
	for _, c := range []struct {
		name    string
		err     error
		outcome string
		class   string
		message string
		after   time.Duration
		stopped bool // it returns only then
	}{
		{"nil", nil, "succeeded", "", "", 0, false},
		{"plain", plain, "failed", "error", "connection refused", 0, false},
		{"permanent", task.Permanent(plain), "failed", "permanent", "connection refused", 0, false},
		{"wrapped permanent", fmt.Errorf("fetch: %w", task.Permanent(plain)), "failed", "permanent", "fetch: connection refused", 0, false},
		{"retry after", task.RetryAfter(7*time.Second, plain), "failed", "retry", "connection refused", 7 * time.Second, false},
		{"negative retry after", task.RetryAfter(-1, plain), "failed", "retry", "connection refused", 0, false},
		{"skip", task.Skip("nothing new"), "skipped", "", "nothing new", 0, false},
		{"wrapped skip", fmt.Errorf("poll: %w", task.Skip("nothing new")), "skipped", "", "nothing new", 0, false},
		{"interrupted", task.Interrupted("at 7"), "interrupted", "", "at 7", 0, true},
		{"stopping", task.ErrStopping, "interrupted", "", "", 0, true},
		{"wrapped stopping", fmt.Errorf("at 7: %w", task.ErrStopping), "interrupted", "", "at 7: the task is stopping", 0, true},
		{"interrupted by nobody", task.Interrupted("at 7"), "failed", "error", "at 7", 0, false},
		{"stopping, though nobody said so", task.ErrStopping, "failed", "error", "it returned as interrupted, but nothing had asked it to stop", 0, false},
		{"unhealthy", task.Unhealthy("status 500"), "failed", "unhealthy", "status 500", 0, false},
		{"permanent nil", task.Permanent(nil), "succeeded", "", "", 0, false},
		{"retry after nil", task.RetryAfter(time.Second, nil), "succeeded", "", "", 0, false},
		{"commit went well, interrupted", errors.Join(nil, task.Interrupted("at 7")), "interrupted", "", "at 7", 0, true},
		{"commit failed, interrupted", errors.Join(plain, task.Interrupted("at 7")), "failed", "error", "connection refused\ninterrupted: at 7", 0, false},
		{"close failed after skip", errors.Join(task.Skip("x"), plain), "failed", "error", "skipped: x\nconnection refused", 0, false},
		{"permanent beats retry", errors.Join(task.RetryAfter(1, plain), task.Permanent(plain)), "failed", "permanent", "connection refused\nconnection refused", 0, false},
		{"cancelled by itself", context.Canceled, "failed", "error", "context canceled", 0, false},
		{"a deadline of its own", context.DeadlineExceeded, "failed", "error", "context deadline exceeded", 0, false},
		{"a cause that did not happen", task.ErrCancelled, "failed", "error", "the run was cancelled", 0, false},
		{"a text that is no UTF-8", errors.New("a\xffb"), "failed", "error", "a\uFFFDb", 0, false},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			r := tasktest.Run(t, periodic(func(_ context.Context, h *task.Host) error {
				if c.stopped {
					<-h.Stopping()
				}
				return c.err
			}), ``)
			if c.stopped {
				r.Stop(time.Minute)
			}
			equal(t, "outcome", r.Outcome(), c.outcome)
			equal(t, "class", r.Class(), c.class)
			equal(t, "message", r.Message(), c.message)
			equal(t, "retry after", r.RetryAfter(), c.after)
		})
	}
}

func TestAPanicBecomesTheRunsErrorAndTheProcessStays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		run     func()
		message string
		class   string
	}{
		{"text", func() { panic("boom") }, "panic: boom", "panic"},
		{"nil map", func() { var m map[string]int; m["a"] = 1 }, "panic: assignment to entry in nil map", "panic"},
		{"error", func() { panic(task.Permanent(errors.New("x"))) }, "panic: x", "panic"},
		{"no UTF-8", func() { panic("\xff") }, "panic: \uFFFD", "panic"},
		{"goexit", runtime.Goexit, "the function ended its goroutine (runtime.Goexit) instead of returning", "error"},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			first := true
			r := tasktest.Run(t, periodic(func(context.Context, *task.Host) error {
				if first {
					first = false
					c.run()
				}
				return nil
			}), ``)
			equal(t, "outcome", r.Outcome(), "failed")
			equal(t, "class", r.Class(), c.class)
			equal(t, "message", r.Message(), c.message)
			if c.class == "panic" && !strings.Contains(r.Stack(), "outcome_test.go") {
				t.Errorf("the stack does not name the place: %s", r.Stack())
			}
			equal(t, "outcome of the next run", r.Next().Outcome(), "succeeded")
		})
	}
}

// fault is an error whose text needs a fault.
type fault struct{ code int }

func (f *fault) Error() string { return fmt.Sprint("code ", f.code) }

func TestANilPointerInAnErrorIsAPanicAndTheProcessStays(t *testing.T) {
	t.Parallel()
	none := func() error { return (*fault)(nil) }
	tasktest.Test(t, func(t *testing.T) {
		r := tasktest.Run(t, periodic(func(context.Context, *task.Host) error { return none() }), ``)
		equal(t, "outcome", r.Outcome(), "failed")
		equal(t, "class", r.Class(), "panic")
		contains(t, "message", r.Message(), "nil pointer dereference")
		contains(t, "stack", r.Stack(), "outcome_test.go")
	})
	inBubble(t, "of open", func(t *testing.T) {
		typ := task.OpenPeriodic("run", func(context.Context, *task.Host, struct{}) (*counter, error) { return nil, none() })
		if _, err := tasktest.Open(t, typ, ``); err == nil || !strings.Contains(err.Error(), "open: panic: ") {
			t.Errorf("open: %v", err)
		}
	})
	inBubble(t, "of a handler", func(t *testing.T) {
		typ := task.Consumer("run", func(context.Context, *task.Host, struct{}, *task.Message[int]) error { return none() })
		r := tasktest.Run(t, typ, ``, tasktest.MaxDeliveries(1))
		r.Send(1)
		r.WaitHandled()
		if dead := r.DeadLetters(); len(dead) != 1 || !strings.Contains(dead[0].Error, "nil pointer dereference") {
			t.Errorf("dead letters: %+v", dead)
		}
	})
}

func TestStopStages(t *testing.T) {
	t.Parallel()
	waits := func(d time.Duration) func(context.Context, *task.Host) error {
		return func(ctx context.Context, h *task.Host) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return fmt.Errorf("work: %w", context.Cause(ctx))
			}
		}
	}
	for _, c := range []struct {
		name     string
		run      func(context.Context, *task.Host) error
		act      func(*tasktest.Task)
		outcome  string
		took     time.Duration
		observed bool
		options  []tasktest.Option
	}{
		{"drain: the work is finished", waits(5 * time.Second), func(r *tasktest.Task) { r.Stop(time.Minute) }, "succeeded", 5 * time.Second, false, nil},
		{"drain: noticed through Wait", func(ctx context.Context, h *task.Host) error { return h.Wait(ctx, time.Hour) },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "interrupted", 0, true, nil},
		{"drain: noticed through Stopping, clean", func(_ context.Context, h *task.Host) error { <-h.Stopping(); return nil },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "succeeded", 0, true, nil},
		{"drain: interrupted", func(_ context.Context, h *task.Host) error { <-h.Stopping(); return task.Interrupted("half way") },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "interrupted", 0, true, nil},
		{"drain ignored: cancelled after the grace", waits(time.Hour), func(r *tasktest.Task) { r.Stop(10 * time.Second) }, "interrupted", 10 * time.Second, true, nil},
		{"cancel", waits(time.Hour), func(r *tasktest.Task) { r.Cancel() }, "cancelled", 0, true, nil},
		{"cancel while draining", waits(time.Hour), func(r *tasktest.Task) { r.Stop(time.Minute); r.Cancel() }, "cancelled", 0, true, nil},
		{"cancel, but the work was done", func(ctx context.Context, _ *task.Host) error { <-ctx.Done(); return nil },
			func(r *tasktest.Task) { r.Cancel() }, "succeeded", 0, false, nil},
		{"cancel, context.Canceled returned", func(ctx context.Context, _ *task.Host) error { <-ctx.Done(); return ctx.Err() },
			func(r *tasktest.Task) { r.Cancel() }, "cancelled", 0, true, nil},
		{"cancel, and something else went wrong", func(ctx context.Context, _ *task.Host) error { <-ctx.Done(); return errors.New("rollback failed") },
			func(r *tasktest.Task) { r.Cancel() }, "cancelled", 0, false, nil},
		{"timeout, and something else went wrong", func(ctx context.Context, _ *task.Host) error { <-ctx.Done(); return errors.New("rollback failed") },
			func(*tasktest.Task) {}, "timed_out", 30 * time.Second, false, []tasktest.Option{tasktest.Timeout(30 * time.Second)}},
		{"drain: it failed because of that", func(_ context.Context, h *task.Host) error { <-h.Stopping(); return errors.New("cut") },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "interrupted", 0, true, nil},
		{"drain: it failed of itself", func(context.Context, *task.Host) error { <-time.After(time.Second); return errors.New("refused") },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "failed", time.Second, false, nil},
		{"drain: it panics", func(_ context.Context, h *task.Host) error { <-h.Stopping(); panic("boom") },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "failed", 0, true, nil},
		{"drain: a timeout that is over then says nothing", waits(time.Hour), func(r *tasktest.Task) { r.Stop(time.Minute) }, "interrupted", time.Minute, true,
			[]tasktest.Option{tasktest.Timeout(30 * time.Second)}},
		{"drain: a daemon that needs the cancel", func(ctx context.Context, h *task.Host) error { <-h.Stopping(); <-ctx.Done(); return nil },
			func(r *tasktest.Task) { r.Stop(time.Minute) }, "interrupted", time.Minute, true, []tasktest.Option{tasktest.Mode(task.ModeContinuous)}},
		{"killed while it is cancelled", func(context.Context, *task.Host) error { <-time.After(time.Hour); return nil },
			func(r *tasktest.Task) { r.Cancel(); r.Kill() }, "cancelled", 0, false, nil},
		{"timeout", waits(time.Hour), func(*tasktest.Task) {}, "timed_out", 30 * time.Second, true, []tasktest.Option{tasktest.Timeout(30 * time.Second)}},
		{"killed", waits(time.Hour), func(r *tasktest.Task) { r.Kill() }, "failed", 0, false, nil},
		{"stopped twice", func(ctx context.Context, h *task.Host) error { return h.Wait(ctx, time.Hour) },
			func(r *tasktest.Task) { r.Stop(time.Minute); r.Stop(time.Second) }, "interrupted", 0, true, nil},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			r := tasktest.Run(t, periodic(c.run), ``, c.options...)
			began := time.Now()
			c.act(r)
			equal(t, "outcome", r.Outcome(), c.outcome)
			equal(t, "time to the end", time.Since(began), c.took)
			equal(t, "observed stop", r.ObservedStop(), c.observed)
		})
	}
}

func TestCausesAnswerToTheContextErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{task.ErrCancelled, task.ErrStopTimeout, task.ErrHostGone} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	}
	if !errors.Is(task.ErrTimeout, context.DeadlineExceeded) || errors.Is(task.ErrTimeout, context.Canceled) {
		t.Error("ErrTimeout must be context.DeadlineExceeded and nothing else")
	}
	if errors.Is(task.ErrStopping, context.Canceled) {
		t.Error("ErrStopping ends no context")
	}
}
