package session

import "context"

type traceKey struct{}

// WithTraceParent returns a context of the trace; an empty text leaves ctx alone.
func WithTraceParent(ctx context.Context, text string) context.Context {
	if text == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, text)
}

// TraceParent is the trace context that ctx is in; "" is none.
func TraceParent(ctx context.Context) string {
	text, _ := ctx.Value(traceKey{}).(string)
	return text
}
