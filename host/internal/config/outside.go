package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// outside is what the functions see of the world.
type outside struct {
	env     func(string) (string, bool)
	offline bool // env and secret give unknown values
	secret  *secrets
}

// functions are all functions for the files of one directory.
func (o outside) functions(dir string) map[string]function.Function {
	all := maps.Clone(pureFunctions)
	outer := map[string]function.Function{
		"env":    o.envFunc(),
		"file":   fileFunc(dir),
		"secret": o.secretFunc(dir),
	}
	maps.Copy(all, discreet(outer, nil))
	// A template may use every function but the one that reads templates: so it
	// cannot include itself.
	inner := maps.Clone(all)
	all["templatefile"] = discreetFunction(templateFileFunc(dir, inner))
	return all
}

// envFunc is env(name) and env(name, default). A variable that is not set and has
// no default gives null, which a map leaves out and a required attribute refuses.
func (o outside) envFunc() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errors.New("env takes a name and a default")
			}
			if o.offline {
				return cty.UnknownVal(cty.String), nil
			}
			if value, set := o.env(args[0].AsString()); set {
				return cty.StringVal(strings.ToValidUTF8(value, "\uFFFD")), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NullVal(cty.String), nil
		},
	})
}

// secretFunc is secret("env:NAME"), secret("file:path") and secret("credential:name"),
// the last from the directory that systemd's LoadCredential= fills. One newline at
// the end is cut off.
func (o outside) secretFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "source", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			kind, name, found := strings.Cut(args[0].AsString(), ":")
			if !found || name == "" {
				kind = ""
			}
			var text string
			var err error
			switch kind {
			case "env":
				if o.offline {
					break
				}
				var set bool
				if text, set = o.env(name); !set {
					err = fmt.Errorf("the environment variable %s is not set", name)
				}
			case "file":
				if o.offline {
					break
				}
				text, err = readText(dir, name)
			case "credential":
				if o.offline {
					break
				}
				text, err = o.credential(name)
			default:
				err = errors.New(`write "env:NAME", "file:path" or "credential:name"`)
			}
			if err != nil {
				return cty.NilVal, err
			}
			if o.offline {
				return cty.UnknownVal(cty.String).Mark(sensitive), nil
			}
			text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
			if !utf8.ValidString(text) {
				return cty.NilVal, errors.New("the secret is not UTF-8 text")
			}
			o.secret.addText(text)
			return cty.StringVal(text).Mark(sensitive), nil
		},
	})
}

func (o outside) credential(name string) (string, error) {
	dir, set := o.env("CREDENTIALS_DIRECTORY")
	if !set {
		return "", errors.New("there are no credentials: CREDENTIALS_DIRECTORY is not set (a systemd unit with LoadCredential= sets it)")
	}
	if name != filepath.Base(name) || name == ".." || name == "." {
		return "", errors.New("a credential has a plain name, no path")
	}
	return readText(dir, name)
}

func fileFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := readText(dir, args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(text), nil
		},
	})
}

// templateFileFunc is templatefile(path, values): the file as a template in which
// the names in values may be used.
func templateFileFunc(dir string, functions map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "values", Type: cty.DynamicPseudoType},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if typ := args[1].Type(); !typ.IsObjectType() && !typ.IsMapType() {
				return cty.NilVal, errors.New("the values must be an object")
			}
			path := resolve(dir, args[0].AsString())
			text, err := readText(dir, args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			if rawDepth([]byte(text), maxJSONDepth) >= 0 {
				return cty.NilVal, fmt.Errorf("%s is nested too deeply", path)
			}
			expr, diags := hclsyntax.ParseTemplate([]byte(text), path, hcl.InitialPos)
			if diags.HasErrors() {
				return cty.NilVal, diags
			}
			value, diags := expr.Value(&hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: functions})
			if diags.HasErrors() {
				return cty.NilVal, diags
			}
			out, err := stdlib.MakeToFunc(cty.String).Call([]cty.Value{value})
			if err != nil {
				return cty.NilVal, err
			}
			return out, nil
		},
	})
}

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readText reads a text file of bounded size, relative to dir.
func readText(dir, path string) (string, error) {
	text, err := readFile(resolve(dir, path))
	if err != nil {
		return "", errors.New(errorText(err))
	}
	if !utf8.Valid(text) {
		return "", fmt.Errorf("%s is not UTF-8 text", resolve(dir, path))
	}
	return string(text), nil
}
