package schema

import (
	"bytes"
	"encoding/json"
	"math/big"
)

// jsonSchema is the part of JSON Schema 2020-12 that a Value needs.
type jsonSchema struct {
	Schema      string                `json:"$schema,omitempty"`
	Ref         string                `json:"$ref,omitempty"`
	Type        any                   `json:"type,omitempty"` // a name, or a list with "null"
	AnyOf       []jsonSchema          `json:"anyOf,omitempty"`
	Description string                `json:"description,omitempty"`
	Deprecated  bool                  `json:"deprecated,omitempty"`
	WriteOnly   bool                  `json:"writeOnly,omitempty"`
	Format      string                `json:"format,omitempty"`
	Encoding    string                `json:"contentEncoding,omitempty"`
	Enum        []any                 `json:"enum,omitempty"`
	Pattern     string                `json:"pattern,omitempty"`
	Minimum     json.Number           `json:"minimum,omitempty"`
	Maximum     json.Number           `json:"maximum,omitempty"`
	MinLength   json.Number           `json:"minLength,omitempty"`
	MaxLength   json.Number           `json:"maxLength,omitempty"`
	MinItems    json.Number           `json:"minItems,omitempty"`
	MaxItems    json.Number           `json:"maxItems,omitempty"`
	MinProps    json.Number           `json:"minProperties,omitempty"`
	MaxProps    json.Number           `json:"maxProperties,omitempty"`
	Items       *jsonSchema           `json:"items,omitempty"`
	Properties  *jsonProperties       `json:"properties,omitempty"`
	Required    []string              `json:"required,omitempty"`
	Additional  any                   `json:"additionalProperties,omitempty"` // false, or a schema
	Defs        map[string]jsonSchema `json:"$defs,omitempty"`
}

// jsonProperties keeps the order of the fields, which a form shows them in.
type jsonProperties []jsonProperty

type jsonProperty struct {
	name   string
	schema jsonSchema
}

// MarshalJSON writes an object in the order of the fields.
func (p jsonProperties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, property := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(property.name)
		if err != nil {
			return nil, err
		}
		schema, err := json.Marshal(property.schema)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(schema)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// JSONSchema is the description as JSON Schema 2020-12, for forms and
// documents. Properties stand in the order of the fields. It accepts what
// [Value.Check] accepts, as far as the language can say it.
func (v Value) JSONSchema() json.RawMessage {
	schema := v.jsonSchema()
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	for name, def := range v.Defs {
		if schema.Defs == nil {
			schema.Defs = map[string]jsonSchema{}
		}
		schema.Defs[name] = def.jsonSchema()
	}
	text, err := json.Marshal(schema)
	if err != nil {
		// Every part is made here of texts and finite numbers.
		return json.RawMessage("{}")
	}
	return text
}

func (v Value) jsonSchema() jsonSchema {
	s := jsonSchema{Description: v.Doc, Deprecated: v.Deprecated != "", WriteOnly: v.Sensitive, Pattern: v.Pattern}
	if v.Deprecated != "" {
		s.Description = joinSentences(v.Doc, "Deprecated: "+v.Deprecated)
	}
	if v.Ref != "" {
		ref := jsonSchema{Ref: "#/$defs/" + v.Ref}
		if v.Nullable {
			s.AnyOf = []jsonSchema{ref, {Type: "null"}}
		} else {
			s.Ref = ref.Ref
		}
		return s
	}
	lo, hi := bound(v.Min), bound(v.Max)
	switch v.Type {
	case ValueAny:
		return s
	case ValueObject:
		s.fields(v.Fields)
	case ValueMap:
		s.Additional, s.MinProps, s.MaxProps = v.Elem.jsonSchema(), lo, hi
	case ValueArray:
		items := v.Elem.jsonSchema()
		s.Items, s.MinItems, s.MaxItems = &items, lo, hi
	case ValueString:
		s.MinLength, s.MaxLength = lo, hi
		s.text(v.Kind)
	case ValueInteger, ValueNumber:
		s.Minimum, s.Maximum = lo, hi
		s.integer(v.Kind)
	}
	typ := string(v.Type)
	if v.Type == ValueMap {
		typ = string(ValueObject)
	}
	s.Type = typ
	if v.Nullable {
		s.Type = []string{typ, "null"}
	}
	for _, allowed := range v.OneOf {
		s.Enum = append(s.Enum, enumValue(allowed, v.Type))
	}
	if len(s.Enum) > 0 && v.Nullable {
		s.Enum = append(s.Enum, nil)
	}
	return s
}

func (s *jsonSchema) fields(fields []ValueField) {
	s.Additional = false
	s.Properties = &jsonProperties{}
	for _, f := range fields {
		*s.Properties = append(*s.Properties, jsonProperty{f.Name, f.Value.jsonSchema()})
		if f.Required {
			s.Required = append(s.Required, f.Name)
		}
	}
}

func (s *jsonSchema) text(kind Kind) {
	switch kind {
	case KindTime:
		s.Format = "date-time"
	case KindURL:
		s.Format = "uri"
	case KindBase64:
		s.Encoding = "base64"
	}
}

// integer narrows the bounds to those of the kind. The bounds of 64 bits are
// left out, since few readers have numbers that hold them.
func (s *jsonSchema) integer(kind Kind) {
	lo, hi, ok := kind.intRange()
	if !ok {
		return
	}
	limit := big.NewInt(1 << 53)
	if s.Minimum == "" && lo.CmpAbs(limit) < 0 {
		s.Minimum = json.Number(lo.String())
	}
	if s.Maximum == "" && hi.CmpAbs(limit) < 0 {
		s.Maximum = json.Number(hi.String())
	}
}

func bound(limit *float64) json.Number {
	if limit == nil {
		return ""
	}
	return json.Number(formatNumber(*limit))
}

// enumValue is an accepted value in the type that it has in the message.
func enumValue(text string, typ ValueType) any {
	if (typ == ValueInteger || typ == ValueNumber) && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}

func joinSentences(first, second string) string {
	if first == "" {
		return second
	}
	return first + ". " + second
}
