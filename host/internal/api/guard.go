package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	bodyTime   = 30 * time.Second // to send a body
	writeTime  = 10 * time.Second // to take a part of an answer
	handleTime = 30 * time.Second // to answer, waits and streams aside
)

// Handler is the API behind its guard: nothing is served that has not passed it.
func (a *API) Handler() http.Handler { return a.admin }

// A door is one way into the host: the routes of a table, behind the guard.
type door struct {
	*API
	mux      *http.ServeMux
	table    map[string]route // by the pattern of mux
	requests slots
	closing  context.Context // ends when the door does: it cuts streams and waits
	end      context.CancelCauseFunc
}

func (a *API) newDoor(rows []route) *door {
	d := &door{API: a, mux: http.NewServeMux(), table: map[string]route{}, requests: make(slots, a.MaxRequests)}
	d.closing, d.end = context.WithCancelCause(a.closing)
	for _, r := range rows {
		d.table[r.pattern()] = r
		d.mux.HandleFunc(r.pattern(), func(w http.ResponseWriter, req *http.Request) { d.handle(r, w, req) })
	}
	return d
}

// guardHeader is in every answer. Nobody changes its values: setting a header puts another one in its place.
var guardHeader = http.Header{
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Cache-Control":                {"no-store"},
}

// ServeHTTP lets a request through to its handler only when everything about it is in order: the
// host has room, the Host header and the origin are right, the route exists, and the caller is
// known and has the route's role.
func (d *door) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r := &request{Request: req, w: w, id: task.NewID(d.Now()), ingress: d == d.ingress}
	head := w.Header()
	maps.Copy(head, guardHeader)
	head.Set("X-Request-Id", r.id)
	defer d.recover(r)
	if !d.requests.take() {
		d.refuse(r, busy("%d requests are being answered", cap(d.requests)))
		return
	}
	defer d.requests.give()
	if err := d.admit(r); err != nil {
		d.refuse(r, err)
		return
	}
	ctx := context.WithValue(req.Context(), requestKey{}, r)
	d.mux.ServeHTTP(w, req.WithContext(ctx))
}

type requestKey struct{}

// admit checks the request against its row of the table, and fills in who makes it.
func (d *door) admit(r *request) error {
	if d.closing.Err() != nil {
		return errClosing
	}
	if err := checkHost(r.Request); err != nil {
		return err
	}
	if err := d.origin.Check(r.Request); err != nil {
		return refuse("cross_origin", "the request comes from a page of another origin: %v", err)
	}
	who, err := d.identify(r.Request)
	if err != nil {
		return err
	}
	r.who = who
	row, err := d.find(r.Request)
	if err != nil && who.Role == Anyone {
		return d.stranger()
	}
	if err != nil {
		return err
	}
	switch {
	case who.Role.may(row.role):
		return nil
	case who.Role == Anyone:
		return d.stranger()
	}
	return refuse("forbidden", "%s %s needs the role %s; %s has the role %s", row.method, row.path, row.role, who.Name, who.Role)
}

// stranger is the refusal of a caller who does not say who he is.
func (d *door) stranger() *refusal {
	r := refuse("token_missing", "the request says not who makes it")
	if d == d.ingress {
		r.with("send Authorization: Bearer with the text of producer.token in the host's data_dir")
	}
	return r
}

// checkHost refuses a request over TCP that was meant for another name: a page that has pointed its
// own name at this machine.
func checkHost(r *http.Request) error {
	if peerOf(r.Context()).unix || r.TLS != nil { // with TLS the caller has checked the name against the certificate
		return nil
	}
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	if ip, err := netip.ParseAddr(name); name == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return refuse("host_unknown", "the Host header %q does not name this host", r.Host).with("use 127.0.0.1 or localhost with the host's port")
}

// find is the row of the table for the request.
func (d *door) find(r *http.Request) (route, error) {
	_, pattern := d.mux.Handler(r)
	if row, ok := d.table[pattern]; ok {
		return row, nil
	}
	if d == d.ingress {
		return route{}, refuse("route_unknown", "there is no route %s %s", r.Method, r.URL.Path).
			with("this listener takes POST /v1/queues/{queue}/messages and /v1/queues/{queue}/messages/batch; the rest is at the admin API")
	}
	var allow []string
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := *r
		other.Method = method
		if _, pattern := d.mux.Handler(&other); d.table[pattern].serve != nil {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return route{}, refuse("route_unknown", "there is no route %s", r.URL.Path)
	}
	bad := refuse("method_not_allowed", "%s takes %s, not %s", r.URL.Path, strings.Join(allow, " and "), r.Method)
	bad.allow = strings.Join(allow, ", ")
	return route{}, bad
}

// handle runs the handler of a row and writes what it returns.
func (d *door) handle(row route, w http.ResponseWriter, req *http.Request) {
	r, ok := req.Context().Value(requestKey{}).(*request)
	if !ok { // nobody comes here without the guard
		http.Error(w, "", http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	defer context.AfterFunc(d.closing, func() { cancel(context.Cause(d.closing)) })()
	defer whileVisiting(r.who, cancel)()
	r.Request = req.WithContext(ctx)
	value, err := d.answer(row, r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			err = cause
		}
		d.refuse(r, err)
		return
	}
	d.write(r, value)
}

// answer bounds the time of a handler by the wait that the caller asked for.
func (a *API) answer(row route, r *request) (any, error) {
	if err := r.checkQuery(row); err != nil {
		return nil, err
	}
	if !row.stream {
		wait, err := r.wait()
		if err != nil {
			return nil, err
		}
		timeout, err := r.duration("timeout", maxWait)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), handleTime+wait+timeout)
		defer cancel()
		r.Request = r.WithContext(ctx)
	}
	return row.serve(a, r)
}

// write is the one writer of values.
func (a *API) write(r *request, value any) {
	status := http.StatusOK
	switch v := value.(type) {
	case streamed:
		return
	case answer:
		status, value = v.status, v.body
		for k, h := range v.header {
			r.w.Header().Set(k, h)
		}
	}
	if value == nil {
		r.w.WriteHeader(http.StatusNoContent)
		return
	}
	data, err := encode(value)
	if err != nil {
		a.refuse(r, fmt.Errorf("encode the answer: %w", err))
		return
	}
	r.send(status, "application/json", data)
}

// refuse is the one writer of problems.
func (a *API) refuse(r *request, err error) {
	p, why := a.problem(r, err)
	if why.allow != "" {
		r.w.Header().Set("Allow", why.allow)
	}
	if why.retryAfter != "" {
		r.w.Header().Set("Retry-After", why.retryAfter)
	}
	if p.Status == http.StatusUnauthorized {
		r.w.Header().Set("WWW-Authenticate", `Bearer realm="taskhost"`)
	}
	if p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || p.Status == http.StatusMisdirectedRequest {
		a.Log.Warn("request refused", "request", r.id, "method", r.Method, "path", r.URL.Path, "code", p.Code, "remote", r.RemoteAddr, "by", r.who.Name)
	}
	data, err := encode(p)
	if err != nil {
		a.Log.Error("cannot encode a problem", "request", r.id, "err", err)
	}
	r.send(p.Status, "application/problem+json", data)
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return b.Bytes(), err
}

// small is an answer that the server writes in one piece after the handler, and counts by itself.
const small = 1 << 10

// send writes a whole answer; a caller who does not take it is cut.
func (r *request) send(status int, media string, data []byte) {
	head := r.w.Header()
	head.Set("Content-Type", media)
	if len(data) <= small {
		r.w.WriteHeader(status)
		r.w.Write(data)
		return
	}
	ctrl := http.NewResponseController(r.w)
	ctrl.SetWriteDeadline(time.Now().Add(writeTime))
	head.Set("Content-Length", strconv.Itoa(len(data)))
	r.w.WriteHeader(status)
	r.w.Write(data)
	ctrl.SetWriteDeadline(time.Time{})
}

// recover keeps the host alive when a handler panics.
func (a *API) recover(r *request) {
	what := recover()
	if what == nil {
		return
	}
	if what == http.ErrAbortHandler {
		panic(what)
	}
	a.Log.Error("request panicked", "request", r.id, "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
	a.refuse(r, refuse("internal", "the host could not answer; its log says why under request %s", r.id))
}

func busy(format string, args ...any) *refusal {
	r := refuse("busy", format, args...)
	r.retryAfter = "1"
	return r
}
