package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typeTime     = reflect.TypeFor[time.Time]()
	typeURL      = reflect.TypeFor[url.URL]()
	typeCty      = reflect.TypeFor[cty.Value]()
	typeRawJSON  = reflect.TypeFor[json.RawMessage]()
	typeFromText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// field is one field of an author's struct that takes part in the schema.
type field struct {
	goName string
	typ    reflect.Type
	tag    reflect.StructTag
	index  []int // for reflect.Value.FieldByIndex

	name      string
	kind      Kind // from the kind tag: "bytes", "url" or ""
	optional  bool
	label     bool
	block     bool
	sensitive bool
}

// fieldsOf lists the fields of a struct in source order, those of embedded
// structs in their place. It reports every bad tag.
func fieldsOf(t reflect.Type) ([]field, error) {
	var fields []field
	var errs []error
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("task")
		switch {
		case tag == "-":
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			inner, err := fieldsOf(f.Type)
			if err != nil {
				errs = append(errs, err)
			}
			for _, in := range inner {
				in.index = append([]int{i}, in.index...)
				fields = append(fields, in)
			}
		case !f.IsExported() && tagged:
			errs = append(errs, fmt.Errorf("field %s: has a task tag but is not exported", f.Name))
		case !f.IsExported():
		case !tagged:
			errs = append(errs, fmt.Errorf("field %s: has no task tag: give it a name with `task:\"…\"`, or leave it out with `task:\"-\"`", f.Name))
		default:
			field, err := parseField(f, tag)
			if err != nil {
				errs = append(errs, fmt.Errorf("field %s: %w", f.Name, err))
				continue
			}
			fields = append(fields, field)
		}
	}
	return fields, errors.Join(errs...)
}

var fieldOptions = []string{"optional", "label", "block", "sensitive"}

func parseField(f reflect.StructField, tag string) (field, error) {
	name, rest, _ := strings.Cut(tag, ",")
	out := field{goName: f.Name, typ: f.Type, tag: f.Tag, index: []int{f.Index[0]}, name: name}
	if !validName.MatchString(name) {
		return out, fmt.Errorf("the name %q in the task tag must match %s", name, validName)
	}
	var options []string
	if rest != "" {
		options = strings.Split(rest, ",")
	}
	for _, option := range options {
		switch option {
		case "optional":
			out.optional = true
		case "label":
			out.label = true
		case "block":
			out.block = true
		case "sensitive":
			out.sensitive = true
		default:
			return out, unknownWord("option", option, fieldOptions)
		}
	}
	if kind, ok := f.Tag.Lookup("kind"); ok {
		out.kind = Kind(kind)
		if kinds := []string{string(KindBytes), string(KindURL)}; !slices.Contains(kinds, kind) {
			return out, unknownWord("kind", kind, kinds)
		}
	}
	if out.label && (out.block || out.sensitive || out.optional) {
		return out, errors.New("a label is always required and always shown, and is no block: it takes no other option")
	}
	if out.block && out.sensitive {
		return out, errors.New("a block cannot be sensitive: mark the attributes in it")
	}
	return out, nil
}

func unknownWord(what, word string, known []string) error {
	var hint string
	if near, ok := Nearest(word, known); ok {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Errorf("unknown %s %q%s: there are %s", what, word, hint, quoteAll(known))
}

// fromText reports whether a type reads itself from a text.
func fromText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(typeFromText)
}

// sensitiveType reports whether the type says so itself, by a method
// Sensitive() bool, as task.Secret does.
func sensitiveType(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	s, ok := reflect.New(t).Interface().(interface{ Sensitive() bool })
	return ok && s.Sensitive()
}

// isAny reports whether a type takes any value.
func isAny(t reflect.Type) bool {
	return t == typeCty || t == typeRawJSON || (t.Kind() == reflect.Interface && t.NumMethod() == 0)
}
