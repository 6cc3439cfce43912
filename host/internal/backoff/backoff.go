// Package backoff says how long to wait before something that ended is tried again: a
// continuous task after its run, a run after its attempt.
//
// Everything here is pure: the policy, what happened so far, the time and a random
// number come in, a delay goes out. The supervisor calls it and does the waiting; it
// also decides beforehand which ends lead to another try at all (restart policy, stop,
// cancel). Nothing here knows tasks or processes.
package backoff

import (
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// spread is how far a delay may lie from its nominal length, to either side.
const spread = 0.2

// History is what a restart policy remembers of a continuous task. It is a value that
// nobody changes; the zero History is a task that has not failed. Its size is bounded by
// the policy's MaxFailures.
type History struct {
	Streak int         // failures in a row
	Recent []time.Time // failures within the policy's window, oldest first
}

// Failed returns the history after one more failure, at now, of a run that had been at
// work for alive. A run that was healthy for ResetAfter forgets what was before it.
func (h History) Failed(p task.Restart, alive time.Duration, now time.Time) History {
	if p.ResetAfter > 0 && alive >= p.ResetAfter {
		h = History{}
	}
	recent := make([]time.Time, 0, len(h.Recent)+1)
	for _, at := range h.Recent {
		if inWindow(p, at, now) {
			recent = append(recent, at)
		}
	}
	recent = append(recent, now.Round(0))
	if keep := max(p.MaxFailures, 0) + 1; len(recent) > keep {
		recent = slices.Delete(recent, 0, len(recent)-keep)
	}
	return History{Streak: h.Streak + 1, Recent: recent}
}

// Decision is when to start a continuous task again.
type Decision struct {
	After     time.Duration
	CrashLoop bool // too many failures: visible, and tried again at the longest delay
}

// Next says when to start a continuous task again whose run has ended. rnd in [0, 1)
// spreads the delay by up to a fifth to either side. Without failures, after a clean
// return, the delay is the policy's first one.
func Next(p task.Restart, h History, now time.Time, rnd float64) Decision {
	failures := 0
	for _, at := range h.Recent {
		if inWindow(p, at, now) {
			failures++
		}
	}
	if p.MaxFailures > 0 && failures > p.MaxFailures {
		return Decision{After: vary(max(p.MaxBackoff, p.Backoff), rnd), CrashLoop: true}
	}
	return Decision{After: vary(double(p.Backoff, p.MaxBackoff, h.Streak), rnd)}
}

// inWindow reports whether a failure still counts. One that lies ahead, because the
// clock was set back, does not: it would count for as long as the step was wide.
func inWindow(p task.Restart, at, now time.Time) bool {
	age := now.Round(0).Sub(at)
	return age >= 0 && age < p.Window
}

// Retry says whether a run whose attempt (from 1) has failed with the class gets another
// attempt, and after how long. asked is the delay that author code asked for with a
// RetryAfter error, which is kept to exactly; 0 is the policy's own, spread by rnd in [0, 1).
func Retry(r task.Retry, attempt int, class task.ErrorClass, asked time.Duration, rnd float64) (after time.Duration, ok bool) {
	if attempt >= r.Attempts || !retried(r, class) {
		return 0, false
	}
	if asked > 0 {
		return asked, true
	}
	return vary(double(r.Backoff, r.MaxBackoff, attempt), rnd), true
}

// retried reports whether the policy covers the class. An error with a wish for the time
// of the next try is an error first.
func retried(r task.Retry, class task.ErrorClass) bool {
	if len(r.On) > 0 {
		return slices.Contains(r.On, class) || class == task.ErrorRetry && slices.Contains(r.On, task.ErrorPlain)
	}
	switch class {
	case task.ErrorPermanent, task.ErrorUnhealthy, task.ErrorConfig:
		return false
	}
	return true
}

// double returns the delay before the n-th try again, n from 1: base, twice base and so on up to limit.
func double(base, limit time.Duration, n int) time.Duration {
	delay := base
	for i := 1; i < n && delay < limit; i++ {
		if delay > limit/2 {
			return limit
		}
		delay *= 2
	}
	if limit > 0 {
		delay = min(delay, limit)
	}
	return delay
}

// vary spreads a delay evenly over [1-spread, 1+spread) of its length.
func vary(d time.Duration, rnd float64) time.Duration {
	return time.Duration(float64(d) * (1 - spread + 2*spread*rnd))
}
