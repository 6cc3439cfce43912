package api

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// recheck bounds how long a wait trusts the feed alone: a condition may also come about without
// an event of its task.
const recheck = time.Second

// await waits at most d until cond holds and reports whether it does. An error means that the
// caller has gone or the host ends.
func (a *API) await(ctx context.Context, name string, d time.Duration, cond func() bool) (bool, error) {
	if cond() {
		return true, nil
	}
	if d <= 0 {
		return false, nil
	}
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	concerns := func(e task.Event) bool { return name == "" || e.Task == name }
	for waiting.Err() == nil {
		part, done := context.WithTimeout(waiting, recheck)
		err := a.Feed.Wait(part, concerns, cond)
		done()
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return false, errClosing // the feed has ended
		}
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return cond(), nil
}
