package api

import (
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/logs"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	logTail  = 200 // lines when the caller says neither tail nor since nor after
	pageLogs = 1000
	logPart  = 64 << 10 // bytes that are written at a time
)

var logLevels = []string{"trace", "debug", "info", "warn", "error"}

func (a *API) taskLogs(r *request) (any, error) {
	name, err := a.remembered(r)
	if err != nil {
		return nil, err
	}
	if run := r.q.Get("run"); run != "" && !task.ValidID(run) {
		return nil, refuse("query_invalid", "run=%q is no run id", short(run))
	}
	return a.logs(r, name, r.q.Get("run"))
}

func (a *API) runLogs(r *request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	return a.logs(r, run.Task, run.ID)
}

// logs answers in the form that the caller accepts: a page as JSON, or lines as NDJSON, plain text or
// server-sent events, with follow also those to come.
func (a *API) logs(r *request, name, run string) (any, error) {
	q, err := a.logQuery(r, name, run)
	if err != nil {
		return nil, err
	}
	follow, err := r.flag("follow")
	if err != nil {
		return nil, err
	}
	media := logForm(r.Header.Get("Accept"), follow)
	q.Limit = pageLogs
	if media == "" { // a page
		page, err := a.Logs.Page(r.Context(), q)
		if err != nil {
			return nil, err
		}
		items, next := []admin.LogRecord{}, ""
		for _, l := range page.Items {
			items = append(items, logOf(name, l))
		}
		if page.More {
			next = strconv.FormatUint(items[len(items)-1].Position, 10)
		}
		return paged(items, next), nil
	}
	if !follow {
		return streamed{}, a.sendLogs(r, q, media)
	}
	return streamed{}, a.followLogs(r, q, media)
}

func (a *API) logQuery(r *request, name, run string) (LogQuery, error) {
	q := LogQuery{Task: name, Run: run, Level: r.q.Get("level"), Grep: r.q.Get("grep")}
	if q.Level != "" {
		if _, err := choice("query_invalid", "level", q.Level, logLevels); err != nil {
			return q, err
		}
	}
	if _, err := regexp.Compile(q.Grep); err != nil {
		return q, refuse("query_invalid", "grep=%q is no regular expression: %v", short(q.Grep), err)
	}
	var err error
	if q.Since, err = r.instant("since", a.Now()); err != nil {
		return q, err
	}
	back := false
	if q.After, back, err = placeInLog(r); err != nil {
		return q, err
	}
	def := 0
	if q.Since.IsZero() && q.After == 0 {
		def = logTail
	}
	if q.Tail, err = r.number("tail", def, logs.MaxTail); back {
		q.Tail = 0
	}
	return q, err
}

// placeInLog is the line that the caller goes on after, and whether he has come back: then he wants all that he missed.
// The line that he saw last stands before the one that he asked for at first: a browser that comes back sends both.
func placeInLog(r *request) (after uint64, back bool, err error) {
	what, text := "after", r.q.Get("after")
	if cursor := r.q.Get("cursor"); cursor != "" {
		what, text = "cursor", cursor
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		what, text, back = "Last-Event-ID", id, true
	}
	if text == "" {
		return 0, false, nil
	}
	if after, err = strconv.ParseUint(text, 10, 64); err != nil || after > math.MaxInt64 {
		return 0, back, refuse("query_invalid", "%s=%q is no position", what, short(text)).with("send the position of the last line that you have")
	}
	return after, back, nil
}

// logForm is the media type of the lines, "" for a JSON page.
func logForm(accept string, follow bool) string {
	for part := range strings.SplitSeq(accept, ",") {
		media, _, _ := mime.ParseMediaType(strings.TrimSpace(part))
		switch media {
		case "text/event-stream", "application/x-ndjson", "text/plain":
			return media
		case "application/json":
			if !follow {
				return ""
			}
		}
	}
	if follow {
		return "application/x-ndjson"
	}
	return ""
}

// sendLogs writes what is there now, page by page, and ends.
func (a *API) sendLogs(r *request, q LogQuery, media string) error {
	page, err := a.Logs.Page(r.Context(), q)
	if err != nil {
		return err
	}
	s, done, err := a.openStream(r, media)
	if err != nil {
		return err
	}
	defer done()
	for {
		if sendPage(s, q.Task, media, page.Items) != nil || !page.More {
			return nil
		}
		q.After, q.Tail = page.Items[len(page.Items)-1].Position, 0
		if page, err = a.Logs.Page(r.Context(), q); r.Context().Err() != nil {
			return nil
		} else if err != nil {
			a.Log.Warn("a log could not be sent to its end", "request", r.id, "task", q.Task, "err", err)
			panic(http.ErrAbortHandler) // nobody is to take the part for the whole
		}
	}
}

// sendPage writes lines, many at a time.
func sendPage(s *stream, name, media string, lines []LogRecord) error {
	var part []byte
	for _, l := range lines {
		if part = append(part, formatLog(media, name, l)...); len(part) < logPart {
			continue
		}
		if err := s.write(part); err != nil {
			return err
		}
		part = part[:0]
	}
	return s.write(part)
}

// followLogs writes what is there, then what comes. The stream has begun, so an error can only end it:
// the caller goes on from the last position that he saw.
func (a *API) followLogs(r *request, q LogQuery, media string) error {
	s, done, err := a.openStream(r, media)
	if err != nil {
		return err
	}
	defer done()
	for l, err := range a.Logs.Follow(r.Context(), q) {
		if err != nil {
			if r.Context().Err() == nil {
				a.Log.Warn("log stream ended", "request", r.id, "task", q.Task, "err", err)
			}
			return nil
		}
		if s.write(formatLog(media, q.Task, l)) != nil {
			return nil
		}
	}
	return nil
}

// formatLog is one line in the form of the media type; the zero record is a sign of life.
func formatLog(media, name string, l LogRecord) []byte {
	alive := l.Position == 0 && l.Gap == 0
	switch media {
	case "text/plain":
		if alive {
			return nil
		}
		return []byte(logText(l))
	case "text/event-stream":
		if alive {
			return []byte(": ping\n\n")
		}
		return fmt.Appendf(nil, "id: %d\nevent: log\ndata: %s\n\n", l.Position, logJSON(name, l))
	}
	if alive {
		return []byte("\n")
	}
	return append(logJSON(name, l), '\n')
}

func logJSON(name string, l LogRecord) []byte {
	rec := logOf(name, l)
	data, err := json.Marshal(rec)
	if err != nil { // fields that are no JSON: the rest of the line still counts
		rec.Fields = nil
		data, _ = json.Marshal(rec)
	}
	return data
}

// logText is a line as a terminal shows it; control characters cannot reach the terminal.
func logText(l LogRecord) string {
	if l.Gap > 0 {
		return fmt.Sprintf("… %d lines are missing …\n", l.Gap)
	}
	text := fmt.Sprintf("%s %-5s %s", admin.At(l.At), strings.ToUpper(l.Level), l.Message)
	if len(l.Fields) > 0 && string(l.Fields) != "{}" {
		text += " " + string(l.Fields)
	}
	return admin.Printable(text) + "\n"
}
