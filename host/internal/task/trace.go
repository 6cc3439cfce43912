package task

import (
	"context"
	"strings"
)

// ValidTraceParent reports whether text is a W3C trace context of version 00, as the header traceparent has it.
func ValidTraceParent(text string) bool {
	// 00-<32 hex digits>-<16>-<2>
	if len(text) != 55 || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return false
	}
	trace, span, flags := text[3:35], text[36:52], text[53:]
	return hex(trace) && hex(span) && hex(flags) && strings.Trim(trace, "0") != "" && strings.Trim(span, "0") != ""
}

func hex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

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
