package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// samePieces reports how a text that is parsed in pieces differs from the whole; whether it can be is for the caller to know.
func samePieces(t *testing.T, text []byte, path string) (inParts bool) {
	t.Helper()
	body := inPieces(text, path)
	file, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if body == nil {
		return false
	}
	if len(diags) > 0 {
		t.Fatalf("%s: in pieces nothing is wrong with\n%s\nand as a whole %v", path, text, diags)
	}
	whole := file.Body.(*hclsyntax.Body)
	if !reflect.DeepEqual(body.Attributes, whole.Attributes) || !reflect.DeepEqual(body.Blocks, whole.Blocks) {
		t.Fatalf("%s: in pieces something else comes of\n%s", path, text)
	}
	if body.SrcRange != whole.SrcRange || body.EndRange != whole.EndRange {
		t.Fatalf("%s: the body is at %v, %v in pieces and at %v, %v as a whole", path, body.SrcRange, body.EndRange, whole.SrcRange, whole.EndRange)
	}
	return true
}

func TestAFileInPiecesIsTheSameFile(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, "# the %dth\ntask \"t%d\" {\n  plugin = \"x\"\n  periodic {\n    every = \"${1}s\"\n  }\n}\n\n", i, i)
	}
	for text, plain := range map[string]bool{
		"":                                  false,
		"a = 1\n":                           true,
		"a = 1":                             true,
		"b {\n}\n":                          true,
		"b {\n}":                            true,
		many.String():                       true,
		many.String() + "a = 1":             true,
		"b {\n  x = <<E\n}\nE\n}\nc {\n}\n": false, // a text that holds the line
		"b {\n}\na = 1\nc {\n}\na = 2\n":    false, // twice
		"b {\n}\nc {\n":                     false, // not closed
		"b {\n}\n}\n":                       false, // closed twice
		"/*\nb {\n}\n*/\nc {\n}\n":          false, // a comment that holds the line
		"b {\r\n}\r\nc {\r\n}\r\n":          true,
		"ä = \"ö\"\nb {\n}\nü = \"é\"\n":    true,
		"\ufeffb {\n}\n":                    true,
		"b { x = " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300) + " }\nc {\n}\n": false,
	} {
		if got := samePieces(t, []byte(text), "x.hcl"); got != plain {
			t.Errorf("in pieces is %v for\n%.200s", got, text)
		}
	}
	if inPieces([]byte("{}"), "x.hcl.json") != nil {
		t.Error("a JSON file is parsed in pieces")
	}
}

func TestTheExamplesAreTheSameInPieces(t *testing.T) {
	t.Parallel()
	plain := 0
	err := filepath.WalkDir("../../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".hcl" {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && samePieces(t, text, path) {
			plain++
		}
		return err
	})
	if err != nil || plain < 20 {
		t.Errorf("%d files can be parsed in pieces, %v", plain, err)
	}
}

func FuzzPieces(f *testing.F) {
	for _, text := range []string{"a = 1\nb {\n}\nc \"d\" {\n  x = <<E\n}\nE\n}\n", "b {\n}\n/*\n}\n*/\n", "x = \"${\n}\n\"\n", "x = [\n{\n}\n]\n", "b {\n}\n#\n}\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if tooDeep(text, "x.hcl", hcl.InitialPos) == nil {
			samePieces(t, text, "x.hcl")
		}
	})
}
