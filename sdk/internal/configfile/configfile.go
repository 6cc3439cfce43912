// Package configfile reads the content of one `config` block from text, without a
// host: HCL through the plugin's own schema to the msgpack that a plugin is
// configured with. `PLUGIN validate`, `PLUGIN run` and tasktest use it. It knows no
// variables and no functions but env.
package configfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/taskhost/taskhost/sdk/schema"
)

// Config is a config block that has been read.
type Config struct {
	Msgpack []byte // nil when the diagnostics hold an error
	Diags   hcl.Diagnostics
	file    *hcl.File
	name    string
}

// Check runs a plugin's own checks of a config.
type Check func(msgpack []byte) ([]schema.Problem, error)

// Load reads a file; a name that ends in .json is read as HCL's JSON form.
func Load(body schema.Body, check Check, name string, env func(string) (string, bool)) Config {
	text, err := os.ReadFile(name)
	if err != nil {
		return Config{Diags: hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot read the config", Detail: err.Error()}}}
	}
	return Parse(body, check, name, text, env)
}

// Parse reads a text and checks it in full: by the schema and by the plugin's own
// cross-field checks. env looks up environment variables; nil knows none.
func Parse(body schema.Body, check Check, name string, text []byte, env func(string) (string, bool)) Config {
	c := Config{name: name}
	if strings.HasSuffix(name, ".json") {
		c.file, c.Diags = json.Parse(text, name)
	} else {
		c.file, c.Diags = hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	}
	if c.Diags.HasErrors() {
		return c
	}
	decoded, diags := body.Decode(c.file.Body, &hcl.EvalContext{Functions: map[string]function.Function{"env": envFunction(env)}})
	c.Diags = append(c.Diags, diags...)
	if c.Diags.HasErrors() {
		return c
	}
	data, err := decoded.Msgpack(body)
	if err != nil {
		c.Diags = append(c.Diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot send the config to the plugin", Detail: err.Error()})
		return c
	}
	problems, err := check(data)
	if err != nil {
		problems = append(problems, schema.Problem{Summary: "The plugin cannot read the config", Detail: err.Error()})
	}
	for _, p := range problems {
		c.Diags = append(c.Diags, c.diagnostic(p))
	}
	if !c.Diags.HasErrors() {
		c.Msgpack = data
	}
	return c
}

// diagnostic puts a problem at the place in the text that it is about.
func (c *Config) diagnostic(p schema.Problem) *hcl.Diagnostic {
	at := schema.SourceRange(c.file.Body, p.Path)
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: p.Summary, Detail: p.Detail, Subject: &at}
	if p.Warning {
		d.Severity = hcl.DiagWarning
	}
	if path := schema.FormatPath(p.Path); path != "" {
		d.Summary = path + ": " + p.Summary
	}
	return d
}

// Err is nil when the config is good, and otherwise says all that is wrong, a line each.
func (c *Config) Err() error {
	if c.Msgpack != nil {
		return nil
	}
	var lines []string
	for _, d := range c.Diags {
		line := d.Summary
		if d.Detail != "" {
			line += ": " + d.Detail
		}
		if d.Subject != nil {
			line = d.Subject.String() + ": " + line
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Print writes the diagnostics with the lines that they are about.
func (c *Config) Print(out io.Writer) {
	files := map[string]*hcl.File{}
	if c.file != nil {
		files[c.name] = c.file
	}
	if len(c.Diags) > 0 {
		_ = hcl.NewDiagnosticTextWriter(out, files, 100, false).WriteDiagnostics(c.Diags)
	}
}

func envFunction(env func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if env != nil {
				if v, ok := env(name); ok {
					return cty.StringVal(v), nil
				}
			}
			return cty.NilVal, fmt.Errorf("the environment variable %s is not set", name)
		},
	})
}
