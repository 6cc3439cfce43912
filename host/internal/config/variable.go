package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// envVariable leads the names of environment variables that set variables.
const envVariable = "TASKHOST_VAR_"

// variable is a declared variable.
type variable struct {
	node      *node
	name      string
	typ       cty.Type
	defaults  *typeexpr.Defaults
	sensitive bool
}

// given is a value for a variable from outside.
type given struct {
	value cty.Value
	from  string    // "-var count", for messages
	at    hcl.Range // where it stands, if in a file
}

// variables evaluates the variable blocks into the scope. A value on the command
// line wins over one in a file, which wins over the environment, which wins over
// the default.
func (l *loader) variables(nodes []*node) {
	declared := map[string]*variable{}
	var order []*variable
	for _, n := range nodes {
		if earlier := declared[n.label]; earlier != nil {
			l.find.errorf(n.rng, "keep one", "a second variable %q; the first is at %s", n.label, place(earlier.node.rng))
			continue
		}
		if n.label == "" {
			continue
		}
		if !task.ValidName(n.label) && !hclsyntax.ValidIdentifier(n.label) {
			l.find.errorf(n.labelRng, "a name begins with a letter and holds letters, digits, - and _", "bad variable name %q", clip(n.label))
			continue
		}
		v := l.variable(n)
		declared[n.label] = v
		order = append(order, v)
	}

	values := map[string]given{}
	l.fromEnvironment(order, values)
	for _, file := range l.varFiles() {
		l.fromFile(file, declared, values)
	}
	for _, text := range l.opts.Vars {
		l.fromFlag(text, declared, values)
	}

	for _, v := range order {
		l.scope.vars[v.name] = l.settle(v, values)
	}
	for _, v := range order {
		l.validate(v)
	}
}

// variable reads a declaration.
func (l *loader) variable(n *node) *variable {
	v := &variable{node: n, name: n.label, typ: cty.DynamicPseudoType}
	s := l.section(n)
	v.sensitive = s.boolean("sensitive", false)
	_, _, _ = s.text("description")
	if attr := n.attrs["type"]; attr != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		l.find.foreign(diags)
		if !diags.HasErrors() {
			v.typ, v.defaults = typ, defaults
		}
	}
	return v
}

// settle finds the value of a variable and gives it its type. Without a usable
// value it is unknown, so that the error is reported once.
func (l *loader) settle(v *variable, values map[string]given) cty.Value {
	unknown := cty.UnknownVal(v.typ.WithoutOptionalAttributesDeep())
	g, ok := values[v.name]
	if !ok {
		attr := v.node.attrs["default"]
		if attr == nil && l.opts.blind() {
			return unknown
		}
		if attr == nil {
			l.find.errorf(v.node.rng, fmt.Sprintf("give it with -var %s=…, in a -var-file, as %s%s, or a default", v.name, envVariable, v.name),
				"variable %q has no value", v.name)
			return unknown
		}
		value, ok := evaluate(attr.Expr, constantScope, l.find)
		if !ok {
			return unknown
		}
		g = given{value, "default", attr.Expr.Range()}
	}
	if v.sensitive {
		l.secret.add(g.value)
	}
	value, err := v.convert(g.value)
	if err != nil {
		at := g.at
		if at.Filename == "" {
			at = v.node.rng
		}
		l.find.errorf(at, "", "variable %q cannot take the value of %s: %s", v.name, g.from, describeError(err))
		return unknown
	}
	if v.sensitive {
		value = value.Mark(sensitive)
	}
	return value
}

// constantScope has neither variables nor functions: defaults are constants.
var constantScope = &hcl.EvalContext{}

// convert gives a value the variable's type, with the defaults of its attributes.
func (v *variable) convert(value cty.Value) (out cty.Value, err error) {
	defer func() {
		if cause := recover(); cause != nil { // typeexpr panics on values that do not fit
			err = fmt.Errorf("it is not %s", v.typ.FriendlyNameForConstraint())
		}
	}()
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	return convert.Convert(value, v.typ)
}

// validate checks the validation blocks of a variable.
func (l *loader) validate(v *variable) {
	for _, n := range v.node.blocks["validation"] {
		s := l.section(n)
		condition := n.attrs["condition"]
		if condition == nil {
			l.find.errorf(n.rng, "", "validation of variable %q needs a condition", v.name)
			continue
		}
		result, ok := evaluate(condition.Expr, l.scope.of(n.rng.Filename), l.find)
		if !ok {
			continue
		}
		result, _ = result.Unmark()
		result, err := convert.Convert(result, cty.Bool)
		switch {
		case err != nil || result.IsNull():
			l.find.errorf(condition.Expr.Range(), "", "the condition must be true or false")
		case result.IsKnown() && result.False():
			text, _, ok := s.text("error_message")
			if !ok {
				text = "the condition of its validation is false"
			}
			l.find.errorf(condition.Expr.Range(), "", "variable %q: %s", v.name, text)
		}
	}
}

func (l *loader) fromEnvironment(order []*variable, values map[string]given) {
	for _, v := range order {
		if text, set := l.opts.Env(envVariable + v.name); set {
			l.fromText(v, text, envVariable+v.name, values)
		}
	}
}

// fromFlag takes name=value.
func (l *loader) fromFlag(text string, declared map[string]*variable, values map[string]given) {
	name, value, found := strings.Cut(text, "=")
	if !found {
		l.find.errorf(hcl.Range{}, "write -var name=value", "-var %s: the value is missing", clip(name))
		return
	}
	v := declared[name]
	if v == nil {
		l.find.errorf(hcl.Range{}, nearHint(name, sortedKeys(declared)), "-var %s: there is no variable %q", clip(name), clip(name))
		return
	}
	l.fromText(v, value, "-var "+name, values)
}

// fromText takes a value for a string as it is, any other as an expression.
func (l *loader) fromText(v *variable, text, from string, values map[string]given) {
	if v.sensitive {
		l.secret.addText(text)
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if v.typ == cty.String || v.typ == cty.DynamicPseudoType {
		values[v.name] = given{value: cty.StringVal(text), from: from}
		return
	}
	values[v.name] = given{value: cty.DynamicVal, from: from} // what follows needs no other value when this one is wrong
	if d := tooDeep([]byte(text), from, hcl.InitialPos); d != nil {
		l.find.errorf(v.node.rng, "", "%s: %s", from, d.Summary)
		return
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), from, hcl.InitialPos)
	if diags.HasErrors() {
		l.find.errorf(v.node.rng, "", "%s: this is no expression of type %s", from, v.typ.FriendlyNameForConstraint())
		return
	}
	inner := findings{list: &hcl.Diagnostics{}}
	value, ok := evaluate(expr, constantScope, inner)
	if !ok {
		l.find.errorf(v.node.rng, "quote texts inside of lists and objects", "%s: this is no constant of type %s", from, v.typ.FriendlyNameForConstraint())
		return
	}
	values[v.name] = given{value: value, from: from}
}

// fromFile takes the attributes of a file of values.
func (l *loader) fromFile(path string, declared map[string]*variable, values map[string]given) {
	body := l.parseFile(path, true)
	attrs, diags := body.JustAttributes()
	l.find.foreign(diags)
	for _, name := range sortedKeys(attrs) {
		attr := attrs[name]
		v := declared[name]
		if v == nil {
			l.find.errorf(attr.NameRange, nearHint(name, sortedKeys(declared)), "there is no variable %q", name)
			continue
		}
		if value, ok := evaluate(attr.Expr, constantScope, l.find); ok {
			values[name] = given{value, "the file", attr.Expr.Range()}
		}
	}
}

// nearHint suggests a near name, or lists what there is.
func nearHint(name string, known []string) string {
	if near, ok := schema.Nearest(name, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return "there are none"
	}
	const most = 12
	if len(known) > most {
		return "there are: " + strings.Join(known[:most], ", ") + ", …"
	}
	return "there are: " + strings.Join(known, ", ")
}
