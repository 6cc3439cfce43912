package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Value describes a JSON value: a job's input or result, a method's argument
// or reply, a queue's message. It is derived from the Go type that
// encoding/json reads and writes ([ValueOf]) and travels as JSON. The zero
// Value describes any value.
type Value struct {
	Type     ValueType `json:"type,omitempty"`
	Kind     Kind      `json:"kind,omitempty"`
	Nullable bool      `json:"nullable,omitempty"` // null is accepted
	// Sensitive values are never quoted in a problem.
	Sensitive  bool     `json:"sensitive,omitempty"`
	Doc        string   `json:"doc,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	OneOf      []string `json:"one_of,omitempty"`  // as in Attribute
	Min        *float64 `json:"min,omitempty"`     // of a number; characters of a text; elements of an array or map
	Max        *float64 `json:"max,omitempty"`     // likewise
	Pattern    string   `json:"pattern,omitempty"` // as in Attribute

	Fields []ValueField `json:"fields,omitempty"` // of an object, in source order
	Elem   *Value       `json:"elem,omitempty"`   // of an array or a map

	// Ref names one of the outermost value's Defs: a type that contains
	// itself.
	Ref  string           `json:"ref,omitempty"`
	Defs map[string]Value `json:"defs,omitempty"`
}

// ValueField is one field of an object.
type ValueField struct {
	Name     string `json:"name"`
	Required bool   `json:"required,omitempty"`
	Value    Value  `json:"value"`
}

// ValueType is what stands in the JSON text.
type ValueType string

// The value types. The empty one is any value.
const (
	ValueAny     ValueType = ""
	ValueObject  ValueType = "object" // exactly the Fields
	ValueMap     ValueType = "map"    // an object with any names
	ValueArray   ValueType = "array"
	ValueString  ValueType = "string"
	ValueNumber  ValueType = "number"
	ValueInteger ValueType = "integer"
	ValueBool    ValueType = "boolean"
)

// ValueOf describes the JSON form of T as encoding/json has it. Structs are
// objects with the names of their json tags (or the field names); a field is
// required unless it is a pointer, has omitempty or omitzero, or the option
// optional in its task tag, which may also say sensitive but gives no other
// name. The tags doc, deprecated,
// oneof, min, max and pattern are as for [Of]; there are no defaults. A
// [time.Duration] is what encoding/json makes of it, a number of nanoseconds.
func ValueOf[T any]() (Value, error) {
	return ValueOfType(reflect.TypeFor[T]())
}

// ValueOfType is [ValueOf] for a type known at run time.
func ValueOfType(t reflect.Type) (Value, error) {
	r := valueReader{names: map[reflect.Type]string{}, open: map[reflect.Type]bool{}, defs: map[string]Value{}}
	v, err := r.read(t)
	if err == nil {
		v.Defs = nil
		if len(r.defs) > 0 {
			v.Defs = r.defs
		}
		err = v.Validate()
	}
	if err != nil {
		return Value{}, fmt.Errorf("read message type %s: %w", t, err)
	}
	return v, nil
}

var (
	typeFromJSON = reflect.TypeFor[json.Unmarshaler]()
	typeToJSON   = reflect.TypeFor[json.Marshaler]()
	typeToText   = reflect.TypeFor[encoding.TextMarshaler]()
	typeNumber   = reflect.TypeFor[json.Number]()
)

// valueReader turns Go types into values. A struct that is met again while it
// is still open contains itself; it becomes a definition, and its uses refer
// to it.
type valueReader struct {
	open  map[reflect.Type]bool   // structs being read
	names map[reflect.Type]string // names of those that contain themselves
	defs  map[string]Value
	depth int
}

func implements(t, what reflect.Type) bool {
	return t.Implements(what) || reflect.PointerTo(t).Implements(what)
}

func (r valueReader) read(t reflect.Type) (Value, error) {
	// The receiver is a copy: the depth is that of this type alone.
	if r.depth++; r.depth > maxValueNesting {
		return Value{}, fmt.Errorf("nests deeper than %d", maxValueNesting)
	}
	if t.Kind() == reflect.Pointer {
		v, err := r.read(t.Elem())
		v.Nullable = true
		return v, err
	}
	v := Value{Sensitive: sensitiveType(t)}
	kind := t.Kind()
	switch {
	case t == typeCty:
		return v, errors.New("a cty.Value has no JSON form: use any or json.RawMessage")
	case t == typeRawJSON || kind == reflect.Interface:
		v.Nullable = true
	case t == typeTime:
		v.Type, v.Kind = ValueString, KindTime
	case t == typeNumber:
		v.Type = ValueNumber
	case v.Sensitive && kind == reflect.String:
		// A secret writes itself as "***", by whichever method; what it reads
		// is a text.
		v.Type, v.Kind = ValueString, KindText
	case implements(t, typeFromJSON) || implements(t, typeToJSON):
		v.Nullable = true // only the type itself knows what it accepts
	case implements(t, typeFromText) || implements(t, typeToText):
		v.Type, v.Kind = ValueString, KindText
	case kind == reflect.String:
		v.Type = ValueString
	case kind == reflect.Bool:
		v.Type = ValueBool
	case goIntKind(kind) != "":
		v.Type, v.Kind = ValueInteger, goIntKind(kind)
	case kind == reflect.Float32 || kind == reflect.Float64:
		v.Type, v.Kind = ValueNumber, KindFloat
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		v.Type, v.Kind, v.Nullable = ValueString, KindBase64, true
	case kind == reflect.Slice || kind == reflect.Array || kind == reflect.Map:
		return r.readElements(t)
	case kind == reflect.Struct:
		return r.readStruct(t)
	default:
		return v, fmt.Errorf("the type %s has no JSON form", t)
	}
	return v, nil
}

func (r valueReader) readElements(t reflect.Type) (Value, error) {
	v := Value{Type: ValueArray, Nullable: t.Kind() == reflect.Slice}
	if t.Kind() == reflect.Map {
		v = Value{Type: ValueMap, Nullable: true}
		if k := t.Key(); k.Kind() != reflect.String && goIntKind(k.Kind()) == "" && !implements(k, typeFromText) {
			return v, fmt.Errorf("the type %s has no JSON form: its keys are no texts", t)
		}
	}
	elem, err := r.read(t.Elem())
	v.Elem = &elem
	return v, err
}

func (r valueReader) readStruct(t reflect.Type) (Value, error) {
	if name := r.names[t]; name != "" {
		return Value{Ref: name}, nil
	}
	if r.open[t] {
		name := r.newName(t)
		r.names[t] = name
		return Value{Ref: name}, nil
	}
	r.open[t] = true
	defer delete(r.open, t)
	fields, err := r.fields(t)
	v := Value{Type: ValueObject, Fields: fields}
	if name := r.names[t]; name != "" {
		r.defs[name] = v
		return Value{Ref: name}, err
	}
	return v, err
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// newName is a name for a definition that no other has.
func (r valueReader) newName(t reflect.Type) string {
	base := notInName.ReplaceAllString(t.Name(), "_")
	name := base
	for n := 2; slices.Contains(slices.Collect(maps.Values(r.names)), name); n++ {
		name = fmt.Sprintf("%s%d", base, n)
	}
	return name
}

func (r valueReader) fields(t reflect.Type) ([]ValueField, error) {
	if r.depth++; r.depth > maxValueNesting {
		return nil, fmt.Errorf("nests deeper than %d", maxValueNesting)
	}
	var fields, embedded []ValueField
	var errs []error
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" || (tag == "" && f.Tag.Get("task") == "-") {
			continue
		}
		if inner := indirect(f.Type); f.Anonymous && name == "" && inner.Kind() == reflect.Struct && !implements(inner, typeFromJSON) && !implements(inner, typeFromText) {
			promoted, err := r.fields(inner)
			if err != nil {
				errs = append(errs, err)
			}
			for j := range promoted {
				promoted[j].Required = promoted[j].Required && f.Type.Kind() != reflect.Pointer
			}
			embedded = append(embedded, promoted...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		field, err := r.field(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", f.Name, err))
			continue
		}
		fields = append(fields, field)
	}
	// As in Go, an outer field hides a promoted one of its name.
	for _, p := range embedded {
		if !slices.ContainsFunc(fields, func(f ValueField) bool { return f.Name == p.Name }) {
			fields = append(fields, p)
		}
	}
	return fields, errors.Join(errs...)
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func (r valueReader) field(f reflect.StructField) (ValueField, error) {
	out := ValueField{Required: f.Type.Kind() != reflect.Pointer}
	jsonName, jsonOptions, _ := strings.Cut(f.Tag.Get("json"), ",")
	taskName, taskOptions, _ := strings.Cut(f.Tag.Get("task"), ",")
	sensitive := false
	for _, option := range strings.Split(jsonOptions, ",") {
		switch option {
		case "omitempty", "omitzero":
			out.Required = false
		case "string":
			return out, errors.New(`the json option "string" is not supported: change the type`)
		}
	}
	for _, option := range strings.Split(taskOptions, ",") {
		switch option {
		case "":
		case "optional":
			out.Required = false
		case "sensitive":
			sensitive = true
		default:
			return out, unknownWord("option", option, []string{"optional", "sensitive"})
		}
	}
	for _, tag := range []string{"default", "was", "kind"} {
		if _, ok := f.Tag.Lookup(tag); ok {
			return out, fmt.Errorf("a message takes no %s tag: encoding/json knows nothing of it", tag)
		}
	}
	if out.Name = jsonName; out.Name == "" {
		out.Name = f.Name
	}
	if taskName != "" && taskName != out.Name {
		return out, fmt.Errorf("encoding/json calls it %q, not %q: add `json:%q`", out.Name, taskName, taskName)
	}

	v, err := r.read(f.Type)
	if err != nil {
		return out, err
	}
	v.Sensitive = v.Sensitive || sensitive
	out.Value, err = v.withTags(f)
	return out, err
}

// withTags adds what the field's tags say. Texts and patterns apply to the
// elements of an array or map, as in a configuration.
func (v Value) withTags(f reflect.StructField) (Value, error) {
	v.Doc, v.Deprecated = f.Tag.Get("doc"), f.Tag.Get("deprecated")
	leaf := &v
	for leaf.Elem != nil {
		elem := *leaf.Elem
		leaf.Elem = &elem
		leaf = &elem
	}
	leaf.OneOf, leaf.Pattern = words(f.Tag.Get("oneof")), f.Tag.Get("pattern")
	for _, bound := range []struct {
		tag string
		to  **float64
	}{{"min", &v.Min}, {"max", &v.Max}} {
		limit, err := floatTag(f.Tag, bound.tag)
		if err != nil {
			return v, err
		}
		*bound.to = limit
	}
	return v, nil
}

// Validate finds what is wrong with a description that came from elsewhere:
// unknown types, references to nothing, patterns that do not compile. Nil
// means that all other methods can be relied on.
func (v Value) Validate() error {
	errs := v.validate(v.Defs, 0)
	for name, def := range v.Defs {
		for _, err := range def.validate(v.Defs, 0) {
			errs = append(errs, fmt.Errorf("definition %q: %w", clip(name), err))
		}
	}
	return errors.Join(errs...)
}

// maxValueNesting bounds how deep a description nests without references.
const maxValueNesting = 32

func (v Value) validate(defs map[string]Value, depth int) []error {
	if depth > maxValueNesting {
		return []error{fmt.Errorf("nests deeper than %d", maxValueNesting)}
	}
	var errs []error
	switch v.Type {
	case ValueAny, ValueObject, ValueString, ValueNumber, ValueInteger, ValueBool:
	case ValueArray, ValueMap:
		if v.Elem == nil {
			errs = append(errs, fmt.Errorf("the %s has no element type", v.Type))
		}
	default:
		errs = append(errs, fmt.Errorf("unknown type %q", clip(string(v.Type))))
	}
	if v.Ref != "" {
		if target, ok := defs[v.Ref]; !ok {
			errs = append(errs, fmt.Errorf("refers to %q, which is not defined", clip(v.Ref)))
		} else if target.Ref != "" {
			errs = append(errs, fmt.Errorf("refers to %q, which is itself a reference", clip(v.Ref)))
		}
	}
	if _, err := (constraints{pattern: v.Pattern}).compile(); err != nil {
		errs = append(errs, err)
	}
	seen := map[string]bool{}
	for _, f := range v.Fields {
		if seen[f.Name] {
			errs = append(errs, fmt.Errorf("field %q: the name is used twice", clip(f.Name)))
		}
		seen[f.Name] = true
		for _, err := range f.Value.validate(defs, depth+1) {
			errs = append(errs, fmt.Errorf("field %q: %w", clip(f.Name), err))
		}
	}
	if v.Elem != nil {
		errs = append(errs, v.Elem.validate(defs, depth+1)...)
	}
	return errs
}

func (v Value) constraints() constraints {
	return constraints{kind: v.Kind, oneOf: v.OneOf, min: v.Min, max: v.Max, pattern: v.Pattern}
}
