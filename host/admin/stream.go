package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds one line of a stream: a log record, or an event.
const maxLine = 4 << 20

// LogQuery selects lines of a log.
type LogQuery struct {
	Task   string // or Run
	Run    string
	Tail   int // the last so many lines; 0 is the host's choice
	Since  time.Duration
	Level  string // at least
	Grep   string // a regular expression
	After  uint64 // lines after this position
	Follow bool   // go on with what comes
}

// Logs yields the lines that q selects, oldest first. With Follow it ends only with ctx, an error
// or the host; a caller who goes on later asks again with After.
func (c *Client) Logs(ctx context.Context, q LogQuery) iter.Seq2[LogRecord, error] {
	r := call{method: http.MethodGet, path: path("tasks", q.Task, "logs"), query: url.Values{}, header: map[string]string{"Accept": "application/x-ndjson"}}
	if q.Task == "" {
		r.path = path("runs", q.Run, "logs")
	} else {
		set(r.query, "run", q.Run)
	}
	set(r.query, "level", q.Level)
	set(r.query, "grep", q.Grep)
	if q.Tail > 0 {
		r.query.Set("tail", strconv.Itoa(q.Tail))
	}
	if q.Since > 0 {
		r.query.Set("since", q.Since.String())
	}
	if q.After > 0 {
		r.query.Set("after", strconv.FormatUint(q.After, 10))
	}
	if q.Follow {
		r.query.Set("follow", "1")
	}
	return func(yield func(LogRecord, error) bool) {
		res, err := c.send(ctx, r)
		if err != nil {
			yield(LogRecord{}, err)
			return
		}
		defer res.Body.Close()
		lines := scanner(res.Body)
		for lines.Scan() {
			if len(lines.Bytes()) == 0 { // a sign of life
				continue
			}
			var rec LogRecord
			if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
				yield(LogRecord{}, fmt.Errorf("read the log: %w", err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
		if err := ended(ctx, lines.Err()); err != nil {
			yield(LogRecord{}, err)
		}
	}
}

// EventQuery selects events.
type EventQuery struct {
	After uint64    // events after this one, 0: only new ones
	Since time.Time // without After: first those from this time on
	Known bool      // only those that are known already, then end
	Topic string
	Task  string
}

// Events yields events as they happen until ctx, an error or the host ends it.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return c.events(ctx, q, func(uint64) {})
}

// events tells here, too, where the stream stands before its first event.
func (c *Client) events(ctx context.Context, q EventQuery, here func(seq uint64)) iter.Seq2[Event, error] {
	r := call{method: http.MethodGet, path: path("events"), query: url.Values{}, header: map[string]string{"Accept": "text/event-stream"}}
	set(r.query, "topic", q.Topic)
	set(r.query, "task", q.Task)
	switch {
	case q.After > 0:
		r.header["Last-Event-ID"] = strconv.FormatUint(q.After, 10)
	case !q.Since.IsZero():
		r.query.Set("since", At(q.Since).String())
	}
	if q.Known {
		r.query.Set("follow", "0")
	}
	return func(yield func(Event, error) bool) {
		res, err := c.send(ctx, r)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer res.Body.Close()
		lines := scanner(res.Body)
		place := uint64(0) // of the part that is being read, as long as it is no event
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				place, _ = strconv.ParseUint(id, 10, 64) // what is no number is no place
			}
			if lines.Text() == "" && place > 0 {
				here(place)
				place = 0
			}
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			place = 0
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				yield(Event{}, fmt.Errorf("read an event: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := ended(ctx, lines.Err()); err != nil {
			yield(Event{}, err)
		}
	}
}

func scanner(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return s
}

// ended is the error of a stream that is over; the caller's own end is none.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%w: %w", errBroke, err)
}

// errBroke says that a stream was open, and is so no longer.
var errBroke = errors.New("the stream broke")
