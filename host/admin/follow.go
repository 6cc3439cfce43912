package admin

import (
	"context"
	"errors"
	"iter"
	"time"
)

const (
	followFirst = 100 * time.Millisecond
	followMost  = 5 * time.Second
)

// Follow yields events as Events does, and goes on after the last one when the stream breaks or the host ends and
// comes back; lost is told each time why, and may be nil. It ends with ctx, or when the host refuses the request. What
// could not be replayed shows as an event with the topic reset. With q.Known it ends with what is known.
func (c *Client) Follow(ctx context.Context, q EventQuery, lost func(error)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		pause := followFirst
		reached := q.After > 0 // the host, or it was before
		for {
			var broke error
			for e, err := range c.events(ctx, q, func(seq uint64) { q.After = seq }) {
				if err != nil {
					broke = err
					break
				}
				q.After, pause = e.Seq, followFirst
				if reached = true; !yield(e, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			reached = reached || broke == nil || errors.Is(broke, errBroke)
			if broke != nil && (!reached || refused(broke)) {
				yield(Event{}, broke)
				return
			}
			if broke == nil && q.Known {
				return
			}
			if broke == nil {
				broke = errors.New("the host ended the stream")
			}
			if lost != nil {
				lost(broke)
			}
			if !rest(ctx, pause) {
				return
			}
			pause = min(2*pause, followMost)
		}
	}
}

// refused reports whether asking again cannot help: the host has understood the request and does not want it.
func refused(err error) bool {
	p := AsProblem(err)
	return p != nil && p.Status >= 400 && p.Status < 500 && p.Status != 429
}

// rest waits, and reports false when ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
