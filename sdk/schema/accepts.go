package schema

import "fmt"

// Accepts reports where messages that another type describes are not what v
// describes: a part of another type, or a required field that they never have.
// It is about the shape alone. What one of the two leaves open, a field that
// is only sometimes there, values out of range and unknown words are left to
// [Value.Check], which sees the message. Fields that v does not know are
// passed over. An empty result means that messages of that type can fit.
func (v Value) Accepts(from Value) []Problem {
	return v.compare(from, true)
}

// Conflicts reports where no message can be what both types describe, because
// a part of it is of one type here and of another there.
func (v Value) Conflicts(with Value) []Problem {
	return v.compare(with, false)
}

// maxSteps bounds how many fields and parts are compared: descriptions come from
// plugins, and two small ones can make many pairs.
const maxSteps = 200_000

func (v Value) compare(other Value, oneWay bool) []Problem {
	c := comparison{left: pointers(v.Defs), right: pointers(other.Defs), oneWay: oneWay, steps: maxSteps, seen: map[[2]*Value]bool{}}
	c.compare(&v, &other, nil)
	return c.problems
}

// pointers gives every definition an address, by which it is known again.
func pointers(defs map[string]Value) map[string]*Value {
	out := make(map[string]*Value, len(defs))
	for name, def := range defs {
		out[name] = &def
	}
	return out
}

// comparison walks through two descriptions side by side.
type comparison struct {
	left, right map[string]*Value // definitions
	oneWay      bool              // what is on the right has to fit on the left
	seen        map[[2]*Value]bool
	steps       int // that are left
	problems    []Problem
}

func (c *comparison) add(path []PathStep, summary, detail string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{Path: path, Summary: summary, Detail: detail})
	}
}

// compare looks at each pair once, so that types which contain themselves come to
// an end, and no deeper than messages nest.
func (c *comparison) compare(left, right *Value, path []PathStep) {
	left, right = resolve(left, c.left), resolve(right, c.right)
	pair := [2]*Value{left, right}
	if left == nil || right == nil || c.seen[pair] || c.steps <= 0 || len(path) > MaxMessageDepth {
		return
	}
	c.seen[pair] = true
	c.steps -= 1 + len(right.Fields)
	switch {
	case left.Type == ValueAny || right.Type == ValueAny:
	case left.Type == ValueObject && right.Type == ValueObject:
		c.objects(left, right, path)
	case left.Type == ValueObject && right.Type == ValueMap:
		for i := range left.Fields {
			c.compare(&left.Fields[i].Value, right.Elem, at(path, Attr(left.Fields[i].Name)))
		}
	case left.Type == ValueMap && right.Type == ValueObject:
		for i := range right.Fields {
			c.compare(left.Elem, &right.Fields[i].Value, at(path, Attr(right.Fields[i].Name)))
		}
	case left.Type == ValueMap && right.Type == ValueMap:
		c.compare(left.Elem, right.Elem, at(path, Key("*")))
	case left.Type == ValueArray && right.Type == ValueArray:
		c.compare(left.Elem, right.Elem, at(path, Index(0)))
	case left.Type == right.Type, left.Type == ValueNumber && right.Type == ValueInteger:
	case left.Type == ValueInteger && right.Type == ValueNumber && !c.oneWay:
	case c.oneWay:
		c.add(path, fmt.Sprintf("must be %s, not %s", left.word(), right.word()), "")
	default:
		c.add(path, fmt.Sprintf("is %s for one, %s for the other", left.word(), right.word()), "")
	}
}

// resolve follows a reference; nil is one that leads nowhere.
func resolve(v *Value, defs map[string]*Value) *Value {
	if v == nil || v.Ref == "" {
		return v
	}
	return defs[v.Ref]
}

func (c *comparison) objects(left, right *Value, path []PathStep) {
	there := make(map[string]*Value, len(right.Fields))
	names := make([]string, 0, len(right.Fields))
	for i := range right.Fields {
		there[right.Fields[i].Name] = &right.Fields[i].Value
		names = append(names, right.Fields[i].Name)
	}
	for i := range left.Fields {
		f := &left.Fields[i]
		below := at(path, Attr(f.Name))
		switch other := there[f.Name]; {
		case other != nil:
			c.compare(&f.Value, other, below)
		case c.oneWay && f.Required && len(c.problems) < maxProblems:
			detail := ""
			if near, ok := Nearest(f.Name, names); ok {
				detail = fmt.Sprintf("There is %q.", near)
			}
			c.add(below, "is required and never there", detail)
		}
	}
}
