package schema

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// SourceRange finds where in the source the value at a path was written, for
// a problem that was found after decoding. It goes as deep as it can: the
// range is that of the innermost expression or block on the path that stands
// in the source, or the place where the first missing one would stand.
func SourceRange(body hcl.Body, path []PathStep) hcl.Range {
	if len(path) == 0 || path[0].Attr == "" {
		return body.MissingItemRange()
	}
	name, rest := path[0].Attr, path[1:]

	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: name}}})
	if attr := content.Attributes[name]; attr != nil {
		return expressionRange(attr.Expr, rest)
	}
	if blocks := blocksNamed(body, name); len(blocks) > 0 {
		return blockRange(blocks, rest)
	}
	content, _, _ = body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "dynamic", LabelNames: []string{"type"}}}})
	for _, block := range content.Blocks {
		if block.Labels[0] == name {
			return block.DefRange
		}
	}
	return body.MissingItemRange()
}

// blocksNamed finds the blocks of a type, with or without a label.
func blocksNamed(body hcl.Body, name string) hcl.Blocks {
	for _, labels := range [][]string{nil, {"name"}} {
		content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: name, LabelNames: labels}}})
		if len(content.Blocks) > 0 {
			return content.Blocks
		}
	}
	return nil
}

func blockRange(blocks hcl.Blocks, path []PathStep) hcl.Range {
	block := blocks[0]
	if len(path) > 0 {
		switch step := path[0]; {
		case step.Index != nil:
			if *step.Index < 0 || *step.Index >= len(blocks) {
				return block.DefRange
			}
			block, path = blocks[*step.Index], path[1:]
		case step.Key != nil:
			found := false
			for _, b := range blocks {
				if len(b.Labels) > 0 && b.Labels[0] == *step.Key {
					block, found = b, true
					break
				}
			}
			if !found {
				return block.DefRange
			}
			path = path[1:]
		}
	}
	if len(path) == 0 {
		return block.DefRange
	}
	if len(block.Labels) > 0 && len(path) == 1 && len(block.LabelRanges) > 0 {
		// The last name may be that of the label, which is not in the body.
		if inner := SourceRange(block.Body, path); inner != block.Body.MissingItemRange() {
			return inner
		}
		return block.LabelRanges[0]
	}
	return SourceRange(block.Body, path)
}

// expressionRange follows a path into an expression that is written out as a
// list or an object, which in JSON may also be a block.
func expressionRange(expr hcl.Expression, path []PathStep) hcl.Range {
	for _, step := range path {
		next := element(expr, step)
		if next == nil {
			if step.Index != nil && *step.Index == 0 {
				continue // in JSON, one block of a list may stand without the list
			}
			return expr.Range()
		}
		expr = next
	}
	return expr.Range()
}

func element(expr hcl.Expression, step PathStep) hcl.Expression {
	if step.Index != nil {
		list, diags := hcl.ExprList(expr)
		if diags.HasErrors() || *step.Index < 0 || *step.Index >= len(list) {
			return nil
		}
		return list[*step.Index]
	}
	name := step.Attr
	if step.Key != nil {
		name = *step.Key
	}
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil
	}
	for _, pair := range pairs {
		if keyword := hcl.ExprAsKeyword(pair.Key); keyword != "" {
			if keyword == name {
				return pair.Value
			}
			continue
		}
		key, diags := pair.Key.Value(nil)
		if diags.HasErrors() {
			continue
		}
		if key, _ = key.Unmark(); key.IsKnown() && !key.IsNull() && key.Type() == cty.String && key.AsString() == name {
			return pair.Value
		}
	}
	return nil
}
