package config

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taskhost/taskhost/host/internal/task"
)

// An Origin says where a value of a task comes from.
type Origin struct {
	Path  string `json:"path"`  // "periodic.overlap"; with a label: `output["pages"].queue`
	Value string `json:"value"` // for people; what the built-in default is in words, where that depends on others
	From  From   `json:"from"`
	Place string `json:"place,omitempty"` // file:line
}

// From is a place where values come from.
type From string

const (
	FromTask    From = "task"
	FromForEach From = "for_each" // in the task, and made from each.key or each.value
	FromDefault From = "defaults"
	FromHost    From = "host"
	FromPlugin  From = "plugin" // the default that the plugin's schema has
	FromBuiltIn From = "built in"
)

// origins tells of every attribute of a task where its value comes from.
func (l *loader) origins(all tasks, host section) []Origin {
	for _, i := range all.instances {
		if i.def.Name != l.opts.Explain {
			continue
		}
		o := &tracer{l: l, host: host, mode: i.def.Mode}
		layers := []layer{{i.node, i.ctx, true}}
		for _, n := range l.root.blocks["defaults"] {
			layers = append(layers, layer{n, l.scope.of(n.rng.Filename), false})
		}
		o.block(taskShape, "", layers)
		o.config(i)
		return o.list
	}
	return nil
}

// tracer collects the origins of one task.
type tracer struct {
	l    *loader
	host section
	mode task.Mode
	list []Origin
}

func (t *tracer) block(s *shape, prefix string, layers []layer) {
	for _, a := range s.attrs {
		t.attribute(a, prefix, layers)
	}
	for _, inner := range s.blocks {
		switch {
		case inner.free, t.otherMode(inner.name):
		case inner.label != "":
			for _, n := range layers[0].node.blocks[inner.name] {
				t.block(inner, fmt.Sprintf("%s%s[%q].", prefix, inner.name, n.label), []layer{{n, layers[0].ctx, true}})
			}
		default:
			t.block(inner, prefix+inner.name+".", t.inner(inner.name, prefix, layers))
		}
	}
}

// otherMode reports whether the block is that of a mode which the task does not have.
func (t *tracer) otherMode(block string) bool {
	m := task.Mode(block)
	return (m == task.Periodic || m == task.Continuous || m == task.OnDemand) && m != t.mode
}

// inner are the layers of an inner block. What is kept has a default in the host, too.
func (t *tracer) inner(name, prefix string, layers []layer) []layer {
	var out []layer
	for _, l := range layers {
		if blocks := l.node.blocks[name]; len(blocks) > 0 {
			out = append(out, layer{blocks[0], l.ctx, l.own})
		}
	}
	if name == "keep" && prefix == "" {
		keep, _ := t.host.block("keep")
		out = append(out, keep.layers...)
	}
	return out
}

func (t *tracer) attribute(a attribute, prefix string, layers []layer) {
	for _, l := range layers {
		attr := l.node.attrs[a.name]
		if attr == nil || !l.gives(a.name) {
			continue
		}
		t.list = append(t.list, Origin{Path: prefix + a.name, Value: t.show(attr.Expr, l.ctx), From: t.from(l, attr.Expr), Place: place(attr.Range)})
		return
	}
	if prefix+a.name == "periodic.time_zone" {
		for _, l := range t.host.layers {
			if attr := l.node.attrs[a.name]; attr != nil {
				t.list = append(t.list, Origin{Path: prefix + a.name, Value: t.show(attr.Expr, l.ctx), From: FromHost, Place: place(attr.Range)})
				return
			}
		}
	}
	t.list = append(t.list, Origin{Path: prefix + a.name, Value: a.def, From: FromBuiltIn})
}

func (t *tracer) from(l layer, expr hcl.Expression) From {
	switch {
	case t.inHost(l):
		return FromHost
	case !l.own:
		return FromDefault
	}
	for _, v := range expr.Variables() {
		if v.RootName() == "each" {
			return FromForEach
		}
	}
	return FromTask
}

// inHost reports whether a layer is a block of the host.
func (t *tracer) inHost(l layer) bool {
	keep, _ := t.host.block("keep")
	for _, h := range keep.layers {
		if h.node == l.node {
			return true
		}
	}
	return false
}

// show writes the value of an expression for people. Secrets are hidden.
func (t *tracer) show(expr hcl.Expression, ctx *hcl.EvalContext) string {
	v, ok := evaluate(expr, ctx, findings{list: &hcl.Diagnostics{}})
	switch {
	case !ok || !v.IsWhollyKnown():
		return "not known"
	case v.ContainsMarked():
		return hidden
	}
	if text, err := convert.Convert(v, cty.String); err == nil && !text.IsNull() {
		return t.l.secret.hide(text.AsString())
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return "not known"
	}
	return t.l.secret.hide(string(text))
}

// config tells of the values that the plugin gets. The plugin's own defaults stand in what was decoded.
func (t *tracer) config(i *instance) {
	var values map[string]json.RawMessage
	if json.Unmarshal(i.def.Config.Redacted, &values) != nil {
		return
	}
	written := map[string]hcl.Range{}
	each := map[string]bool{}
	for _, n := range i.node.blocks["config"] {
		body, native := n.body.(*hclsyntax.Body)
		if !native {
			for name := range values {
				written[name] = n.rng
			}
			continue
		}
		for name, attr := range body.Attributes {
			written[name] = attr.Range()
			for _, v := range attr.Expr.Variables() {
				each[name] = each[name] || v.RootName() == "each"
			}
		}
		for _, b := range body.Blocks {
			written[b.Type] = b.DefRange()
		}
	}
	for _, name := range sortedKeys(values) {
		o := Origin{Path: "config." + name, Value: string(values[name]), From: FromPlugin}
		if at, own := written[name]; own {
			o.From, o.Place = FromTask, place(at)
			if each[name] {
				o.From = FromForEach
			}
		} else if string(values[name]) == "null" {
			continue
		}
		t.list = append(t.list, o)
	}
}
