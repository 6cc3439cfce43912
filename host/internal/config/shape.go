package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taskhost/taskhost/sdk/schema"
)

// shape is what may stand in one kind of block. The shapes together are the
// language: what is in none of them is refused, and the reference is made of them.
type shape struct {
	name   string
	label  string // what the block's only label is; "" is none
	repeat bool   // may stand more than once
	free   bool   // any attribute may stand in it (locals, config)
	doc    string
	attrs  []attribute
	blocks []*shape
}

// attribute is one `name = value` of a shape.
type attribute struct {
	name string
	kind kind
	def  string // what holds when it is left out, for people
	doc  string
}

// kind says what a value is, for people.
type kind string

const (
	kindText      kind = "string"
	kindTexts     kind = "list(string)"
	kindTextList  kind = "string or list(string)"
	kindTextMap   kind = "map(string)"
	kindBool      kind = "bool"
	kindInt       kind = "number"
	kindNumber    kind = "number, not always whole"
	kindDuration  kind = "duration"
	kindSize      kind = "size"
	kindRate      kind = "rate"
	kindAny       kind = "any"
	kindType      kind = "type"
	kindCondition kind = "condition"
)

func (s *shape) attribute(name string) (attribute, bool) {
	i := slices.IndexFunc(s.attrs, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return attribute{}, false
	}
	return s.attrs[i], true
}

func (s *shape) block(name string) *shape {
	i := slices.IndexFunc(s.blocks, func(b *shape) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return s.blocks[i]
}

// schema is the shape for HCL, which then tells labels from missing ones.
func (s *shape) schema() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, a := range s.attrs {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: a.name})
	}
	for _, b := range s.blocks {
		header := hcl.BlockHeaderSchema{Type: b.name}
		if b.label != "" {
			header.LabelNames = []string{b.label}
		}
		out.Blocks = append(out.Blocks, header)
	}
	return out
}

// takes lists what may stand in a block.
func (s *shape) takes() string {
	var names []string
	for _, a := range s.attrs {
		names = append(names, a.name)
	}
	for _, b := range s.blocks {
		if b.label == "" {
			names = append(names, b.name+" {}")
		} else {
			names = append(names, fmt.Sprintf("%s %q {}", b.name, b.label))
		}
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func (s *shape) names() []string {
	var names []string
	for _, a := range s.attrs {
		names = append(names, a.name)
	}
	for _, b := range s.blocks {
		names = append(names, b.name)
	}
	return names
}

// hint helps after a name that the shape does not have.
func (s *shape) hint(name string) string {
	where := s.name
	if where == "" {
		where = "a file"
	}
	text := where + " takes: " + s.takes()
	for _, b := range s.blocks {
		if slices.Contains(b.names(), name) {
			return fmt.Sprintf("it belongs in %s { … }; %s", b.name, text)
		}
	}
	if near, ok := schema.Nearest(name, s.names()); ok {
		text = fmt.Sprintf("did you mean %q? %s", near, text)
	}
	return text
}

// node is a block as it stands in the source, its names checked, its expressions
// not evaluated yet.
type node struct {
	shape    *shape
	label    string
	labelRng hcl.Range
	rng      hcl.Range // of the block's header
	body     hcl.Body
	attrs    hcl.Attributes
	blocks   map[string][]*node
}

// read takes a body apart by its shape. Unknown names, missing labels and blocks
// that stand twice are reported here, once per block however many instances it has.
func (s *shape) read(body hcl.Body, find findings) *node {
	n := &node{shape: s, body: body, blocks: map[string][]*node{}}
	if s.free {
		return n
	}
	content, remain, diags := body.PartialContent(s.schema())
	find.foreign(diags)
	n.attrs = content.Attributes
	s.unknown(body, remain, find)
	for _, block := range content.Blocks {
		inner := s.block(block.Type)
		child := inner.read(block.Body, find)
		child.rng = block.DefRange
		if inner.label != "" && len(block.Labels) == 1 {
			child.label, child.labelRng = block.Labels[0], block.LabelRanges[0]
		}
		if earlier := n.blocks[block.Type]; !inner.repeat && len(earlier) > 0 {
			find.errorf(block.DefRange, "keep one", "a second %s block; the first is at %s", block.Type, place(earlier[0].rng))
			continue
		}
		n.blocks[block.Type] = append(n.blocks[block.Type], child)
	}
	return n
}

// unknown reports what the shape does not have.
func (s *shape) unknown(body, remain hcl.Body, find findings) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, _ := remain.JustAttributes()
		for _, name := range sortedKeys(attrs) {
			s.unknownName("attribute or block", name, attrs[name].NameRange, find)
		}
		return
	}
	for _, name := range sortedKeys(native.Attributes) {
		if _, known := s.attribute(name); known {
			continue
		}
		at := native.Attributes[name].NameRange
		if s.block(name) != nil {
			find.errorf(at, "", "%q is a block: write %s { … }, without the equals sign", name, name)
			continue
		}
		s.unknownName("attribute", name, at, find)
	}
	for _, block := range native.Blocks {
		if s.block(block.Type) != nil {
			continue
		}
		if _, known := s.attribute(block.Type); known {
			find.errorf(block.TypeRange, "", "%q is an attribute: write %s = …, with an equals sign", block.Type, block.Type)
			continue
		}
		s.unknownName("block", block.Type, block.TypeRange, find)
	}
}

func (s *shape) unknownName(what, name string, at hcl.Range, find findings) {
	where := ""
	if s.name != "" {
		where = " in " + s.name
	}
	find.errorf(at, s.hint(name), "unknown %s %q%s", what, name, where)
}

// place names a range for a person: the file and line.
func place(at hcl.Range) string {
	return fmt.Sprintf("%s:%d", at.Filename, at.Start.Line)
}
