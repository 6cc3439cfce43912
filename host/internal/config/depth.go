package config

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	maxDepth     = 250    // brackets in brackets
	maxPrefix    = 100    // operators before one operand
	maxTernaries = 10_000 // conditionals in a file, or in a block of it
	maxJSONDepth = 1_000  // brackets in brackets, those in texts included
)

// tooDeep refuses a text whose nesting would exhaust the stack of the parser,
// which has no bound of its own. The text stands at a place of its file.
func tooDeep(text []byte, path string, at hcl.Pos) *hcl.Diagnostic {
	if strings.HasSuffix(path, ".json") {
		if at := rawDepth(text, maxJSONDepth); at >= 0 {
			pos := position(text, at)
			return deep(hcl.Range{Filename: path, Start: pos, End: pos})
		}
		return forInJSON(text, path)
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

// forInJSON refuses a for in a for in the texts of a JSON file. Its expressions are parsed anew each
// time that they are evaluated, so that steps cannot count what they go through.
func forInJSON(text []byte, path string) *hcl.Diagnostic {
	tokens := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := tokens.Token()
		if err != nil {
			return nil // at the end, or the parser says what is wrong
		}
		template, ok := token.(string)
		if !ok || !strings.Contains(template, "for") {
			continue
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(template), path, hcl.InitialPos)
		var n nesting
		if diags.HasErrors() || hclsyntax.Walk(expr, &n).HasErrors() || n.deepest < 2 {
			continue
		}
		at := position(text, int(tokens.InputOffset()))
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "a for in a for is not supported in JSON",
			Detail:   "Put it into a local of an .hcl file.",
			Subject:  &hcl.Range{Filename: path, Start: at, End: at},
		}
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
