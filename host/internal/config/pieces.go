package config

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// inPieces parses a text block by block: in one go the parser makes one list of all tokens, and most of the time goes into making it
// longer. A text can be cut behind a line that is a closing brace when what stands before it is well by itself: then it
// ends where a block does, and the parser would go on there as at a beginning. Nil says that the text is not that plain, or
// that something is wrong with it: then it must be parsed as a whole, also for what is to be said about it.
func inPieces(text []byte, path string) *hclsyntax.Body {
	if len(text) == 0 || strings.HasSuffix(path, ".json") {
		return nil
	}
	whole := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: hclsyntax.Blocks{}}
	for at := hcl.InitialPos; len(text) > 0; {
		piece := text[:pieceEnd(text)]
		if tooDeep(piece, path, at) != nil {
			return nil
		}
		file, diags := hclsyntax.ParseConfig(piece, path, at)
		if len(diags) > 0 || !join(whole, file.Body.(*hclsyntax.Body)) {
			return nil
		}
		text = text[len(piece):]
		at = hcl.Pos{Line: at.Line + bytes.Count(piece, []byte("\n")), Column: 1, Byte: at.Byte + len(piece)}
	}
	return whole
}

// pieceEnd is where the first piece of a text ends: behind a line that is a closing brace, or at its end.
func pieceEnd(text []byte) int {
	const last = "\n}\n"
	if i := bytes.Index(text, []byte(last)); i >= 0 {
		return i + len(last)
	}
	return len(text)
}

// join appends the next piece to the body of a file. It reports false when an attribute is there twice.
func join(whole, next *hclsyntax.Body) bool {
	if whole.SrcRange.Filename == "" {
		whole.SrcRange = next.SrcRange
	}
	whole.SrcRange.End, whole.EndRange = next.SrcRange.End, next.EndRange
	for name, attribute := range next.Attributes {
		if whole.Attributes[name] != nil {
			return false
		}
		whole.Attributes[name] = attribute
	}
	whole.Blocks = append(whole.Blocks, next.Blocks...)
	return true
}
