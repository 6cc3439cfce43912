package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Of derives the schema of a configuration struct T from its fields and tags:
//
//	task:"name[,optional][,sensitive]"  an attribute
//	task:"name,block[,optional]"        a block: struct, *struct, []struct or map[string]struct
//	task:"name,label"                   the label of the block that the struct is
//	task:"-"                            not configuration
//	default:"10s"                       for an absent attribute, which makes it optional (JSON for lists and maps)
//	doc:"…" deprecated:"use …"          texts for people
//	was:"old older"                     former names
//	oneof:"a b" pattern:"^…$"           accepted texts, also of each element in a list or map
//	min:"1" max:"10"                    see Attribute; in a duration's or size's own form ("1s", "1MiB")
//	kind:"bytes" kind:"url"             an integer written as a size; a text that is a URL
//
// An attribute may be a bool, any integer, a float, a string, a
// [time.Duration], a [time.Time], a [net/url.URL], a type with
// [encoding.TextUnmarshaler], a cty.Value, any or json.RawMessage (any value),
// a slice or a map[string] of those, or a struct (an object). Pointers make it
// optional and tell absent from zero. A type with a method Sensitive() bool
// that returns true is sensitive.
//
// Of reports everything that is wrong with the struct, by field.
func Of[T any]() (Body, error) {
	return OfType(reflect.TypeFor[T]())
}

// OfType is [Of] for a type known at run time: a struct or a pointer to one.
func OfType(t reflect.Type) (Body, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return Body{}, fmt.Errorf("read config type %s: it must be a struct", t)
	}
	body, label, err := bodyOf(t, nil)
	if err == nil && label != "" {
		err = fmt.Errorf("field %q: only a block has a label", label)
	}
	if err == nil {
		err = body.Validate()
	}
	if err != nil {
		return Body{}, fmt.Errorf("read config type %s: %w", t, err)
	}
	return body, nil
}

// bodyOf reads a struct as a body. outer are the structs around it.
func bodyOf(t reflect.Type, outer []reflect.Type) (body Body, label string, err error) {
	if slices.Contains(outer, t) {
		return body, "", fmt.Errorf("%s contains itself", t)
	}
	outer = append(outer[:len(outer):len(outer)], t)
	fields, err := fieldsOf(t)
	errs := []error{err}
	for _, f := range fields {
		var err error
		switch {
		case f.label && label != "":
			err = errors.New("a block has one label only")
		case f.label && f.typ.Kind() != reflect.String:
			err = errors.New("a label must be a string")
		case f.label:
			label = f.name
		case f.block:
			var block Block
			if block, err = f.toBlock(outer); err == nil {
				body.Blocks = append(body.Blocks, block)
			}
		default:
			var attribute Attribute
			if attribute, err = f.toAttribute(outer); err == nil {
				body.Attributes = append(body.Attributes, attribute)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", f.goName, err))
		}
	}
	return body, label, errors.Join(errs...)
}

func (f field) toBlock(outer []reflect.Type) (Block, error) {
	block := Block{Name: f.name, Doc: f.tag.Get("doc")}
	for _, tag := range []string{"default", "oneof", "pattern", "was", "deprecated", "kind"} {
		if _, ok := f.tag.Lookup(tag); ok {
			return block, fmt.Errorf("a block takes no %s tag", tag)
		}
	}
	t := f.typ
	pointer := t.Kind() == reflect.Pointer
	switch {
	case pointer:
		block.Nesting, t = NestingSingle, t.Elem()
	case t.Kind() == reflect.Slice:
		block.Nesting, t = NestingList, t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		block.Nesting, t = NestingMap, t.Elem()
	default:
		block.Nesting = NestingSingle
	}
	if !pointer && block.Nesting != NestingSingle && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || isAny(t) || fromText(t) {
		return block, fmt.Errorf("a block must be a struct, *struct, []struct or map[string]struct, not %s", f.typ)
	}

	var err error
	block.Body, block.Label, err = bodyOf(t, outer)
	if err != nil {
		return block, err
	}
	if block.Nesting == NestingMap {
		if block.Label != "" {
			return block, fmt.Errorf("the key of a map of blocks is their label: remove the label %q", block.Label)
		}
		block.Label = "name"
	}
	return block, f.countBlock(&block, pointer)
}

// countBlock sets how often the block must and may stand.
func (f field) countBlock(block *Block, pointer bool) error {
	var err error
	if block.Min, err = intTag(f.tag, "min"); err != nil {
		return err
	}
	if block.Max, err = intTag(f.tag, "max"); err != nil {
		return err
	}
	switch {
	case block.Nesting != NestingSingle:
		return nil
	case block.Min != 0 || block.Max != 0:
		return errors.New("only repeated blocks take min and max: use optional")
	case pointer:
	case !f.optional:
		block.Min = 1
	case block.Label != "":
		return errors.New("is optional and has a label: use a pointer")
	default:
		block.Implied = true
	}
	return nil
}

func (f field) toAttribute(outer []reflect.Type) (Attribute, error) {
	a, err := attributeType(f.typ, f.kind, outer)
	if err != nil {
		return a, err
	}
	a.Name = f.name
	a.Sensitive = a.Sensitive || f.sensitive
	a.Doc, a.Deprecated, a.Pattern = f.tag.Get("doc"), f.tag.Get("deprecated"), f.tag.Get("pattern")
	a.Was, a.OneOf = words(f.tag.Get("was")), words(f.tag.Get("oneof"))
	if a.Min, err = f.limit("min", a.Kind, a.Type); err != nil {
		return a, err
	}
	if a.Max, err = f.limit("max", a.Kind, a.Type); err != nil {
		return a, err
	}
	text, hasDefault := f.tag.Lookup("default")
	if hasDefault {
		if a.Default, err = defaultJSON(text, a.Type); err != nil {
			return a, err
		}
	}
	a.Required = !f.optional && !hasDefault && f.typ.Kind() != reflect.Pointer
	return a, nil
}

// attributeType finds the type, kind and fields of an attribute.
func attributeType(t reflect.Type, kind Kind, outer []reflect.Type) (Attribute, error) {
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	a := Attribute{Sensitive: sensitiveType(t)}
	switch {
	case isAny(t):
		a.Type, a.Kind = cty.DynamicPseudoType, KindAny
	case t == typeDuration:
		a.Type, a.Kind = cty.String, KindDuration
	case t == typeTime:
		a.Type, a.Kind = cty.String, KindTime
	case t == typeURL:
		a.Type, a.Kind = cty.String, KindURL
	case fromText(t):
		a.Type, a.Kind = cty.String, KindText
	case kind == KindBytes && goIntKind(t.Kind()) != "":
		a.Type, a.Kind = cty.String, KindBytes
	case t.Kind() == reflect.String:
		a.Type = cty.String
	case t.Kind() == reflect.Bool:
		a.Type = cty.Bool
	case goIntKind(t.Kind()) != "":
		a.Type, a.Kind = cty.Number, goIntKind(t.Kind())
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		a.Type, a.Kind = cty.Number, KindFloat
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return a, errors.New("bytes have no form in a configuration: use a string, or a type with UnmarshalText")
	case t.Kind() == reflect.Slice:
		return elementType(t, kind, outer, cty.List)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && !fromText(t.Key()):
		return elementType(t, kind, outer, cty.Map)
	case t.Kind() == reflect.Struct:
		return objectType(t, outer)
	case pointer && t.Kind() == reflect.Pointer:
		return a, errors.New("a pointer to a pointer says nothing more than a pointer")
	default:
		return a, fmt.Errorf("the type %s cannot be configured", t)
	}
	if kind == KindURL && a.Type == cty.String && (a.Kind == KindPlain || a.Kind == KindText) {
		a.Kind = KindURL
	}
	if kind != KindPlain && a.Kind != kind {
		return a, fmt.Errorf("the kind %q does not fit the type %s", kind, t)
	}
	return a, nil
}

// elementType is the attribute of a list or map type t. With "any" inside, the
// elements may differ in type, which only the type "any" as a whole allows.
func elementType(t reflect.Type, kind Kind, outer []reflect.Type, collection func(cty.Type) cty.Type) (Attribute, error) {
	if slices.Contains(outer, t) {
		return Attribute{}, fmt.Errorf("%s contains itself", t)
	}
	a, err := attributeType(t.Elem(), kind, append(outer[:len(outer):len(outer)], t))
	if err != nil {
		return a, err
	}
	if a.Type.HasDynamicTypes() {
		return Attribute{Type: cty.DynamicPseudoType, Kind: KindAny, Sensitive: a.Sensitive}, nil
	}
	a.Type = collection(a.Type)
	return a, nil
}

func objectType(t reflect.Type, outer []reflect.Type) (Attribute, error) {
	body, label, err := bodyOf(t, outer)
	switch {
	case err != nil:
		return Attribute{}, err
	case label != "" || len(body.Blocks) > 0:
		return Attribute{}, fmt.Errorf("%s has blocks or a label in it, so it must be a block: add the option block", t)
	case len(body.Attributes) == 0:
		return Attribute{}, fmt.Errorf("%s has no fields to configure", t)
	}
	types := map[string]cty.Type{}
	var optional []string
	for _, f := range body.Attributes {
		types[f.Name] = f.Type
		if !f.Required {
			optional = append(optional, f.Name)
		}
	}
	return Attribute{Type: cty.ObjectWithOptionalAttrs(types, optional), Fields: body.Attributes}, nil
}

func goIntKind(k reflect.Kind) Kind {
	switch k {
	case reflect.Int8:
		return KindInt8
	case reflect.Int16:
		return KindInt16
	case reflect.Int32:
		return KindInt32
	case reflect.Int, reflect.Int64:
		return KindInt
	case reflect.Uint8:
		return KindUint8
	case reflect.Uint16:
		return KindUint16
	case reflect.Uint32:
		return KindUint32
	case reflect.Uint, reflect.Uint64:
		return KindUint
	}
	return ""
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Fields(s)
}

func intTag(tag reflect.StructTag, name string) (int, error) {
	text, ok := tag.Lookup(name)
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("the %s %q is no whole number", name, text)
	}
	return n, nil
}

// floatTag reads a tag as a number.
func floatTag(tag reflect.StructTag, name string) (*float64, error) {
	text, ok := tag.Lookup(name)
	if !ok {
		return nil, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, fmt.Errorf("the %s %q is no number", name, text)
	}
	return &n, nil
}

// limit reads a min or max tag in the attribute's own form.
func (f field) limit(tag string, kind Kind, typ cty.Type) (*float64, error) {
	text, ok := f.tag.Lookup(tag)
	if !ok {
		return nil, nil
	}
	var limit float64
	var err error
	switch {
	case typ == cty.Bool || typ == cty.DynamicPseudoType || typ.IsObjectType():
		return nil, fmt.Errorf("a %s is no bound for %s", tag, typ.FriendlyName())
	case kind == KindDuration && typ == cty.String:
		d, parseErr := ParseDuration(text)
		limit, err = d.Seconds(), parseErr
	case kind == KindBytes && typ == cty.String:
		n, parseErr := ParseBytes(text)
		limit, err = float64(n), parseErr
	default:
		return floatTag(f.tag, tag)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", tag, err)
	}
	return &limit, nil
}

// defaultJSON writes the text of a default tag as JSON: texts and numbers
// stand in the tag as they are, lists and maps as JSON.
func defaultJSON(text string, typ cty.Type) (json.RawMessage, error) {
	if typ == cty.String {
		data, err := json.Marshal(text)
		if err != nil {
			return nil, fmt.Errorf("read default: %w", err)
		}
		return data, nil
	}
	var compact json.RawMessage
	if err := json.Unmarshal([]byte(text), &compact); err != nil {
		return nil, fmt.Errorf("the default %q is no %s: write it as JSON", text, typ.FriendlyName())
	}
	return json.Marshal(compact)
}
