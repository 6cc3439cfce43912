package task

import (
	"context"
	"log/slog"
	"math"

	"github.com/hashicorp/go-hclog"
)

// slogHandler writes slog records to an hclog logger. Groups become objects.
type slogHandler struct {
	log    hclog.Logger
	scopes []slogScope // of WithAttrs and WithGroup, outermost first
}

// slogScope is a group, or the attributes of the group before it.
type slogScope struct {
	group string
	attrs []slog.Attr
}

// newSlogHandler writes slog records to an hclog logger.
func newSlogHandler(log hclog.Logger) slog.Handler { return &slogHandler{log: log} }

func hclogLevel(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	}
	return hclog.Error
}

func (h *slogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return hclogLevel(l) >= h.log.GetLevel()
}

func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(slogScope{attrs: attrs})
}

func (h *slogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(slogScope{group: name})
}

func (h *slogHandler) with(s slogScope) slog.Handler {
	return &slogHandler{log: h.log, scopes: append(h.scopes[:len(h.scopes):len(h.scopes)], s)}
}

func (h *slogHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	// From the inside out: each group swallows what has been collected so far.
	for i := len(h.scopes) - 1; i >= 0; i-- {
		s := h.scopes[i]
		if s.group == "" {
			attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)
		} else {
			attrs = []slog.Attr{{Key: s.group, Value: slog.GroupValue(attrs...)}}
		}
	}
	var args []any
	eachAttr(attrs, func(key string, value any) { args = append(args, key, value) })
	h.log.Log(hclogLevel(r.Level), r.Message, args...)
	return nil
}

// eachAttr visits attributes as slog wants them: resolved, without empty ones, and
// with groups that have no name opened.
func eachAttr(attrs []slog.Attr, visit func(key string, value any)) {
	for _, a := range attrs {
		v := a.Value.Resolve()
		switch {
		case a.Equal(slog.Attr{}):
		case v.Kind() != slog.KindGroup:
			visit(a.Key, plain(v))
		case a.Key == "":
			eachAttr(v.Group(), visit)
		default:
			group := make(map[string]any)
			eachAttr(v.Group(), func(key string, value any) { group[key] = value })
			if len(group) > 0 {
				visit(a.Key, group)
			}
		}
	}
}

// plain is a value in the form that reads best in JSON.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindFloat64: // JSON has no form for some, and the whole line would be lost
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v.String()
		}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return err.Error()
		}
	}
	return v.Any()
}
