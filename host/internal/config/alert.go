package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taskhost/taskhost/host/internal/notify"
	"github.com/taskhost/taskhost/sdk/schema"
)

// runType is what a condition knows of a run.
var runType = cty.Object(map[string]cty.Type{"outcome": cty.String, "duration_s": cty.Number, "error": cty.String})

// conditionFuncs are the functions that a condition may call: they cost no more than what they are given.
var conditionFuncs = []string{
	"abs", "can", "ceil", "coalesce", "contains", "floor", "length", "lookup", "lower", "max", "min", "strlen", "tonumber", "tostring", "trimspace", "try", "upper",
}

// alert reads an alert block; it is not ok when its condition cannot be used.
func (s section) alert(l *loader, n *node, all tasks) (notify.Alert, bool) {
	a := notify.Alert{Name: n.label, Select: s.chosen(all)}
	a.Count, a.For = s.holdsFor()
	a.Severity, _, _ = s.text("severity")
	a.Text = s.template("text", "", func(text string) error {
		_, err := notify.ParseAlertText(text)
		return err
	})
	attr := n.attrs["when"]
	if attr == nil {
		s.find.errorf(n.rng, "add when = state.latency_ms > 800", "alert %q says not when", clip(n.label))
		return a, false
	}
	c, ok := l.condition(attr.Expr, s)
	a.When = c
	return a, ok
}

// holdsFor reads how often in a row, or for how long, a condition holds before it is an alert.
func (s section) holdsFor() (count int, d time.Duration) {
	v, given := s.get("for")
	if !given {
		return 1, 0
	}
	if v.Type() == cty.Number {
		return s.integer("for", 1, 1, 10_000), 0
	}
	if d = s.duration("for", 0, time.Second); d > 0 {
		return 0, d
	}
	return 1, 0
}

// condition is the expression of an alert, ready to be evaluated again and again.
type condition struct {
	expr   hcl.Expression
	ctx    *hcl.EvalContext
	source string
	keys   []string // of state that it reads
	all    bool     // which keys it reads cannot be told
	run    bool     // it reads run
	inputs []string // values that it takes from elsewhere, for the digest
}

var _ notify.Condition = (*condition)(nil)

// condition checks an expression as far as that goes without values: its names, its functions, its type.
func (l *loader) condition(expr hcl.Expression, s section) (*condition, bool) {
	native, ok := l.nativeExpr(expr, s)
	if !ok {
		return nil, false
	}
	c := &condition{expr: native, ctx: l.scope.of(s.rng.Filename), source: l.sourceOf(native.Range())}
	before := len(*s.find.list)
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		s.tooMuch(n)
		return nil
	})
	for _, t := range native.Variables() {
		c.reads(t, s)
	}
	if len(*s.find.list) > before {
		return nil, false
	}
	unknown := map[string]cty.Value{"state": cty.DynamicVal, "run": cty.UnknownVal(runType), "task": cty.UnknownVal(cty.String)}
	result, ok := evaluate(native, c.with(unknown), s.find)
	if !ok {
		return nil, false
	}
	result, _ = result.Unmark()
	if _, err := convert.Convert(result, cty.Bool); err != nil || result.IsNull() {
		s.find.errorf(native.Range(), "compare something: state.latency_ms > 800", "when: it must be true or false")
		return nil, false
	}
	return c, true
}

// nativeExpr is the expression in native syntax, which can be walked; in JSON it stands in a text.
func (l *loader) nativeExpr(expr hcl.Expression, s section) (hclsyntax.Expression, bool) {
	if native, ok := expr.(hclsyntax.Expression); ok {
		return native, true
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		s.find.errorf(expr.Range(), `write "${state.latency_ms > 800}"`, "when: an expression is required")
		return nil, false
	}
	native, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), expr.Range().Filename, expr.Range().Start)
	s.find.foreign(diags)
	return native, !diags.HasErrors()
}

// sourceOf is the text at a range, for people.
func (l *loader) sourceOf(at hcl.Range) string {
	text := l.sources.files[at.Filename]
	if at.End.Byte > len(text) || at.Start.Byte > at.End.Byte {
		return "its condition"
	}
	return l.secret.hide(clip(strings.Join(strings.Fields(string(text[at.Start.Byte:at.End.Byte])), " ")))
}

// tooMuch reports what could take long on large values.
func (s section) tooMuch(n hclsyntax.Node) {
	switch n := n.(type) {
	case *hclsyntax.ForExpr:
		s.find.errorf(n.Range(), "let the task publish what counts", "when: for is not supported")
	case *hclsyntax.SplatExpr:
		s.find.errorf(n.Range(), "let the task publish what counts", "when: [*] is not supported")
	case *hclsyntax.FunctionCallExpr:
		if !slices.Contains(conditionFuncs, n.Name) {
			s.find.errorf(n.NameRange, "it may call "+strings.Join(conditionFuncs, ", "), "when: the function %s is not supported", clip(n.Name))
		}
	}
}

// reads notes one use of a name.
func (c *condition) reads(t hcl.Traversal, s section) {
	switch root := t.RootName(); root {
	case "state":
		if len(t) < 2 {
			c.all = true
			return
		}
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			c.keys = append(c.keys, step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String && step.Key.IsKnown() {
				c.keys = append(c.keys, step.Key.AsString())
				return
			}
			c.all = true
		}
	case "run":
		c.run = true
	case "task":
	case "var", "local":
		if v, diags := t.TraverseAbs(c.ctx); !diags.HasErrors() {
			v, _ = v.UnmarkDeep()
			c.inputs = append(c.inputs, v.GoString())
		}
	default:
		hint := "it may use state, run, task, var and local"
		if near, ok := schema.Nearest(root, []string{"state", "run", "task", "var", "local"}); ok {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		s.find.errorf(t.SourceRange(), hint, "when: there is no %q", clip(root))
	}
}

// with is the scope of one evaluation.
func (c *condition) with(values map[string]cty.Value) *hcl.EvalContext {
	ctx := c.ctx.NewChild()
	ctx.Variables = values
	return ctx
}

// Source is the text of the condition.
func (c *condition) Source() string { return c.source }

// Reads reports whether the condition depends on a published value, or with "" on the last run.
func (c *condition) Reads(key string) bool {
	if key == "" {
		return c.run
	}
	return c.all || slices.Contains(c.keys, key)
}

// errJSON says that a published value cannot be read, which no store keeps.
var errJSON = errors.New("a published value is no JSON")

// Holds evaluates the condition. What is not there makes it false.
func (c *condition) Holds(v notify.Values) (holds bool, err error) {
	defer func() {
		if cause := recover(); cause != nil { // see evaluate
			holds, err = false, errors.New("the condition cannot be evaluated")
		}
	}()
	state := map[string]cty.Value{}
	for key, text := range v.State {
		if !c.Reads(key) {
			continue
		}
		typ, err := ctyjson.ImpliedType(text)
		if err != nil {
			return false, errJSON
		}
		if state[key], err = ctyjson.Unmarshal(text, typ); err != nil {
			return false, errJSON
		}
	}
	run := cty.NullVal(runType)
	if v.Run != nil {
		run = cty.ObjectVal(map[string]cty.Value{
			"outcome": cty.StringVal(v.Run.Outcome), "duration_s": cty.NumberFloatVal(v.Run.Duration), "error": cty.StringVal(v.Run.Error),
		})
	}
	result, diags := c.expr.Value(c.with(map[string]cty.Value{"state": cty.ObjectVal(state), "run": run, "task": cty.StringVal(v.Task)}))
	if diags.HasErrors() {
		if missing(diags) {
			return false, nil
		}
		return false, errors.New(strings.TrimSuffix(diags[0].Summary+": "+diags[0].Detail, "."))
	}
	result, _ = result.Unmark()
	result, err = convert.Convert(result, cty.Bool)
	if err != nil {
		return false, fmt.Errorf("it is neither true nor false: %w", err)
	}
	return !result.IsNull() && result.IsKnown() && result.True(), nil
}

// missing reports whether nothing is wrong but that a value is not there, or is null.
func missing(diags hcl.Diagnostics) bool {
	for _, d := range diags {
		switch d.Summary {
		case "Unsupported attribute", "Invalid index", "Attempt to get attribute from null value", "Attempt to index null value":
		default:
			if d.Severity == hcl.DiagError && !strings.Contains(d.Detail, "null") {
				return false
			}
		}
	}
	return true
}
