package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taskhost/taskhost/host/internal/schedule"
)

// compile lets schedule check what the periodic block says, and returns how far its
// slots are apart; 0 when that cannot be said.
func (i *instance) compile(s section, crons []item) time.Duration {
	d := i.def.Schedule
	if d.Every == 0 && !d.HasAfter && len(d.Cron) == 0 {
		return 0 // what is wrong was reported, or is not known
	}
	if !i.goodCrons(s, crons) {
		return 0
	}
	plan, err := schedule.Compile(i.def.Name, d)
	if err != nil {
		i.badSchedule(s, err, nil)
		return 0
	}
	switch {
	case d.Every > 0:
		return d.Every
	case d.HasAfter:
		return d.After
	}
	return shortestGap(plan)
}

// goodCrons checks each cron by itself, so that one mistake hides none in another.
func (i *instance) goodCrons(s section, crons []item) bool {
	good := true
	for _, c := range crons {
		one := i.def.Schedule
		one.Cron = []string{c.text}
		if _, err := schedule.Compile(i.def.Name, one); err != nil {
			i.badSchedule(s, err, &c)
			good = false
		}
	}
	return good
}

// badSchedule reports what schedule refuses, at the part of the text that it names.
func (i *instance) badSchedule(s section, err error, cron *item) {
	at := s.rng
	var e *schedule.Error
	if !errors.As(err, &e) {
		i.find.errorf(at, "", "%s", err)
		return
	}
	switch {
	case cron != nil:
		at = within(cron.expr, e.Column, e.Length)
	case s.shape.has(e.Field):
		if written, ok := s.written(e.Field); ok {
			at = written
		}
	}
	detail := e.Detail
	if cron != nil && !strings.HasPrefix(detail, "cron") {
		detail = fmt.Sprintf("cron %q: %s", clip(cron.text), detail)
	}
	i.find.errorf(at, e.Hint, "%s", detail)
}

func (s *shape) has(name string) bool {
	_, ok := s.attribute(name)
	return ok
}

// within is the range of a part of a text that is written out as it is; of the
// whole expression when it is not, or when the part is the whole.
func within(expr hcl.Expression, offset, length int) hcl.Range {
	at := expr.Range()
	if length <= 0 || at.Start.Line != at.End.Line {
		return at
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() || v.IsMarked() {
		return at
	}
	// Quotes stand around the text, and nothing in it is escaped: so its bytes are
	// those of the source, and for the ASCII of a cron its columns too.
	if template, native := expr.(*hclsyntax.TemplateExpr); native && !template.IsStringLiteral() {
		return at
	}
	if text := v.AsString(); at.End.Byte-at.Start.Byte != len(text)+2 || offset+length > len(text) {
		return at
	}
	at.Start.Byte += 1 + offset
	at.Start.Column += 1 + offset
	at.End = at.Start
	at.End.Byte += length
	at.End.Column += length
	return at
}

// shortestGap is the least distance between a schedule's slots, as far as a sample
// of a fixed time shows it: the same on every day on which it is asked.
func shortestGap(plan *schedule.Plan) time.Duration {
	const sample = 64
	at := plan.Next(time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC))
	var gap time.Duration
	for range sample {
		if at.IsZero() {
			break
		}
		next := plan.Next(at)
		if next.IsZero() {
			break
		}
		if d := next.Sub(at); gap == 0 || d < gap {
			gap = d
		}
		at = next
	}
	return gap
}
