package config

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taskhost/taskhost/host/internal/task"
)

// What blocks may expand to: one, and all together.
const (
	maxInstances = 10_000
	maxTasks     = 20_000
)

// element is what one instance is made from.
type element struct {
	key        string    // "" for a block without for_each and instances
	each       cty.Value // the key for expressions
	value      cty.Value
	multiple   bool
	unknownKey bool
}

// expand finds the instances of a task block. When they cannot be known, it gives
// one with unknown key and value, so that the block is checked all the same.
func (l *loader) expand(n *node) []element {
	find := l.find.of(n.label)
	s := l.section(n)
	s.find = find
	single := element{each: cty.NilVal}
	probe := element{each: cty.UnknownVal(cty.String), value: cty.DynamicVal, multiple: true, unknownKey: true}
	forEach, many := n.attrs["for_each"], n.attrs["instances"]
	switch {
	case forEach != nil && many != nil:
		find.errorf(many.Range, "keep one", "task %q has both for_each and instances", n.label)
		return []element{probe}
	case forEach != nil:
		elements, ok := forEachElements(n, forEach, l.scope.of(n.rng.Filename), find)
		if !ok {
			return []element{probe}
		}
		return elements
	case many != nil:
		v, given := s.get("instances")
		if !given && v.expr == nil { // a null is as if it were not there
			return []element{single}
		}
		if !given {
			return []element{probe}
		}
		if v.IsMarked() || !v.IsKnown() {
			s.convertTo("instances", v, cty.Number)
			return []element{probe}
		}
		count := s.integer("instances", -1, 0, maxInstances)
		if count < 0 {
			return []element{probe}
		}
		var elements []element
		for i := range count {
			key := strconv.Itoa(i + 1)
			elements = append(elements, element{key: key, each: cty.StringVal(key), value: cty.NumberIntVal(int64(i + 1)), multiple: true})
		}
		return elements
	}
	return []element{single}
}

// forEachElements reads a map, an object or a set of strings.
func forEachElements(n *node, attr *hcl.Attribute, ctx *hcl.EvalContext, find findings) ([]element, bool) {
	at := attr.Expr.Range()
	v, ok := evaluate(attr.Expr, ctx, find)
	if !ok {
		return nil, false
	}
	if v.IsMarked() {
		find.errorf(at, "loop over the names, and look the secrets up in config", "for_each of task %q is sensitive: its keys would be shown as names of tasks", n.label)
		return nil, false
	}
	if !v.IsKnown() {
		return nil, false
	}
	typ := v.Type()
	switch {
	case v.IsNull():
		find.errorf(at, "write {} for no instance", "for_each of task %q is null", n.label)
		return nil, false
	case typ.IsSetType():
		// An empty set may have elements of any type.
		if typ.ElementType() != cty.String && v.LengthInt() > 0 {
			find.errorf(at, "write toset([…]) of strings, or a map", "for_each of task %q is %s", n.label, typ.FriendlyName())
			return nil, false
		}
	case typ.IsMapType() || typ.IsObjectType():
	case typ.IsListType() || typ.IsTupleType():
		find.errorf(at, "write toset([…]), or a map", "for_each of task %q is a list, whose instances would change their names with their places", n.label)
		return nil, false
	default:
		find.errorf(at, "write a map or a set of strings", "for_each of task %q is %s", n.label, typ.FriendlyName())
		return nil, false
	}
	if v.LengthInt() > maxInstances {
		find.errorf(at, "", "for_each of task %q has %d elements; at most %d are supported", n.label, v.LengthInt(), maxInstances)
		return nil, false
	}

	var elements []element
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if typ.IsSetType() {
			if !value.IsKnown() {
				return nil, false
			}
			if value.IsMarked() || value.IsNull() {
				find.errorf(at, "", "for_each of task %q has an element that cannot be a key", n.label)
				continue
			}
			key = value
		}
		text := key.AsString()
		if !task.ValidKey(text) {
			find.errorf(at, "a key has at most 127 characters: letters, digits and _ . -, beginning with a letter or digit", "for_each of task %q: bad key %q", n.label, clip(text))
			continue
		}
		elements = append(elements, element{key: text, each: cty.StringVal(text), value: value, multiple: true})
	}
	return elements, true
}
