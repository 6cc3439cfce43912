package session

import (
	"context"
	"unicode/utf8"
)

type traceKey struct{}

// WithTraceParent returns a context of the trace; an empty text leaves ctx alone, as does one that no frame can carry:
// it may come from a stranger's request.
func WithTraceParent(ctx context.Context, text string) context.Context {
	if text == "" || !utf8.ValidString(text) {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, text)
}

// TraceParent is the trace context that ctx is in; "" is none.
func TraceParent(ctx context.Context) string {
	text, _ := ctx.Value(traceKey{}).(string)
	return text
}
