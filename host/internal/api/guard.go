package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

const handleTime = 30 * time.Second // to answer, waits and streams aside

// Handler is the API behind its guard: nothing is served that has not passed it.
func (a *API) Handler() http.Handler { return a.admin }

// A door is one way into the host: the routes of a table, behind the guard.
type door struct {
	*API
	mux      *http.ServeMux
	table    map[string]route // by the pattern of mux
	requests slots            // that are being answered
	local    slots            // the same on the Unix socket: a crowd at a port leaves it free
	turns    slots            // of those that only read, over TCP
	rates    *buckets
	closing  context.Context // ends when the door does: it cuts streams and waits
	end      context.CancelCauseFunc
}

func (a *API) newDoor(rows []route, rate Rate) *door {
	d := &door{API: a, mux: http.NewServeMux(), table: map[string]route{}, requests: make(slots, a.MaxRequests), local: make(slots, a.MaxRequests), turns: make(slots, atATurn()), rates: newBuckets(rate)}
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
// known, has the route's role and does not come too often.
func (d *door) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r := &request{Request: req, w: w, id: task.NewID(d.Now()), ingress: d == d.ingress}
	head := w.Header()
	maps.Copy(head, guardHeader)
	head.Set("X-Request-Id", r.id)
	connection := peerOf(req.Context()).guest
	connection.busy()
	defer connection.done()
	defer d.count(r, d.Now())
	defer d.recover(r)
	room := d.requests
	if peerOf(req.Context()).unix {
		room = d.local
	}
	if !room.take() {
		d.refuse(r, busy("%d requests are being answered", cap(room)))
		return
	}
	defer room.give()
	if req.Body != nil && req.Body != http.NoBody { // also when nobody reads it: the server does, before it answers
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(d.BodyTime))
	}
	if err := d.admit(r); err != nil {
		d.refuse(r, err)
		return
	}
	r.admitted = true
	ctx := context.WithValue(req.Context(), requestKey{}, r)
	d.mux.ServeHTTP(w, req.WithContext(ctx))
}

type requestKey struct{}

// admit checks the request against its row of the table, and fills in who makes it.
func (d *door) admit(r *request) error {
	if d.closing.Err() != nil {
		return errClosing
	}
	row, missing := d.find(r.Request)
	r.row = row
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
	if err := d.pace(r); err != nil {
		return err
	}
	r.row = row
	switch {
	case who.Role == Anyone && (missing != nil || row.role != Anyone):
		return d.stranger(who)
	case missing != nil:
		return missing
	case who.Role.May(row.role):
		return nil
	}
	return refuse("forbidden", "%s %s needs the role %s; %s has the role %s", row.method, row.path, row.role, who.Name, who.Role)
}

// pace refuses a caller who comes too often.
func (d *door) pace(r *request) error {
	p := peerOf(r.Context())
	if p.unix && !d.rates.Unix {
		return nil
	}
	caller := r.who.key()
	if r.who.Role == Anyone {
		caller = addressOf(r.Request, p)
	}
	wait := d.rates.take(caller, d.Now())
	if wait == 0 {
		return nil
	}
	return later(refuse("rate_limited", "more than %d requests in %s", d.rates.Number, d.rates.Per), wait)
}

// stranger is the refusal of a caller who does not say who he is, or whose certificate says nothing to the host.
func (d *door) stranger(who Identity) *refusal {
	if who.Via == viaCertificate {
		return refuse("forbidden", "the certificate of %q has no role here", short(who.Name)).
			with("name it in client_roles of the listener's tls block, or send a token")
	}
	r := refuse("token_missing", "the request says not who makes it")
	if d == d.ingress {
		r.with("send Authorization: Bearer with the text of producer.token in the host's data_dir")
	}
	return r
}

// checkHost refuses a request over TCP that was meant for another name: a page that has pointed its
// own name at this machine.
func checkHost(r *http.Request) error {
	p := peerOf(r.Context())
	if p.unix || r.TLS != nil && p.tls == nil { // behind TLS of its own the name was checked
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
	if p.tls != nil && p.tls.names(name) {
		return nil
	}
	bad := refuse("host_unknown", "the Host header %q does not name this host", short(r.Host))
	if p.tls != nil {
		return bad.with("use a name that the host's certificate is for")
	}
	return bad.with("use 127.0.0.1 or localhost with the host's port")
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
	defer whileTrusted(r.who, d.Now, cancel)()
	defer whileVisiting(r.who, cancel)()
	defer d.begin(row, r)()
	r.Request = req.WithContext(task.WithTraceParent(ctx, r.trace))
	defer r.yield()
	var value any
	err := d.queueUp(row, r)
	if err == nil {
		value, err = d.answer(row, r)
	}
	if err != nil {
		if _, decided := errors.AsType[*refusal](err); !decided && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		d.refuse(r, err)
		return
	}
	d.write(r, value)
}

// answer bounds the time of a handler by the wait that the caller asked for.
func (a *API) answer(row route, r *request) (any, error) {
	if err := a.within(row, r); err != nil {
		return nil, err
	}
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
		r.status = http.StatusNoContent
		a.record(r, http.StatusNoContent, "", nil)
		r.w.WriteHeader(http.StatusNoContent)
		return
	}
	data, done := value.(encoded)
	if !done {
		var err error
		if data, err = encode(value); err != nil {
			a.refuse(r, fmt.Errorf("encode the answer: %w", err))
			return
		}
	}
	a.record(r, status, "", value)
	r.send(status, "application/json", data)
}

// refuse is the one writer of problems.
func (a *API) refuse(r *request, err error) {
	p, why := a.problem(r, err)
	r.outside = why.outside
	if why.allow != "" {
		r.w.Header().Set("Allow", why.allow)
	}
	if why.retryAfter != "" {
		r.w.Header().Set("Retry-After", why.retryAfter)
	}
	if p.Status == http.StatusUnauthorized {
		r.w.Header().Set("WWW-Authenticate", `Bearer realm="taskhost"`)
	}
	if p.Status == http.StatusUnauthorized || p.Code == "login_limited" {
		r.w.Header().Set("Connection", "close") // the next try costs a connection
	}
	if p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden || p.Status == http.StatusMisdirectedRequest {
		a.Log.Warn("request refused", "request", r.id, "method", r.Method, "path", r.URL.Path, "code", p.Code, "remote", r.RemoteAddr, "by", r.who.Name)
	}
	data, err := encode(p)
	if err != nil {
		a.Log.Error("cannot encode a problem", "request", r.id, "err", err)
	}
	a.record(r, p.Status, p.Code, nil)
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

// send writes a whole answer; the connection cuts a caller who does not take it.
func (r *request) send(status int, media string, data []byte) {
	r.status = status
	r.yield()
	head := r.w.Header()
	head.Set("Content-Type", media)
	if len(data) <= small {
		r.w.WriteHeader(status)
		r.w.Write(data)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(data)))
	r.w.WriteHeader(status)
	r.w.Write(data)
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
