package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// Decode reads a configuration block by the schema: dynamic blocks are
// expanded, every value is checked, defaults are filled in. It returns every
// diagnostic at once, in source order, each with its range in the original
// source; sensitive and marked values are in none of them. When one of them
// is an error, the Decoded is incomplete and only good for display.
//
// A value that ctx leaves unknown is no error here but listed in the Decoded,
// so that a configuration can be validated without its environment.
func (b Body) Decode(body hcl.Body, ctx *hcl.EvalContext) (Decoded, hcl.Diagnostics) {
	return b.Decoder().Decode(body, ctx)
}

// Decoder decodes many blocks by one schema: what the schema alone decides is
// worked out once. It may be used by several goroutines.
type Decoder struct {
	body Body
	spec hcldec.Spec
	hash string
}

// Decoder returns the decoder of the schema, which must not change after it.
func (b Body) Decoder() *Decoder {
	return &Decoder{body: b, spec: b.Spec(), hash: b.Hash()}
}

// Hash is that of the schema, see [Body.Hash].
func (d *Decoder) Hash() string { return d.hash }

// Decode is [Body.Decode].
func (d *Decoder) Decode(body hcl.Body, ctx *hcl.EvalContext) (decoded Decoded, diags hcl.Diagnostics) {
	// HCL and the functions in ctx panic on combinations of marked and unknown
	// values that no one has met before. A configuration file must not end
	// the program that reads it, so such a panic becomes a diagnostic.
	defer func() {
		if cause := recover(); cause != nil {
			decoded = Decoded{Value: cty.UnknownVal(d.body.CtyType())}
			diags = hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  panicSummary,
				Detail:   fmt.Sprintf("An expression in this block made its evaluation fail: %s. Simplify the block until it passes to find the expression.", clip(fmt.Sprint(cause))),
				Subject:  body.MissingItemRange().Ptr(),
			}}
		}
	}()

	var names nameCheck
	names.walk(d.body, d.spec, body)
	expanded := dynblock.Expand(body, ctx, dynblock.OptCheckForEach(names.checkForEach))
	value, decodeDiags := hcldec.Decode(expanded, d.spec, ctx)
	names.merge(decodeDiags)
	return d.body.decoded(value), sortDiagnostics(names.diags)
}

const panicSummary = "Configuration cannot be evaluated"

// sortDiagnostics puts them into source order and drops repetitions, which
// arise when a dynamic block's content is read once per element.
func sortDiagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	subject := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	slices.SortStableFunc(diags, func(x, y *hcl.Diagnostic) int {
		a, b := subject(x), subject(y)
		if c := strings.Compare(a.Filename, b.Filename); c != 0 {
			return c
		}
		if c := a.Start.Byte - b.Start.Byte; c != 0 {
			return c
		}
		if c := a.End.Byte - b.End.Byte; c != 0 {
			return c
		}
		if c := strings.Compare(x.Summary, y.Summary); c != 0 {
			return c
		}
		return strings.Compare(x.Detail, y.Detail)
	})
	return slices.CompactFunc(diags, func(x, y *hcl.Diagnostic) bool {
		return subject(x) == subject(y) && x.Severity == y.Severity && x.Summary == y.Summary && x.Detail == y.Detail
	})
}
