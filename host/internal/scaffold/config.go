package scaffold

import (
	"bytes"
	"embed"
	"text/template"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

//go:embed templates
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"quote": quote}).ParseFS(files, "templates/*.tmpl", "templates/plugin/*.tmpl"))

// quote writes a text as HCL does.
func quote(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// ConfigOptions say what a first configuration cannot know.
type ConfigOptions struct {
	PluginDir string
	TimeZone  string // "" is UTC
}

// Config is a first configuration, in canonical form.
func Config(o ConfigOptions) ([]byte, error) {
	if o.TimeZone == "" {
		o.TimeZone = "UTC"
	}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, "config.hcl.tmpl", o); err != nil {
		return nil, err
	}
	return hclwrite.Format(out.Bytes()), nil
}
