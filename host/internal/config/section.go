package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// section reads the values of a block. It looks for each in its own block first,
// then in those that give defaults. Every method reports what is wrong with a
// value and then answers as if it were not given.
type section struct {
	shape  *shape
	layers []layer
	find   findings
	secret *secrets  // is told what is handed out of sensitive values
	rng    hcl.Range // of the block; of its parent when it is not given
}

// layer is one block that may hold a value, with what its expressions may use.
type layer struct {
	node *node
	ctx  *hcl.EvalContext
	own  bool // the block itself, not one that gives defaults
}

// setting is a value that is given: not null, but perhaps unknown or marked.
type setting struct {
	cty.Value
	expr hcl.Expression
	file string
	own  bool
}

func (v setting) at() hcl.Range { return v.expr.Range() }

// get evaluates an attribute. An explicit null counts as not given. A value that is
// given but wrong is not ok, and has its expression all the same.
func (s section) get(name string) (setting, bool) {
	if _, known := s.shape.attribute(name); !known {
		panic(fmt.Sprintf("config: %s has no attribute %q in the grammar", s.shape.name, name))
	}
	for _, l := range s.layers {
		attr := l.node.attrs[name]
		if attr == nil {
			continue
		}
		v, ok := evaluate(attr.Expr, l.ctx, s.find)
		if !ok {
			return setting{expr: attr.Expr}, false
		}
		if v.IsNull() {
			continue
		}
		return setting{v, attr.Expr, attr.Range.Filename, l.own}, true
	}
	return setting{}, false
}

// gives reports whether the layer gives the attribute: written, and not as a null. What is wrong with
// its value is told by who reads it.
func (l layer) gives(name string) bool {
	attr := l.node.attrs[name]
	if attr == nil {
		return false
	}
	v, ok := evaluate(attr.Expr, l.ctx, findings{list: &hcl.Diagnostics{}})
	return !ok || !v.IsNull()
}

// written reports whether the block itself gives the attribute, and where.
func (s section) written(name string) (hcl.Range, bool) {
	for _, l := range s.layers {
		if attr := l.node.attrs[name]; attr != nil && l.own {
			return attr.Range, true
		}
	}
	return hcl.Range{}, false
}

// any reports whether the block or one of its defaults gives the attribute.
func (s section) any(name string) bool {
	for _, l := range s.layers {
		if l.node.attrs[name] != nil {
			return true
		}
	}
	return false
}

// block opens the only inner block of this name; given says that the block itself
// has it, not only its defaults.
func (s section) block(name string) (inner section, given bool) {
	inner = section{shape: s.shape.block(name), find: s.find, secret: s.secret, rng: s.rng}
	if inner.shape == nil {
		panic(fmt.Sprintf("config: %s has no block %q in the grammar", s.shape.name, name))
	}
	for _, l := range s.layers {
		blocks := l.node.blocks[name]
		if len(blocks) == 0 {
			continue
		}
		if l.own && !given {
			given, inner.rng = true, blocks[0].rng
		}
		inner.layers = append(inner.layers, layer{blocks[0], l.ctx, l.own})
	}
	return inner, given
}
