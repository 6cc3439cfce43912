package api

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	eventBuffer = 1024
	partSize    = 16 << 10 // bytes of events that are sent together when they have come together
)

// events streams what changes, as server-sent events. With Last-Event-ID it first gives again what the
// caller missed, with since what happened from then on; when that is no longer known, or the caller fell
// behind, it says reset.
func (a *API) events(r *request) (any, error) {
	from, err := a.placeIn(r)
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
	if !from.replay && from.since.IsZero() {
		from.last, from.replay = a.Replay.LastEvent(), true
		if s.write(placeFrame(from.last)) != nil {
			return streamed{}, nil
		}
	}
	for { // a reader that was cut begins anew
		reader := a.Feed.Subscribe(wanted, eventBuffer)
		err = a.replay(s, &from, func(e task.Event) bool { return wanted(e) && seen(e) })
		if err == nil && !from.known {
			from.last, err = a.follow(r.Context(), s, reader, from.last, seen)
		}
		reader.Close()
		if !errors.Is(err, feed.ErrLagged) {
			return streamed{}, nil
		}
		from.replay = true
	}
}

// A place is where in the stream of events a caller wants to begin, and whether he wants to go on.
type place struct {
	last   uint64    // after this event
	replay bool      // he named it
	since  time.Time // or with what happened from then on
	known  bool      // only with what is known already
}

// placeIn reads where the caller wants to begin. The event that he saw last stands before a time: a browser that comes
// back sends both.
func (a *API) placeIn(r *request) (from place, err error) {
	if from.since, err = r.instant("since", a.Now()); err != nil {
		return from, err
	}
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.q.Get("last_event_id")
	}
	if text != "" {
		if from.last, err = strconv.ParseUint(text, 10, 64); err != nil {
			return from, refuse("query_invalid", "Last-Event-ID %q is no event's id", short(text)).with("send the id of the last event that you saw")
		}
		from.replay, from.since = true, time.Time{}
	}
	if !r.q.Has("follow") {
		return from, nil
	}
	follow, err := r.flag("follow")
	if from.known = !follow; err == nil && from.known && !from.replay && from.since.IsZero() {
		err = refuse("query_invalid", "follow=%s without a beginning gives nothing", short(r.q.Get("follow"))).with("say since=1h, or last_event_id")
	}
	return from, err
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

// replay sends the events that the caller missed and that are still known, and moves from behind them. The reader is
// subscribed already: what comes meanwhile is passed over when it comes again.
func (a *API) replay(s *stream, from *place, wanted func(task.Event) bool) error {
	if !from.replay && from.since.IsZero() {
		return nil
	}
	missed, whole := a.missed(from)
	if !whole {
		if err := s.write(frameOf(task.Event{Seq: from.last, At: a.Now(), Topic: "reset", Kind: "reset", Text: "some events are lost; read again what you show"})); err != nil {
			return err
		}
	}
	var part []byte
	for _, e := range missed {
		from.last = e.Seq
		if wanted(e) {
			part = append(part, a.frames.of(e)...)
		}
		if len(part) >= partSize {
			if err := s.write(part); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return s.write(part)
}

// missed are the events that are still known, and whether that is all; otherwise from is moved to where they begin.
func (a *API) missed(from *place) ([]task.Event, bool) {
	if from.since.IsZero() {
		missed, whole := a.Replay.EventsSince(from.last)
		if !whole {
			from.last = a.Replay.LastEvent()
		}
		return missed, whole
	}
	missed, whole := a.Replay.EventsFrom(from.since)
	if !whole && len(missed) > 0 {
		from.last = missed[0].Seq - 1
	}
	from.since = time.Time{}
	return missed, whole
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
