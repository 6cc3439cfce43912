package schema

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// Decoded is a configuration that [Body.Decode] has read.
type Decoded struct {
	// Value has the schema's type and carries no marks. It holds the sensitive
	// values in the clear: show Redacted instead.
	Value cty.Value
	// Sensitive are the paths of the values that must not be shown: those that
	// the schema calls sensitive, and those that came from marked values.
	Sensitive []cty.Path
	// Unknown are the paths of the values that are not known yet. A
	// configuration with unknown values cannot be sent.
	Unknown []cty.Path
}

// hidden stands in for a sensitive value.
const hidden = "***"

// notKnown stands in for an unknown value.
const notKnown = "(not known yet)"

// decoded separates the value from its marks and finds the paths.
func (b Body) decoded(value cty.Value) Decoded {
	value, marked := value.UnmarkDeepWithPaths()
	d := Decoded{Value: value}
	for _, m := range marked {
		d.Sensitive = append(d.Sensitive, m.Path)
	}
	b.sensitive(value, nil, &d.Sensitive)
	d.findUnknown(value, nil)
	return d
}

// findUnknown collects the outermost unknown values.
func (d *Decoded) findUnknown(value cty.Value, path cty.Path) {
	switch {
	case !value.IsKnown():
		d.Unknown = append(d.Unknown, path.Copy())
	case value.IsNull() || value.Type().IsPrimitiveType():
	case value.CanIterateElements():
		for it := value.ElementIterator(); it.Next(); {
			key, element := it.Element()
			d.findUnknown(element, childPath(path, value.Type(), key))
		}
	}
}

// sensitive collects the paths of the values that the schema calls so.
func (b Body) sensitive(value cty.Value, path cty.Path, found *[]cty.Path) {
	if !value.IsKnown() || value.IsNull() || !value.Type().IsObjectType() {
		return
	}
	for _, a := range b.Attributes {
		if value.Type().HasAttribute(a.Name) {
			a.sensitive(value.GetAttr(a.Name), path.Copy().GetAttr(a.Name), found)
		}
	}
	for _, block := range b.Blocks {
		if !value.Type().HasAttribute(block.Name) {
			continue
		}
		inner, below := value.GetAttr(block.Name), path.Copy().GetAttr(block.Name)
		if block.Nesting == NestingSingle {
			block.Body.sensitive(inner, below, found)
			continue
		}
		eachElement(inner, below, func(element cty.Value, at cty.Path) {
			block.Body.sensitive(element, at, found)
		})
	}
}

func (a Attribute) sensitive(value cty.Value, path cty.Path, found *[]cty.Path) {
	switch {
	case value.IsNull():
	case a.Sensitive:
		*found = append(*found, path)
	case len(a.Fields) == 0 || !value.IsKnown():
	case value.Type().IsObjectType():
		for _, f := range a.Fields {
			if value.Type().HasAttribute(f.Name) {
				f.sensitive(value.GetAttr(f.Name), path.Copy().GetAttr(f.Name), found)
			}
		}
	default:
		eachElement(value, path, func(element cty.Value, at cty.Path) {
			a.sensitive(element, at, found)
		})
	}
}

// eachElement calls f for the elements of a known collection.
func eachElement(value cty.Value, path cty.Path, f func(cty.Value, cty.Path)) {
	if !value.IsKnown() || value.IsNull() || !value.CanIterateElements() {
		return
	}
	for it := value.ElementIterator(); it.Next(); {
		key, element := it.Element()
		f(element, childPath(path, value.Type(), key))
	}
}

// childPath is the path of the element of a value of type typ.
func childPath(path cty.Path, typ cty.Type, key cty.Value) cty.Path {
	if typ.IsObjectType() {
		return path.Copy().GetAttr(key.AsString())
	}
	return path.Copy().Index(key)
}

// Msgpack is the form in which the configuration travels to the plugin, which
// reads it with [Unmarshal] and the same schema. Unknown values are an error
// that names the first of them.
func (d Decoded) Msgpack(b Body) ([]byte, error) {
	if len(d.Unknown) > 0 {
		return nil, fmt.Errorf("encode configuration: the value of %s is not known", pathName(PathOf(d.Unknown[0])))
	}
	data, err := msgpack.Marshal(d.Value, b.CtyType())
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	return data, nil
}

// Redacted is the value as it may be shown: each sensitive value is the text
// "***" and each unknown one "(not known yet)". Lists and maps become tuples
// and objects, since their elements no longer have one type.
func (d Decoded) Redacted() cty.Value {
	if d.Value == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return redact(d.Value, nil, cty.NewPathSet(d.Sensitive...))
}

func redact(value cty.Value, path cty.Path, secret cty.PathSet) cty.Value {
	switch {
	case value.IsNull():
		return value
	case secret.Has(path):
		return cty.StringVal(hidden)
	case !value.IsKnown():
		return cty.StringVal(notKnown)
	case !value.CanIterateElements():
		return value
	}
	typ := value.Type()
	named := map[string]cty.Value{}
	var listed []cty.Value
	for it := value.ElementIterator(); it.Next(); {
		key, element := it.Element()
		element = redact(element, childPath(path, typ, key), secret)
		if typ.IsObjectType() || typ.IsMapType() {
			named[key.AsString()] = element
		} else {
			listed = append(listed, element)
		}
	}
	if typ.IsObjectType() || typ.IsMapType() {
		return cty.ObjectVal(named)
	}
	return cty.TupleVal(listed)
}

// RedactedJSON is Redacted as plain JSON.
func (d Decoded) RedactedJSON() (json.RawMessage, error) {
	data, err := ctyjson.SimpleJSONValue{Value: d.Redacted()}.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode configuration for display: %w", err)
	}
	return data, nil
}

// pathName is FormatPath, with a word for the whole.
func pathName(path []PathStep) string {
	if len(path) == 0 {
		return "the configuration"
	}
	return FormatPath(path)
}
