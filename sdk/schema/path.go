package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// PathStep is one step from a value into a part of it. Exactly one of the
// three is set: the name of an attribute, block or field; the key of a map; or
// the index in a list.
type PathStep struct {
	Attr  string  `json:"attr,omitempty"`
	Key   *string `json:"key,omitempty"`
	Index *int    `json:"index,omitempty"`
}

// Attr is the step to an attribute, block or field.
func Attr(name string) PathStep { return PathStep{Attr: name} }

// Key is the step to an element of a map.
func Key(key string) PathStep { return PathStep{Key: &key} }

// Index is the step to an element of a list.
func Index(i int) PathStep { return PathStep{Index: &i} }

// Problem is one thing that is wrong with a value, at a place in it.
type Problem struct {
	Path    []PathStep `json:"path,omitempty"` // empty: the value as a whole
	Summary string     `json:"summary"`        // one line, complete without Detail
	Detail  string     `json:"detail,omitempty"`
	Warning bool       `json:"warning,omitempty"` // true: worth knowing, but the value is accepted
}

// String is the problem on one line, led by its path.
func (p Problem) String() string {
	text := p.Summary
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if len(p.Path) > 0 {
		text = FormatPath(p.Path) + ": " + text
	}
	return text
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// FormatPath writes a path as a person would: `tls.header["X-Id"].names[2]`.
// The empty path is the empty string.
func FormatPath(path []PathStep) string {
	var out strings.Builder
	for _, step := range path {
		switch {
		case step.Index != nil:
			fmt.Fprintf(&out, "[%d]", *step.Index)
		case step.Key != nil:
			fmt.Fprintf(&out, "[%s]", strconv.Quote(clip(*step.Key)))
		case !plainKey.MatchString(step.Attr):
			fmt.Fprintf(&out, "[%s]", strconv.Quote(clip(step.Attr)))
		default:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(clip(step.Attr))
		}
	}
	return out.String()
}

// PathOf converts a cty path. Steps that are neither a name, a text nor a
// whole number (into a set, for instance) end it.
func PathOf(path cty.Path) []PathStep {
	steps := make([]PathStep, 0, len(path))
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, Attr(step.Name))
		case cty.IndexStep:
			key, _ := step.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				return steps
			case key.Type() == cty.String:
				steps = append(steps, Key(key.AsString()))
			case key.Type() == cty.Number:
				i, _ := key.AsBigFloat().Int64()
				steps = append(steps, Index(int(i)))
			default:
				return steps
			}
		}
	}
	return steps
}

// at returns path with one more step, never sharing memory with another path
// that grows from the same place.
func at(path []PathStep, step PathStep) []PathStep {
	return append(path[:len(path):len(path)], step)
}
