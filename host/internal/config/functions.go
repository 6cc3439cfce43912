package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/taskhost/taskhost/sdk/schema"
)

// pureFunctions depend on nothing but their arguments.
var pureFunctions = discreet(map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,
	"chomp": stdlib.ChompFunc, "format": formatFunc, "formatdate": stdlib.FormatDateFunc, "join": joinFunc, "lower": stdlib.LowerFunc,
	"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regexreplace": stdlib.RegexReplaceFunc, "replace": replaceFunc, "split": stdlib.SplitFunc,
	"strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc, "timeadd": stdlib.TimeAddFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
	"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
	"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunc, "lookup": stdlib.LookupFunc,
	"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	"base64decode": base64DecodeFunc, "base64encode": base64EncodeFunc, "csvdecode": stdlib.CSVDecodeFunc, "jsondecode": modest(bounded(stdlib.JSONDecodeFunc)),
	"jsonencode": stdlib.JSONEncodeFunc, "yamldecode": modest(yamlDecodeFunc), "yamlencode": yaml.YAMLEncodeFunc,
	"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber": modest(stdlib.MakeToFunc(cty.Number)), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
	"sensitive": sensitiveFunc,
}, map[string]function.Function{"can": tryfunc.CanFunc, "try": tryfunc.TryFunc})

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

// yamlDecodeFunc is the library's, with a bound on what aliases make of a text. Without types that
// are wanted, the library shares what an alias repeats, so that looking is cheap.
var yamlDecodeFunc = bounded(guarded(yaml.YAMLDecodeFunc, func(text string) error {
	v, err := yaml.Standard.Unmarshal([]byte(text), cty.DynamicPseudoType)
	if err == nil && weigh(v, maxLocal) > maxLocal {
		return fmt.Errorf("the text holds more than %s once its aliases are followed", schema.FormatBytes(maxLocal))
	}
	return nil // what is wrong with it, the function says itself
}))

// joinFunc and replaceFunc are the library's, with a bound on what they make.
var (
	joinFunc = measured(stdlib.JoinFunc, func(texts []string) int {
		return len(texts[0]) * len(texts[1:])
	})
	replaceFunc = measured(stdlib.ReplaceFunc, func(texts []string) int {
		return strings.Count(texts[0], texts[1]) * len(texts[2])
	})
)

// measured refuses to call f when size, which is told the texts among the arguments and in
// lists, says that it would make too long a text.
func measured(f function.Function, size func(texts []string) int) function.Function {
	return wrapped(f, func(args []cty.Value) (cty.Value, error) {
		if texts, ok := textsIn(args); ok && size(texts) > maxLocal {
			return cty.NilVal, fmt.Errorf("the result would be longer than %s", schema.FormatBytes(maxLocal))
		}
		return f.Call(args)
	}, f.ReturnTypeForValues)
}

// textsIn lists the texts in the values, in order; ok is false when one is not known.
func textsIn(values []cty.Value) (texts []string, ok bool) {
	for _, v := range values {
		v, _ = v.Unmark()
		switch {
		case !v.IsKnown() || v.IsNull():
			return nil, false
		case v.Type() == cty.String:
			texts = append(texts, v.AsString())
		case v.CanIterateElements():
			inner, ok := textsIn(v.AsValueSlice())
			if !ok {
				return nil, false
			}
			texts = append(texts, inner...)
		default:
			return nil, false
		}
	}
	return texts, true
}

// bounded guards a decoder, which recurses with its input.
func bounded(f function.Function) function.Function {
	return guarded(f, func(text string) error {
		if rawDepth([]byte(text), maxJSONDepth) >= 0 {
			return errors.New("the text is nested too deeply")
		}
		return nil
	})
}

// modest refuses numbers that would take too long to write out.
func modest(f function.Function) function.Function {
	return wrapped(f, func(args []cty.Value) (cty.Value, error) {
		v, err := f.Call(args)
		if err == nil && holdsImmense(v) {
			return cty.NilVal, errors.New("a number has more than a thousand digits")
		}
		return v, err
	}, f.ReturnTypeForValues)
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
