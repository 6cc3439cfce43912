package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxSteps bounds how many elements all for expressions of one Load go through
// together. Without it, a line of for in for in for takes hours and all memory.
const maxSteps = 300_000

// steps counts what is left of maxSteps. A Load is one goroutine where it evaluates.
type steps struct{ left int }

// bound makes every for expression in the body pay for the elements that it goes through.
func (s *steps) bound(body *hclsyntax.Body) {
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		if loop, ok := n.(*hclsyntax.ForExpr); ok {
			inner := &hclsyntax.ParenthesesExpr{Expression: loop.CollExpr, SrcRange: loop.CollExpr.Range()}
			loop.CollExpr = &paid{ParenthesesExpr: inner, steps: s}
		}
		return nil
	})
}

// paid is the collection of a for expression. The parentheses in it are what a walk over
// the expression sees, so that names in it are found as before.
type paid struct {
	*hclsyntax.ParenthesesExpr
	steps *steps
}

// Value is the collection, or an error once the steps are used up: loops around this one
// then come to their ends without doing anything.
func (p *paid) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if p.steps.left <= 0 {
		return cty.DynamicVal, hcl.Diagnostics{p.tooMany()}
	}
	v, diags := p.ParenthesesExpr.Value(ctx)
	unmarked, _ := v.Unmark()
	if diags.HasErrors() || !unmarked.IsKnown() || unmarked.IsNull() || !unmarked.CanIterateElements() {
		return v, diags
	}
	if p.steps.left -= 1 + unmarked.LengthInt(); p.steps.left <= 0 {
		return cty.DynamicVal, append(diags, p.tooMany())
	}
	return v, diags
}

func (p *paid) tooMany() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("the for expressions go through more than %d elements together", maxSteps),
		Detail:   "A for in a for multiplies.",
		Subject:  p.Range().Ptr(),
	}
}
