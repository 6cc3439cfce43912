package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// pureFunctions depend on nothing but their arguments.
var pureFunctions = discreet(map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,
	"chomp": stdlib.ChompFunc, "format": formatFunc, "formatdate": stdlib.FormatDateFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc,
	"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regexreplace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc,
	"strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc, "timeadd": stdlib.TimeAddFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
	"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
	"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunc, "lookup": stdlib.LookupFunc,
	"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	"base64decode": base64DecodeFunc, "base64encode": base64EncodeFunc, "csvdecode": stdlib.CSVDecodeFunc, "jsondecode": bounded(stdlib.JSONDecodeFunc),
	"jsonencode": stdlib.JSONEncodeFunc, "yamldecode": bounded(yaml.YAMLDecodeFunc), "yamlencode": yaml.YAMLEncodeFunc,
	"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber": stdlib.MakeToFunc(cty.Number), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
	"sensitive": sensitiveFunc,
}, map[string]function.Function{"can": tryfunc.CanFunc, "try": tryfunc.TryFunc})

// outerFunctions are those that look outside: their names, for the reference.
var outerFunctions = []string{"env", "file", "secret", "templatefile"}

// Functions lists the names of all functions of the language, in order.
func Functions() []string {
	names := map[string]bool{}
	for name := range pureFunctions {
		names[name] = true
	}
	for _, name := range outerFunctions {
		names[name] = true
	}
	return sortedKeys(names)
}

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

// lengthFunc counts elements, and the characters of a text.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.Strlen(args[0])
		}
		return stdlib.Length(args[0])
	},
})

var base64EncodeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.StringVal(base64.StdEncoding.EncodeToString([]byte(args[0].AsString()))), nil
	},
})

var base64DecodeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		text, err := base64.StdEncoding.DecodeString(args[0].AsString())
		if err != nil || !utf8.Valid(text) {
			return cty.NilVal, errors.New("this is not the base64 form of a UTF-8 text")
		}
		return cty.StringVal(string(text)), nil
	},
})

// sensitiveFunc marks a value as sensitive.
var sensitiveFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowMarked: true, AllowNull: true, AllowUnknown: true, AllowDynamicType: true}},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(sensitive), nil },
})

// tooWide finds widths and precisions that would make a text of megabytes.
var tooWide = regexp.MustCompile(`[0-9]{4,}`)

// formatFunc is the library's, with a bound on widths.
var formatFunc = guarded(stdlib.FormatFunc, func(text string) error {
	if tooWide.MatchString(text) {
		return errors.New("widths above 999 are not supported")
	}
	return nil
})

// bounded guards a decoder, which recurses with its input.
func bounded(f function.Function) function.Function {
	return guarded(f, func(text string) error {
		if rawDepth([]byte(text), maxJSONDepth) >= 0 {
			return errors.New("the text is nested too deeply")
		}
		return nil
	})
}

// guarded checks the first argument, a text, before it calls f.
func guarded(f function.Function, check func(string) error) function.Function {
	first := func(args []cty.Value) error {
		if len(args) == 0 {
			return nil
		}
		text, _ := args[0].Unmark()
		if text.Type() != cty.String || !text.IsKnown() || text.IsNull() {
			return nil
		}
		return check(text.AsString())
	}
	return wrapped(f, func(args []cty.Value) (cty.Value, error) {
		if err := first(args); err != nil {
			return cty.NilVal, err
		}
		return f.Call(args)
	}, func(args []cty.Value) (cty.Type, error) {
		if err := first(args); err != nil {
			return cty.NilType, err
		}
		return f.ReturnTypeForValues(args)
	})
}

var errSensitive = errors.New("it fails for a sensitive value; the details are withheld")

// discreet keeps sensitive arguments out of the functions' error messages. Those
// in special decode their arguments themselves and are left as they are.
func discreet(functions, special map[string]function.Function) map[string]function.Function {
	out := maps.Clone(functions)
	for name, f := range functions {
		out[name] = discreetFunction(f)
	}
	maps.Copy(out, special)
	return out
}

func discreetFunction(f function.Function) function.Function {
	withhold := func(args []cty.Value, err error) error {
		if err == nil {
			return nil
		}
		for _, arg := range args {
			if arg.ContainsMarked() {
				return errSensitive
			}
		}
		return err
	}
	return wrapped(f, func(args []cty.Value) (cty.Value, error) {
		v, err := f.Call(args)
		return v, withhold(args, err)
	}, func(args []cty.Value) (cty.Type, error) {
		typ, err := f.ReturnTypeForValues(args)
		return typ, withhold(args, err)
	})
}

// wrapped is a function with f's parameters that gets every argument as it is.
func wrapped(f function.Function, call func([]cty.Value) (cty.Value, error), typ function.TypeFunc) function.Function {
	open := func(p function.Parameter) function.Parameter {
		p.AllowMarked, p.AllowNull, p.AllowUnknown, p.AllowDynamicType = true, true, true, true
		return p
	}
	spec := &function.Spec{
		Type: typ,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return call(args) },
	}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := f.VarParam(); p != nil {
		variadic := open(*p)
		spec.VarParam = &variadic
	}
	return function.New(spec)
}
