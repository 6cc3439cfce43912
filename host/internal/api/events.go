package api

import (
	"context"
	"errors"
	"strconv"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	eventBuffer = 1024
	partSize    = 16 << 10 // bytes of events that are sent together when they have come together
)

// events streams what changes, as server-sent events. With Last-Event-ID it first gives again what the
// caller missed; when that is no longer known, or the caller fell behind, it says reset.
func (a *API) events(r *request) (any, error) {
	last, replay, err := lastEvent(r)
	if err != nil {
		return nil, err
	}
	topics, err := choices(r, "topic", []string{"task", "run", "slot", "state", "queue", "config", "host"})
	if err != nil {
		return nil, err
	}
	wanted := eventFilter(topics, r.q["task"])
	seen := func(e task.Event) bool { return a.seesEvent(r, e) } // not for the feed, which waits for nobody's lock
	s, done, err := a.openStream(r, "text/event-stream")
	if err != nil {
		return nil, err
	}
	defer done()
	for { // a reader that was cut begins anew
		reader := a.Feed.Subscribe(wanted, eventBuffer)
		if replay {
			last, err = a.replay(s, last, func(e task.Event) bool { return wanted(e) && seen(e) })
		}
		if err == nil {
			last, err = a.follow(r.Context(), s, reader, last, seen)
		}
		reader.Close()
		if !errors.Is(err, feed.ErrLagged) {
			return streamed{}, nil
		}
		replay, err = true, nil
	}
}

// lastEvent is the event that the caller saw last, and whether he named one.
func lastEvent(r *request) (uint64, bool, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.q.Get("last_event_id")
	}
	if text == "" {
		return 0, false, nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false, refuse("query_invalid", "Last-Event-ID %q is no event's id", short(text)).with("send the id of the last event that you saw")
	}
	return seq, true, nil
}

func eventFilter(topics, tasks []string) func(task.Event) bool {
	wanted := func(list []string, v string) bool {
		for _, w := range list {
			if w == v {
				return true
			}
		}
		return len(list) == 0
	}
	return func(e task.Event) bool { return wanted(topics, e.Topic) && wanted(tasks, e.Task) }
}

// replay sends the events after last that are still known. The reader is subscribed already: what comes
// meanwhile is passed over when it comes again.
func (a *API) replay(s *stream, last uint64, wanted func(task.Event) bool) (uint64, error) {
	missed, whole := a.Replay.EventsSince(last)
	if !whole {
		last = a.Replay.LastEvent()
		return last, s.write(frameOf(task.Event{Seq: last, At: a.Now(), Topic: "reset", Kind: "reset", Text: "some events are lost; read again what you show"}))
	}
	var part []byte
	for _, e := range missed {
		last = e.Seq
		if wanted(e) {
			part = append(part, a.frames.of(e)...)
		}
		if len(part) >= partSize {
			if err := s.write(part); err != nil {
				return last, err
			}
			part = part[:0]
		}
	}
	return last, s.write(part)
}

// follow sends the events that the caller may see as they come, until he, the feed or the host ends it.
func (a *API) follow(ctx context.Context, s *stream, reader *feed.Reader, last uint64, seen func(task.Event) bool) (uint64, error) {
	var part []byte
	for {
		quiet, cancel := context.WithTimeout(ctx, ping)
		e, err := reader.Next(quiet)
		cancel()
		part = part[:0]
		for more := err == nil; more; {
			if e.Seq > last {
				if last = e.Seq; seen(e) {
					part = append(part, a.frames.of(e)...)
				}
			}
			if len(part) >= partSize {
				break
			}
			e, more = reader.Waiting()
		}
		if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			part, err = append(part, ": ping\n\n"...), nil
		}
		if err == nil {
			err = s.write(part)
		}
		if err != nil {
			return last, err
		}
	}
}
