package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// PathError is a value that did not fit, and where it stands.
type PathError struct {
	Path []PathStep
	Err  error
}

// Error is the path and the cause.
func (e *PathError) Error() string {
	if len(e.Path) == 0 {
		return e.Err.Error()
	}
	return FormatPath(e.Path) + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *PathError) Unwrap() error { return e.Err }

// Unmarshal reads what [Decoded.Msgpack] wrote, by the same schema, into the
// author's struct. Fields whose attribute is absent (or null) and has no
// default keep the value that they have. A value that does not fit is a
// [*PathError].
func Unmarshal(b Body, data []byte, into any) error {
	value, err := unpack(data, b.CtyType())
	if err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	return Assign(value, into)
}

// unpack is msgpack.Unmarshal without its panics, which arise from bytes that
// it never writes itself, such as a number that is NaN.
func unpack(data []byte, typ cty.Type) (value cty.Value, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the bytes are not what the schema says: %v", cause)
		}
	}()
	return msgpack.Unmarshal(data, typ)
}

// Assign stores a value into what `into` points to: an object into a struct
// by its task tags, lists into slices, maps and objects into maps, texts into
// durations, sizes and everything with UnmarshalText. Null leaves the target
// as it is, but sets a pointer to nil. Every element is checked for its
// range; a value that does not fit is a [*PathError], which never quotes a
// sensitive value.
func Assign(v cty.Value, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("assign configuration: the target must be a pointer, not %T", into)
	}
	v, _ = v.UnmarkDeep()
	return assigner{}.assign(v, target.Elem(), nil)
}

// assigner carries what a field's tags say about the values under it.
type assigner struct {
	kind      Kind
	sensitive bool
}

func (a assigner) assign(v cty.Value, to reflect.Value, path []PathStep) error {
	t := to.Type()
	switch {
	case t == typeCty:
		to.Set(reflect.ValueOf(v))
		return nil
	case v == cty.NilVal || !v.IsKnown():
		return &PathError{path, errors.New("the value is not known")}
	case v.IsNull():
		if t.Kind() == reflect.Pointer {
			to.SetZero()
		}
		return nil
	case t.Kind() == reflect.Pointer:
		target := reflect.New(t.Elem())
		if err := a.assign(v, target.Elem(), path); err != nil {
			return err
		}
		to.Set(target)
		return nil
	case t == typeRawJSON || isAny(t):
		return fail(path, assignAny(v, to))
	}
	a.sensitive = a.sensitive || sensitiveType(t)
	switch {
	case t == typeDuration || t == typeURL || fromText(t) || a.kind == KindBytes && goIntKind(t.Kind()) != "":
		return a.leaf(v, cty.String, to, path, a.assignText)
	case t.Kind() == reflect.String:
		return a.leaf(v, cty.String, to, path, a.assignText)
	case t.Kind() == reflect.Bool:
		return a.leaf(v, cty.Bool, to, path, func(v cty.Value, to reflect.Value) error {
			to.SetBool(v.True())
			return nil
		})
	case to.CanInt() || to.CanUint() || to.CanFloat():
		return a.leaf(v, cty.Number, to, path, assignNumber)
	case t.Kind() == reflect.Slice:
		return a.assignSlice(v, to, path)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return a.assignMap(v, to, path)
	case t.Kind() == reflect.Struct:
		return assignStruct(v, to, path, a)
	}
	return &PathError{path, fmt.Errorf("cannot be stored into a %s", t)}
}

func fail(path []PathStep, err error) error {
	if err == nil {
		return nil
	}
	return &PathError{path, err}
}

// leaf converts v and stores it.
func (a assigner) leaf(v cty.Value, want cty.Type, to reflect.Value, path []PathStep, store func(cty.Value, reflect.Value) error) error {
	converted, err := convert.Convert(v, want)
	if err != nil {
		return &PathError{path, fmt.Errorf("a %s is required, not %s", want.FriendlyName(), v.Type().FriendlyName())}
	}
	if !converted.IsKnown() || converted.IsNull() {
		return &PathError{path, errors.New("the value is not known")}
	}
	err = store(converted, to)
	if err != nil && a.sensitive {
		// The cause is the author's, or names the text; both may give it away.
		err = errors.New("the value (sensitive) is not accepted")
	}
	return fail(path, err)
}

func (a assigner) assignText(v cty.Value, to reflect.Value) error {
	text := v.AsString()
	t := to.Type()
	switch {
	case t == typeDuration:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		to.SetInt(int64(d))
	case t == typeURL:
		u, err := url.Parse(text)
		if err != nil {
			return errors.New("is not a URL")
		}
		to.Set(reflect.ValueOf(*u))
	case t == typeTime:
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("%q is not a time as RFC 3339 has it", clip(text))
		}
		to.Set(reflect.ValueOf(moment))
	case fromText(t):
		return to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case t.Kind() == reflect.String:
		to.SetString(text)
	default:
		n, err := ParseBytes(text)
		if err != nil {
			return err
		}
		return setInteger(big.NewInt(n), to)
	}
	return nil
}

func assignNumber(v cty.Value, to reflect.Value) error {
	n := v.AsBigFloat()
	if to.CanFloat() {
		f, _ := n.Float64()
		if to.OverflowFloat(f) {
			return fmt.Errorf("%s is too large for a %s", clip(numberText(n)), to.Type())
		}
		to.SetFloat(f)
		return nil
	}
	c := constraints{kind: goIntKind(to.Kind())}
	if err := c.checkNumber(n); err != nil {
		return fmt.Errorf("%s %w", clip(numberText(n)), err)
	}
	whole, _ := n.Int(nil)
	return setInteger(whole, to)
}

func setInteger(n *big.Int, to reflect.Value) error {
	lo, hi, _ := goIntKind(to.Kind()).intRange()
	if n.Cmp(lo) < 0 || n.Cmp(hi) > 0 {
		return fmt.Errorf("%s must be from %s to %s", n, lo, hi)
	}
	if to.CanInt() {
		to.SetInt(n.Int64())
	} else {
		to.SetUint(n.Uint64())
	}
	return nil
}

func (a assigner) assignSlice(v cty.Value, to reflect.Value, path []PathStep) error {
	typ := v.Type()
	if !typ.IsListType() && !typ.IsSetType() && !typ.IsTupleType() {
		return &PathError{path, fmt.Errorf("a list is required, not %s", typ.FriendlyName())}
	}
	out := reflect.MakeSlice(to.Type(), v.LengthInt(), v.LengthInt())
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, element := it.Element()
		if err := a.assign(element, out.Index(i), at(path, Index(i))); err != nil {
			return err
		}
	}
	to.Set(out)
	return nil
}

func (a assigner) assignMap(v cty.Value, to reflect.Value, path []PathStep) error {
	typ := v.Type()
	if !typ.IsMapType() && !typ.IsObjectType() {
		return &PathError{path, fmt.Errorf("a map is required, not %s", typ.FriendlyName())}
	}
	out := reflect.MakeMapWithSize(to.Type(), v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, element := it.Element()
		target := reflect.New(to.Type().Elem()).Elem()
		if err := a.assign(element, target, at(path, Key(key.AsString()))); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key.AsString()).Convert(to.Type().Key()), target)
	}
	to.Set(out)
	return nil
}

func assignStruct(v cty.Value, to reflect.Value, path []PathStep, outer assigner) error {
	typ := v.Type()
	if !typ.IsObjectType() && !typ.IsMapType() {
		return &PathError{path, fmt.Errorf("an object is required, not %s", typ.FriendlyName())}
	}
	fields, err := fieldsOf(to.Type())
	if err != nil {
		return &PathError{path, fmt.Errorf("read type %s: %w", to.Type(), err)}
	}
	values := v.AsValueMap()
	for _, f := range fields {
		value, ok := values[f.name]
		if !ok {
			continue
		}
		delete(values, f.name)
		a := assigner{kind: f.kind, sensitive: outer.sensitive || f.sensitive}
		if err := a.assign(value, to.FieldByIndex(f.index), at(path, Attr(f.name))); err != nil {
			return err
		}
	}
	for name := range values {
		return &PathError{at(path, Attr(name)), fmt.Errorf("%s has no such field", to.Type())}
	}
	return nil
}

// assignAny stores a value of any type as JSON, or as what encoding/json
// would make of it.
func assignAny(v cty.Value, to reflect.Value) error {
	if !v.IsWhollyKnown() {
		return errors.New("the value is not known")
	}
	if to.Type() != typeRawJSON {
		to.Set(reflect.ValueOf(plain(v)))
		return nil
	}
	data, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode as JSON: %w", err)
	}
	to.SetBytes(data)
	return nil
}

// plain is a value in Go's own types: bool, string, int64 (float64 where that
// does not hold it, json.Number where neither does), []any, map[string]any.
func plain(v cty.Value) any {
	typ := v.Type()
	switch {
	case v.IsNull():
		return nil
	case typ == cty.String:
		return v.AsString()
	case typ == cty.Bool:
		return v.True()
	case typ == cty.Number:
		return plainNumber(v.AsBigFloat())
	case typ.IsObjectType() || typ.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for name, element := range v.AsValueMap() {
			out[name] = plain(element)
		}
		return out
	case v.CanIterateElements():
		out := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			out = append(out, plain(element))
		}
		return out
	}
	return nil
}

func plainNumber(n *big.Float) any {
	if i, exact := n.Int64(); exact == big.Exact {
		return i
	}
	if f, exact := n.Float64(); exact == big.Exact || !n.IsInt() {
		return f
	}
	return json.Number(numberText(n))
}
