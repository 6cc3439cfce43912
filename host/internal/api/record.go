package api

import (
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/audit"
)

const (
	maxReason = 1000 // bytes of a reason that are written down
	maxPart   = 200  // of a name in a path
	maxTasks  = 1000 // names of tasks in one record
)

// denials are the refusals for want of a right.
var denials = []string{"token_missing", "token_wrong", "token_expired", "forbidden", "cross_origin", "host_unknown"}

// record writes down a request that asks for a change, and a refusal for want of a right, before it is
// answered. Posts of messages, and the same refusal of the same caller, are counted by the minute: they
// must not drive out what matters more.
func (a *API) record(r *request, status int, code string, value any) {
	if a.Audit == nil {
		return
	}
	denied := r.outside || slices.Contains(denials, code)
	asked := r.admitted && r.row.method != http.MethodGet
	if !denied && !asked {
		return
	}
	rec := recordOf(r, status, code)
	if denied {
		a.Audit.Repeated(strings.Join([]string{"denied", r.who.key(), addressOf(r.Request, peerOf(r.Context())), rec.Route, code}, "\x00"), rec)
		return
	}
	if r.row.role == Producer {
		a.Audit.Repeated(strings.Join([]string{"posted", r.who.key(), rec.Route, rec.Queue, code}, "\x00"), rec)
		return
	}
	if status < 300 {
		describe(&rec, r, value)
	}
	a.Audit.Write(rec)
}

// recordOf is what a request says of itself, before anything came of it.
func recordOf(r *request, status int, code string) audit.Record {
	p := peerOf(r.Context())
	rec := audit.Record{
		Request: r.id, Actor: r.who.Name, Via: r.who.Via, Transport: transportOf(r, p), Route: r.row.pattern(),
		Reason: cut(r.reason, maxReason), Status: status, Code: code,
	}
	if p.unix {
		rec.UID = new(p.uid)
	} else {
		rec.Peer = r.RemoteAddr
	}
	if r.row.serve == nil {
		rec.Route = cut(r.Method, maxPart)
		return rec
	}
	for name, value := range parts(r.row.path, r.URL) {
		switch value = cut(value, maxPart); name {
		case "task":
			rec.Task = value
		case "queue":
			rec.Queue = value
		case "run":
			rec.Run = value
		default:
			rec.Name = value
		}
	}
	return rec
}

func transportOf(r *request, p peer) string {
	way := "tcp"
	switch {
	case p.unix:
		way = viaUnix
	case r.TLS != nil:
		way = "tls"
	}
	if r.ingress {
		return "ingress " + way
	}
	return way
}

// parts are the names of a path's placeholders and their values, also when the request was never routed.
func parts(pattern string, u *url.URL) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		given, more := u.EscapedPath(), true
		for segment := range strings.SplitSeq(pattern, "/") {
			if !more {
				return
			}
			var value string
			value, given, more = strings.Cut(given, "/")
			name, is := strings.CutPrefix(segment, "{")
			if !is {
				continue
			}
			if value, err := url.PathUnescape(value); err == nil && !yield(strings.TrimSuffix(name, "}"), value) {
				return
			}
		}
	}
}

func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// describe adds what a request has brought about.
func describe(rec *audit.Record, r *request, value any) {
	if a, ok := value.(answer); ok {
		value = a.body
	}
	switch v := value.(type) {
	case admin.Run: // a new one, unless it is that of an earlier request
		rec.Run, rec.Task = v.ID, v.Task
		rec.Changed = new(r.w.Header().Get("Idempotency-Replayed") == "")
	case admin.RunResult:
		rec.Task = v.Task
		rec.Changed = new(v.Changed)
	case admin.ActionResult:
		rec.Tasks = changedBy(v)
		rec.Changed = new(len(rec.Tasks) > 0)
	case admin.Redriven:
		rec.Changed = new(len(v.Moved) > 0)
	case admin.Purged:
		rec.Changed = new(v.Purged > 0)
	case admin.MadeToken:
		rec.Name, rec.Changed = v.Name, new(true)
	case admin.CheckpointValue, nil:
		rec.Changed = new(true)
	case json.RawMessage: // what a method did is its own affair
	default:
		rec.Changed = changedIn(value)
	}
}

// changedBy are the tasks that an action has changed.
func changedBy(v admin.ActionResult) (names []string) {
	for _, item := range v.Results {
		if item.Changed && !v.DryRun && len(names) < maxTasks {
			names = append(names, item.Task)
		}
	}
	return names
}

// changedIn is the field Changed of an answer; nil when it has none.
func changedIn(value any) *bool {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Struct {
		return nil
	}
	if f := v.FieldByName("Changed"); f.IsValid() && f.Kind() == reflect.Bool {
		return new(f.Bool())
	}
	return nil
}

// reasonIn is the field Reason of a body.
func reasonIn(body any) string {
	v := reflect.Indirect(reflect.ValueOf(body))
	if v.Kind() != reflect.Struct {
		return ""
	}
	if f := v.FieldByName("Reason"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}
