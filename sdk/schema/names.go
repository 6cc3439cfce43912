package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// nameCheck walks a body before it is decoded and looks only at names: it
// reports unknown ones with a better hint than HCL has, and warns of
// deprecated and former ones. It remembers where the expressions stand that
// need care.
type nameCheck struct {
	diags     hcl.Diagnostics
	unknown   []hcl.Range // names that are reported
	sensitive []hcl.Range // values of sensitive attributes
	labelling []hcl.Range // for_each of dynamic blocks with labels
}

// merge adds what hcldec has to say. It reports unknown names once more, at
// the same ranges; those are left out. The expression and its variables are
// taken from what it says of a sensitive value, because a diagnostic's reader
// prints them.
func (c *nameCheck) merge(diags hcl.Diagnostics) {
	for _, diag := range diags {
		if diag.Subject != nil && slices.Contains(c.unknown, *diag.Subject) {
			continue
		}
		if diag.Subject != nil && slices.ContainsFunc(c.sensitive, diag.Subject.Overlaps) {
			quiet := *diag
			quiet.Expression, quiet.EvalContext = nil, nil
			diag = &quiet
		}
		c.diags = append(c.diags, diag)
	}
}

// checkForEach refuses a sensitive collection whose keys or elements would
// become labels: HCL takes the marks off them, and labels are always shown.
func (c *nameCheck) checkForEach(value cty.Value, expr hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
	if !value.IsMarked() || !slices.Contains(c.labelling, expr.Range()) {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Sensitive value in labels",
		Detail:   "The labels of these blocks are shown, and would be made from a sensitive value. Iterate over a value that is not sensitive.",
		Subject:  expr.Range().Ptr(),
	}}
}

// walk checks a body by b, whose spec is given. It sees the source as it is written, so the content
// of a dynamic block is checked once, and even if it expands to nothing.
func (c *nameCheck) walk(b Body, spec hcldec.Spec, body hcl.Body) {
	schema := hcldec.ImpliedSchema(spec)
	known := append(b.names(), b.formerNames()...)
	schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}})

	content, remain, _ := body.PartialContent(schema)
	for _, a := range b.Attributes {
		c.attribute(a, content.Attributes)
	}
	attributes, _ := remain.JustAttributes()
	for name, attr := range attributes {
		if !slices.Contains(known, name) {
			c.add(attr.NameRange, fmt.Sprintf("Unknown attribute %q", name), b.hint(name))
		} else if i := b.block(name); i >= 0 {
			c.add(attr.NameRange, fmt.Sprintf("%q is a block", name), fmt.Sprintf("Write %s { … }, without the equals sign.", name))
		}
	}
	c.unknownBlocks(b, schema, body)
	for _, block := range content.Blocks {
		c.walkBlock(b, block)
	}
}

func (c *nameCheck) walkBlock(b Body, block *hcl.Block) {
	if block.Type != "dynamic" {
		if i := b.block(block.Type); i >= 0 {
			c.walk(b.Blocks[i].Body, b.Blocks[i].Body.Spec(), block.Body)
		}
		return
	}
	i := b.block(block.Labels[0])
	if i < 0 {
		c.add(block.LabelRanges[0], fmt.Sprintf("Unknown block %q", block.Labels[0]), b.hint(block.Labels[0]))
		return
	}
	content, _, _ := block.Body.PartialContent(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "labels"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
	})
	if each := content.Attributes["for_each"]; each != nil && content.Attributes["labels"] != nil {
		c.labelling = append(c.labelling, each.Expr.Range())
	}
	for _, inner := range content.Blocks {
		c.walk(b.Blocks[i].Body, b.Blocks[i].Body.Spec(), inner.Body)
	}
}

// unknownBlocks reports the blocks of a native body that the schema does not
// have. In JSON, they are among the remaining attributes.
func (c *nameCheck) unknownBlocks(b Body, schema *hcl.BodySchema, body hcl.Body) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return
	}
	for _, block := range native.Blocks {
		if slices.ContainsFunc(schema.Blocks, func(s hcl.BlockHeaderSchema) bool { return s.Type == block.Type }) {
			continue
		}
		// A body that is what others have left over hides what they took.
		visible, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
			{Type: block.Type, LabelNames: make([]string, len(block.Labels))},
		}})
		if len(visible.Blocks) == 0 {
			continue
		}
		if slices.ContainsFunc(b.Attributes, func(a Attribute) bool { return a.Name == block.Type }) {
			c.add(block.TypeRange, fmt.Sprintf("%q is an attribute", block.Type), fmt.Sprintf("Write %s = …, with an equals sign.", block.Type))
			continue
		}
		c.add(block.TypeRange, fmt.Sprintf("Unknown block %q", block.Type), b.hint(block.Type))
	}
}

// attribute warns of names that still work but should no longer be used.
func (c *nameCheck) attribute(a Attribute, given hcl.Attributes) {
	for _, name := range append([]string{a.Name}, a.Was...) {
		if attr := given[name]; attr != nil && a.hides() {
			c.sensitive = append(c.sensitive, attr.Expr.Range())
		}
	}
	first := given[a.Name]
	if first != nil && a.Deprecated != "" {
		c.diags = append(c.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  fmt.Sprintf("%q is deprecated", a.Name),
			Detail:   a.Deprecated,
			Subject:  first.NameRange.Ptr(),
		})
	}
	for _, was := range a.Was {
		attr := given[was]
		if attr == nil {
			continue
		}
		if first != nil {
			c.diags = append(c.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  fmt.Sprintf("%q is given twice", a.Name),
				Detail:   fmt.Sprintf("%q is the former name of %q, which is given as %q at %s. Keep one of the two.", was, a.Name, first.Name, first.NameRange),
				Subject:  attr.NameRange.Ptr(),
			})
			continue
		}
		first = attr
		c.diags = append(c.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  fmt.Sprintf("%q is now called %q", was, a.Name),
			Detail:   fmt.Sprintf("The former name still works. Rename it to %q.", a.Name),
			Subject:  attr.NameRange.Ptr(),
		})
	}
}

func (c *nameCheck) add(subject hcl.Range, summary, detail string) {
	c.unknown = append(c.unknown, subject)
	c.diags = append(c.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  &subject,
	})
}

// hint helps after an unknown name: the near name, then all there is.
func (b Body) hint(name string) string {
	var hint string
	if near, ok := Nearest(name, b.names()); ok {
		hint = fmt.Sprintf("Did you mean %q? ", near)
	}
	return hint + "This block takes: " + b.takes() + "."
}

// takes lists what may stand in the body: "url (required), method; header {}".
func (b Body) takes() string {
	var attributes, blocks []string
	for _, a := range b.Attributes {
		name := a.Name
		if a.Required {
			name += " (required)"
		}
		attributes = append(attributes, name)
	}
	for _, block := range b.Blocks {
		name := block.Name + " { }"
		if block.Label != "" {
			name = fmt.Sprintf("%s \"%s\" { }", block.Name, block.Label)
		}
		if block.Min > 0 {
			name += " (required)"
		}
		blocks = append(blocks, name)
	}
	all := append(attributes, blocks...)
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

func (b Body) formerNames() []string {
	var names []string
	for _, a := range b.Attributes {
		names = append(names, a.Was...)
	}
	return names
}

// block is the index of the block schema with this name, or -1.
func (b Body) block(name string) int {
	return slices.IndexFunc(b.Blocks, func(block Block) bool { return block.Name == name })
}
