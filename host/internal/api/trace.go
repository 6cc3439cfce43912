package api

import (
	"net/http"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Tracer makes spans of requests. Implemented by trace.
type Tracer interface {
	// Request begins the span of a request in the W3C trace context parent ("" is none). It returns the span's own
	// context, and what ends it with the status of the answer.
	Request(method, route, parent string) (traceParent string, end func(status int))
}

// begin puts the request into the trace that its caller is in, and returns what ends its part of it. A request that
// only reads has a part only when its caller is in a trace: who asks every second is not worth one.
func (a *API) begin(row route, r *request) (end func()) {
	if parent := r.Header.Get("traceparent"); task.ValidTraceParent(parent) {
		r.trace = parent
	}
	if a.Tracer == nil || row.stream || r.Method == http.MethodGet && r.trace == "" {
		return func() {}
	}
	trace, ended := a.Tracer.Request(r.Method, row.path, r.trace)
	r.trace = trace
	return func() { ended(r.status) }
}
