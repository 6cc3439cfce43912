package api

import (
	"context"
	"sync"
	"time"
)

// trustTime is how long a token that expires is trusted without a look at the clock, which may be set meanwhile.
const trustTime = 30 * time.Second

// whileTrusted cancels a request, a stream too, as soon as its caller's token is revoked or has expired. The
// caller ends the watch with done.
func whileTrusted(who Identity, now func() time.Time, cancel context.CancelCauseFunc) (done func()) {
	var watches []func()
	if who.ended != nil {
		stop := context.AfterFunc(who.ended, func() { cancel(refuse("token_wrong", "the token %q was revoked", who.Name)) })
		watches = append(watches, func() { stop() })
	}
	if !who.Expires.IsZero() {
		watches = append(watches, atTime(who.Expires, now, func() { cancel(refuse("token_expired", "the trust in %q has expired", who.Name)) }))
	}
	return func() {
		for _, stop := range watches {
			stop()
		}
	}
}

// atTime calls do once the clock shows end, unless it is stopped before.
func atTime(end time.Time, now func() time.Time, do func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer // nil once it is stopped
	look := func() {
		left := end.Sub(now())
		if left <= 0 {
			do()
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Reset(min(left, trustTime))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(min(max(end.Sub(now()), 0), trustTime), look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		timer = nil
	}
}
