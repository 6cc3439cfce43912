package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taskhost/taskhost/sdk/schema"
)

// locals evaluates the locals blocks into the scope, each local after those that
// it uses.
func (l *loader) locals(nodes []*node) {
	attrs := map[string]*hcl.Attribute{}
	for _, n := range nodes {
		block, diags := n.body.JustAttributes()
		l.find.foreign(diags)
		for _, name := range sortedKeys(block) {
			if earlier := attrs[name]; earlier != nil {
				l.find.errorf(block[name].NameRange, "keep one", "a second local %q; the first is at %s", name, place(earlier.Range))
				continue
			}
			attrs[name] = block[name]
		}
	}

	order, cycles := resolveOrder(sortedKeys(attrs), func(name string) []string { return usedLocals(attrs[name].Expr, attrs) })
	for _, cycle := range cycles {
		l.find.errorf(attrs[cycle[0]].NameRange, "", "locals use each other in a circle: %s", strings.Join(cycle, " → "))
		for _, name := range cycle {
			l.scope.locals[name] = cty.DynamicVal
		}
	}
	for _, name := range order {
		if _, cyclic := l.scope.locals[name]; cyclic {
			continue
		}
		value, ok := evaluate(attrs[name].Expr, l.scope.of(attrs[name].Range.Filename), l.find)
		if ok && weigh(value, maxLocal) > maxLocal {
			l.find.errorf(attrs[name].Range, "locals that repeat each other grow fast", "local %q holds more than %s", name, schema.FormatBytes(maxLocal))
			ok = false
		}
		if !ok {
			value = cty.DynamicVal
		}
		l.scope.locals[name] = value
	}
}

// maxLocal bounds the value of one local. Without it, locals that are made of each
// other twice double from line to line.
const maxLocal = 4 << 20

// weigh is about how many bytes a value takes, counted until there are more than most.
func weigh(v cty.Value, most int) int {
	v, _ = v.Unmark()
	weight := 8
	switch {
	case !v.IsKnown() || v.IsNull():
	case v.Type() == cty.String:
		weight += len(v.AsString())
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next() && weight <= most; {
			_, element := it.Element()
			weight += weigh(element, most-weight)
		}
	}
	return weight
}

// usedLocals lists the locals that an expression names. One that uses the object
// as a whole uses all of them.
func usedLocals(expr hcl.Expression, all map[string]*hcl.Attribute) []string {
	var names []string
	for _, traversal := range expr.Variables() {
		if traversal.RootName() != "local" {
			continue
		}
		name := ""
		if len(traversal) > 1 {
			switch step := traversal[1].(type) {
			case hcl.TraverseAttr:
				name = step.Name
			case hcl.TraverseIndex:
				if step.Key.Type() == cty.String {
					name = step.Key.AsString()
				}
			}
		}
		if name == "" {
			return sortedKeys(all)
		}
		if all[name] != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// resolveOrder orders names so that each stands behind those that it uses, and
// finds the circles, each once, as a path that ends where it begins. Names of a
// circle stand in the order too.
func resolveOrder(names []string, uses func(string) []string) (order []string, cycles [][]string) {
	const (
		entered = 1
		left    = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case left:
			return
		case entered:
			start := slices.Index(path, name)
			cycles = append(cycles, append(slices.Clone(path[start:]), name))
			return
		}
		state[name] = entered
		path = append(path, name)
		for _, used := range uses(name) {
			visit(used)
		}
		path = path[:len(path)-1]
		state[name] = left
		order = append(order, name)
	}
	for _, name := range names {
		visit(name)
	}
	return order, cycles
}
