package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format gives HCL its canonical layout. A text that is not valid HCL is returned
// unchanged, with the diagnostics; JSON is returned unchanged.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	find := findings{list: &hcl.Diagnostics{}}
	if d := tooDeep(src, filename, hcl.InitialPos); d != nil {
		find.foreign(hcl.Diagnostics{d})
		return src, find.sorted()
	}
	_, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		find.foreign(diags)
		return src, find.sorted()
	}
	return hclwrite.Format(src), nil
}

// SourcesOf are the texts of files for showing the diagnostics of Format.
func SourcesOf(files map[string][]byte) Sources { return Sources{files: files} }
