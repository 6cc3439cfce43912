package task

import (
	"context"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// TraceParent is the trace that ctx is in, as the W3C header traceparent has it, or "": that of the run, in a handler
// that of the message, in a method that of the call. Hand it on with a request to another service, or begin spans of
// your own under it; with OpenTelemetry that is
//
//	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": task.TraceParent(ctx)})
func TraceParent(ctx context.Context) string { return session.TraceParent(ctx) }

// WithTraceParent returns a context of another trace, or of a span of your own.
func WithTraceParent(ctx context.Context, traceParent string) context.Context {
	return session.WithTraceParent(ctx, traceParent)
}

// InTrace puts a message into the trace that ctx is in. A message without it belongs to that of the run, in a handler
// to that of the message at work.
func InTrace(ctx context.Context) EmitOption {
	return func(e *taskv1.Emit) { e.Traceparent = TraceParent(ctx) }
}
