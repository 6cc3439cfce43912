package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const (
	maxDepth     = 250    // brackets in brackets
	maxPrefix    = 100    // operators before one operand
	maxTernaries = 10_000 // conditionals in a file, or in a block of it
	maxJSONDepth = 1_000  // brackets in brackets, those in texts included
	maxDigits    = 1_000  // of a number before or behind the point: to write out one of a million takes minutes
)

// tooDeep refuses a text whose nesting would exhaust the stack of the parser,
// which has no bound of its own, and numbers that would take too long to write out.
// The text stands at a place of its file.
func tooDeep(text []byte, path string, at hcl.Pos) *hcl.Diagnostic {
	if strings.HasSuffix(path, ".json") {
		if at := rawDepth(text, maxJSONDepth); at >= 0 {
			pos := position(text, at)
			return deep(hcl.Range{Filename: path, Start: pos, End: pos})
		}
		return inJSON(text, path)
	}
	tokens, _ := hclsyntax.LexConfig(text, path, at)
	depth, prefix, ternaries := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenQuestion:
			ternaries++
		case hclsyntax.TokenNumberLit:
			if immense(string(t.Bytes)) {
				return immenseAt(t.Range)
			}
		}
		if t.Type == hclsyntax.TokenBang || t.Type == hclsyntax.TokenMinus {
			prefix++
		} else {
			prefix = 0
		}
		if depth > maxDepth || prefix > maxPrefix || ternaries > maxTernaries {
			return deep(t.Range)
		}
	}
	return nil
}

// inJSON refuses numbers that would take too long to write out, and a for in a for in the texts of a JSON file: its expressions
// are parsed anew each time that they are evaluated, so that steps cannot count what they go through.
func inJSON(text []byte, path string) *hcl.Diagnostic {
	tokens := json.NewDecoder(bytes.NewReader(text))
	tokens.UseNumber()
	for {
		token, err := tokens.Token()
		if err != nil {
			return nil // at the end, or the parser says what is wrong
		}
		at := position(text, int(tokens.InputOffset()))
		here := hcl.Range{Filename: path, Start: at, End: at}
		switch token := token.(type) {
		case json.Number:
			if immense(string(token)) {
				return immenseAt(here)
			}
		case string:
			if d := inTemplate(token, here); d != nil {
				return d
			}
		}
	}
}

// inTemplate is inJSON for a text.
func inTemplate(template string, at hcl.Range) *hcl.Diagnostic {
	if !strings.Contains(template, "{") {
		return nil
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(template), at.Filename, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenNumberLit && immense(string(t.Bytes)) {
			return immenseAt(at)
		}
	}
	if !strings.Contains(template, "for") {
		return nil
	}
	expr, diags := hclsyntax.ParseTemplate([]byte(template), at.Filename, hcl.InitialPos)
	var n nesting
	if diags.HasErrors() || hclsyntax.Walk(expr, &n).HasErrors() || n.deepest < 2 {
		return nil
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "a for in a for is not supported in JSON",
		Detail:   "Put it into a local of an .hcl file.",
		Subject:  &at,
	}
}

var exponent = regexp.MustCompile(`[eE][+-]?([0-9]+)$`)

// immense reports whether a number, as it is written, has too many digits when it is written out.
func immense(number string) bool {
	if len(number) > maxDigits {
		return true
	}
	e := exponent.FindStringSubmatch(number)
	if e == nil {
		return false
	}
	n, err := strconv.Atoi(e[1])
	return err != nil || n > maxDigits
}

// holdsImmense reports whether a value is such a number, or holds one.
func holdsImmense(v cty.Value) bool {
	const bitsOfDigit = 3.33
	v, _ = v.UnmarkDeep()
	found := false
	_ = cty.Walk(v, func(_ cty.Path, leaf cty.Value) (bool, error) {
		if leaf.Type() == cty.Number && leaf.IsKnown() && !leaf.IsNull() {
			bits := leaf.AsBigFloat().MantExp(nil)
			found = found || max(bits, -bits) > maxDigits*bitsOfDigit
		}
		return !found, nil
	})
	return found
}

func immenseAt(at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "the number is too large, or too small",
		Detail:   "It would have more than a thousand digits.",
		Subject:  &at,
	}
}

// nesting finds how deep for expressions stand in each other.
type nesting struct{ depth, deepest int }

func (n *nesting) Enter(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(*hclsyntax.ForExpr); ok {
		n.depth++
		n.deepest = max(n.deepest, n.depth)
	}
	return nil
}

func (n *nesting) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(*hclsyntax.ForExpr); ok {
		n.depth--
	}
	return nil
}

func deep(at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "expressions are nested too deeply",
		Detail:   "Split the expression into several locals.",
		Subject:  &at,
	}
}

// rawDepth returns where brackets are nested deeper than most, or -1. It counts
// brackets in texts too: JSON texts are templates that are parsed in turn.
func rawDepth(text []byte, most int) int {
	depth, prefix := 0, 0
	for i, c := range text {
		switch c {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth--
		}
		if c == '!' || c == '-' {
			prefix++
		} else {
			prefix = 0
		}
		if depth > most || prefix > most {
			return i
		}
	}
	return -1
}

// position finds the line and column of an offset; columns are bytes.
func position(text []byte, offset int) hcl.Pos {
	before := text[:offset]
	return hcl.Pos{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: offset - bytes.LastIndexByte(before, '\n'),
		Byte:   offset,
	}
}
