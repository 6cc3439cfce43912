package config

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taskhost/taskhost/sdk/schema"
)

// evaluate gives the value of an expression, which may be null, unknown or marked.
// It reports what is wrong and never panics: marked and unknown values meet in
// functions and operators in ways that their makers did not foresee.
func evaluate(expr hcl.Expression, ctx *hcl.EvalContext, find findings) (v cty.Value, ok bool) {
	defer func() {
		if cause := recover(); cause != nil {
			find.errorf(expr.Range(), "simplify it", "the expression cannot be evaluated")
			v, ok = cty.DynamicVal, false
		}
	}()
	v, diags := expr.Value(ctx)
	find.foreign(diags)
	return v, !diags.HasErrors()
}

// convertTo gives a setting the type, or reports that it cannot have it. Sensitive
// values are refused: what is not a secret by its nature is shown everywhere.
func (s section) convertTo(name string, v setting, typ cty.Type) (cty.Value, bool) {
	if v.ContainsMarked() {
		s.find.errorf(v.at(), "sensitive values may stand in config and env", "%s must not be sensitive: it is shown in lists and logs", name)
		return cty.NilVal, false
	}
	return s.converted(name, v, typ)
}

// converted is convertTo for places where sensitive values may stand. What is given there is handed out as it is: a part of a secret, or
// what a function has made of one.
func (s section) converted(name string, v setting, typ cty.Type) (cty.Value, bool) {
	out, err := convert.Convert(v.Value, typ)
	if err != nil {
		s.find.errorf(v.at(), "", "%s: %s", name, describeError(err))
		return cty.NilVal, false
	}
	if !out.IsKnown() {
		return cty.NilVal, false // its cause was reported, or will be known at run time
	}
	if out.ContainsMarked() {
		s.secret.addMarked(out)
	}
	return out, true
}

// describeError is a conversion error with the path to the element that is wrong.
func describeError(err error) string {
	if path, ok := err.(cty.PathError); ok && len(path.Path) > 0 {
		return schema.FormatPath(schema.PathOf(path.Path)) + ": " + path.Error()
	}
	return err.Error()
}

func (s section) text(name string) (string, setting, bool) {
	v, given := s.get(name)
	if !given {
		return "", v, false
	}
	out, ok := s.convertTo(name, v, cty.String)
	if !ok {
		return "", v, false
	}
	return out.AsString(), v, true
}

func (s section) boolean(name string, def bool) bool {
	v, given := s.get(name)
	if !given {
		return def
	}
	out, ok := s.convertTo(name, v, cty.Bool)
	if !ok {
		return def
	}
	return out.True()
}

// oneOf reads a word out of a fixed set.
func oneOf[T ~string](s section, name string, def T, words ...T) T {
	text, v, ok := s.text(name)
	if !ok {
		return def
	}
	return word(s, name, text, v.at(), def, words...)
}

func word[T ~string](s section, name, text string, at hcl.Range, def T, words ...T) T {
	known := make([]string, len(words))
	for i, w := range words {
		if text == string(w) {
			return w
		}
		known[i] = string(w)
	}
	hint := ""
	if near, ok := schema.Nearest(text, known); ok {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	s.find.errorf(at, hint, "%s: %q is not one of %s", name, clip(text), strings.Join(known, ", "))
	return def
}

// bigFloat reads a number, exact as it is written.
func (s section) bigFloat(name string) (setting, *big.Float, bool) {
	v, given := s.get(name)
	if !given {
		return v, nil, false
	}
	out, ok := s.convertTo(name, v, cty.Number)
	if !ok {
		return v, nil, false
	}
	return v, out.AsBigFloat(), true
}

// integer reads a whole number within bounds.
func (s section) integer(name string, def, least, most int) int {
	v, out, ok := s.bigFloat(name)
	if !ok {
		return def
	}
	n, accuracy := out.Int64()
	if accuracy != big.Exact || n < int64(least) || n > int64(most) {
		s.find.errorf(v.at(), "", "%s: %s is not a whole number from %d to %d", name, out.Text('g', 12), least, most)
		return def
	}
	return int(n)
}

// longest bounds every duration: ten years of 365 days. Sums of a few stay far
// from what a time.Duration can hold.
const longest = 3650 * 24 * time.Hour

func (s section) duration(name string, def, least time.Duration) time.Duration {
	text, v, ok := s.text(name)
	if !ok {
		return def
	}
	d, err := schema.ParseDuration(text)
	switch {
	case err != nil:
		s.find.errorf(v.at(), "", "%s: %s", name, err)
		return def
	case d < least && least <= time.Nanosecond:
		s.find.errorf(v.at(), "", "%s: %s must not be %s", name, schema.FormatDuration(d), map[bool]string{true: "negative", false: "zero or negative"}[least == 0])
		return def
	case d < least || d > longest:
		s.find.errorf(v.at(), "", "%s: %s is not between %s and %s", name, schema.FormatDuration(d), schema.FormatDuration(least), schema.FormatDuration(longest))
		return def
	}
	return d
}

func (s section) size(name string, def, least, most int64) int64 {
	text, v, ok := s.text(name)
	if !ok {
		return def
	}
	n, err := schema.ParseBytes(text)
	switch {
	case err != nil:
		s.find.errorf(v.at(), "", "%s: %s", name, err)
		return def
	case n < least || n > most:
		s.find.errorf(v.at(), "", "%s: %s is not between %s and %s", name, schema.FormatBytes(n), schema.FormatBytes(least), schema.FormatBytes(most))
		return def
	}
	return n
}

// item is one text of a list, with its own place where the list is written out.
type item struct {
	text string
	expr hcl.Expression
}

func (i item) at() hcl.Range { return i.expr.Range() }

// texts reads a list of strings.
func (s section) texts(name string) ([]item, bool) {
	v, given := s.get(name)
	if !given {
		return nil, false
	}
	return s.items(name, v)
}

// textOrTexts reads a string or a list of strings.
func (s section) textOrTexts(name string) ([]item, setting, bool) {
	v, given := s.get(name)
	if !given {
		return nil, v, false
	}
	if typ := v.Type(); typ.IsPrimitiveType() {
		out, ok := s.convertTo(name, v, cty.String)
		if !ok {
			return nil, v, false
		}
		return []item{{out.AsString(), v.expr}}, v, true
	}
	items, ok := s.items(name, v)
	return items, v, ok
}

func (s section) items(name string, v setting) ([]item, bool) {
	out, ok := s.convertTo(name, v, cty.List(cty.String))
	if !ok {
		return nil, false
	}
	exprs, diags := hcl.ExprList(v.expr)
	if diags.HasErrors() || len(exprs) != out.LengthInt() {
		exprs = nil
	}
	var items []item
	for it := out.ElementIterator(); it.Next(); {
		_, element := it.Element()
		expr := v.expr
		if exprs != nil {
			expr = exprs[len(items)]
		}
		if element.IsNull() {
			s.find.errorf(expr.Range(), "", "%s: an element is null", name)
			return nil, false
		}
		if !element.IsKnown() {
			return nil, false
		}
		items = append(items, item{element.AsString(), expr})
	}
	return items, true
}

// textMap reads a map of strings. Values may be sensitive when secret is set, and
// null ones are left out then; ok is false when nothing usable is given.
func (s section) textMap(name string, secret bool) (map[string]string, setting, bool) {
	v, given := s.get(name)
	if !given {
		return nil, v, false
	}
	check := s.convertTo
	if secret {
		check = s.converted
		if v.IsMarked() {
			s.find.errorf(v.at(), "only its values may be", "%s must not be sensitive as a whole: its names are shown", name)
			return nil, v, false
		}
	}
	out, ok := check(name, v, cty.Map(cty.String))
	if !ok {
		return nil, v, false
	}
	out, _ = out.UnmarkDeep()
	texts := make(map[string]string, out.LengthInt())
	for it := out.ElementIterator(); it.Next(); {
		key, element := it.Element()
		switch {
		case !element.IsKnown():
		case !element.IsNull():
			texts[key.AsString()] = element.AsString()
		case !secret:
			s.find.errorf(v.at(), "", "%s: %q is null", name, clip(key.AsString()))
		}
	}
	return texts, v, true
}

// entry finds where an element of a written-out map stands.
func entry(v setting, key string) hcl.Range {
	pairs, diags := hcl.ExprMap(v.expr)
	if diags.HasErrors() {
		return v.at()
	}
	for _, pair := range pairs {
		if hcl.ExprAsKeyword(pair.Key) == key {
			return pair.Value.Range()
		}
		k, diags := pair.Key.Value(nil)
		if !diags.HasErrors() && !k.IsMarked() && k.IsKnown() && !k.IsNull() && k.Type() == cty.String && k.AsString() == key {
			return pair.Value.Range()
		}
	}
	return v.at()
}

// clip shortens a text for a message.
func clip(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
