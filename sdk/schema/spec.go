package schema

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// Spec is the schema for hcldec. Decoding with it checks types, required
// attributes (null is refused), kinds and constraints, and fills in defaults.
// What only [Body.Decode] adds are hints for unknown names, warnings, the
// order of the diagnostics and the sensitive paths. The schema must be valid.
func (b Body) Spec() hcldec.Spec {
	return b.spec("")
}

// CtyType is the type of the values that the schema decodes to.
func (b Body) CtyType() cty.Type {
	return b.objectType("").WithoutOptionalAttributesDeep()
}

// objectType is the type that spec(label) implies, found without building it.
func (b Body) objectType(label string) cty.Type {
	types := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks)+1)
	if label != "" {
		types[label] = cty.String
	}
	for _, a := range b.Attributes {
		types[a.Name] = a.Type
	}
	for _, block := range b.Blocks {
		types[block.Name] = block.ctyType()
	}
	return cty.Object(types)
}

// ctyType is the type of all blocks of this schema together. Lists and maps
// need elements of one type, which "any" somewhere inside does not give; they
// are tuples and objects then.
func (b Block) ctyType() cty.Type {
	if b.Nesting == NestingMap {
		if nested := b.Body.objectType(""); !nested.HasDynamicTypes() {
			return cty.Map(nested)
		}
		return cty.DynamicPseudoType
	}
	nested := b.Body.objectType(b.Label)
	switch {
	case b.Nesting != NestingList:
		return nested
	case nested.HasDynamicTypes():
		return cty.DynamicPseudoType
	}
	return cty.List(nested)
}

// spec is the Spec of a body in a block whose label is an attribute, too.
func (b Body) spec(label string) hcldec.Spec {
	object := make(hcldec.ObjectSpec, len(b.Attributes)+len(b.Blocks)+1)
	if label != "" {
		object[label] = &hcldec.BlockLabelSpec{Index: 0, Name: label}
	}
	for _, a := range b.Attributes {
		object[a.Name] = a.spec()
	}
	for _, block := range b.Blocks {
		object[block.Name] = block.spec()
	}
	return object
}

// spec wraps the plain attribute in its checks, and those in the default: the
// other way round, the checks would see an absent value as null. hcldec's own
// Required is not used: it lets null pass, and knows no former names.
func (a Attribute) spec() hcldec.Spec {
	spec := a.checked(a.Name)
	for _, was := range a.Was {
		spec = &hcldec.DefaultSpec{Primary: spec, Default: a.checked(was)}
	}
	if a.Required {
		spec = &hcldec.ValidateSpec{Wrapped: spec, Func: a.checkGiven}
	}
	if a.Default != nil {
		value, err := a.defaultValue()
		if err == nil {
			spec = &hcldec.DefaultSpec{Primary: spec, Default: &hcldec.LiteralSpec{Value: value}}
		}
	}
	return spec
}

// checkGiven refuses null, which also is what an absent attribute decodes to.
func (a Attribute) checkGiven(value cty.Value) hcl.Diagnostics {
	if !value.IsNull() {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Missing required attribute",
		Detail:   fmt.Sprintf("%q is required: give it a value other than null.", a.Name),
	}}
}

// checked is the attribute under one of its names, with the checks of its
// value.
func (a Attribute) checked(name string) hcldec.Spec {
	a.Required = false // of all the names together, not of this one
	return &hcldec.ValidateSpec{
		Wrapped: &hcldec.AttrSpec{Name: name, Type: a.Type},
		Func: func(value cty.Value) hcl.Diagnostics {
			var diags hcl.Diagnostics
			for _, wrong := range a.wrong(value) {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "Invalid value",
					Detail:   fmt.Sprintf("%s: %s.", FormatPath(append([]PathStep{Attr(name)}, wrong.path...)), wrong.text),
				})
			}
			return diags
		},
	}
}

func (b Block) spec() hcldec.Spec {
	if b.Nesting == NestingMap {
		return b.mapSpec()
	}
	nested := b.Body.spec(b.Label)
	switch {
	case b.Nesting == NestingList && b.ctyType() == cty.DynamicPseudoType:
		return &hcldec.BlockTupleSpec{TypeName: b.Name, Nested: nested, MinItems: b.Min, MaxItems: b.Max}
	case b.Nesting == NestingList:
		return &hcldec.BlockListSpec{TypeName: b.Name, Nested: nested, MinItems: b.Min, MaxItems: b.Max}
	}
	single := &hcldec.BlockSpec{TypeName: b.Name, Nested: nested, Required: b.Min > 0}
	if b.Implied {
		return &hcldec.DefaultSpec{Primary: single, Default: &hcldec.LiteralSpec{Value: b.Body.empty()}}
	}
	return single
}

func (b Block) mapSpec() hcldec.Spec {
	nested := b.Body.spec("")
	labels := []string{b.Label}
	var spec hcldec.Spec = &hcldec.BlockMapSpec{TypeName: b.Name, LabelNames: labels, Nested: nested}
	if b.ctyType() == cty.DynamicPseudoType {
		spec = &hcldec.BlockObjectSpec{TypeName: b.Name, LabelNames: labels, Nested: nested}
	}
	if b.Min == 0 && b.Max == 0 {
		return spec
	}
	return &hcldec.ValidateSpec{Wrapped: spec, Func: func(value cty.Value) hcl.Diagnostics {
		value, _ = value.Unmark()
		if !value.IsKnown() || value.IsNull() {
			return nil
		}
		n := value.LengthInt()
		if n >= b.Min && (b.Max == 0 || n <= b.Max) {
			return nil
		}
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  fmt.Sprintf("Wrong number of %s blocks", b.Name),
			Detail:   fmt.Sprintf("%s are allowed here, not %d.", b.count(), n),
		}}
	}}
}

// count says in words how many blocks may stand there.
func (b Block) count() string {
	switch {
	case b.Max == 0:
		return fmt.Sprintf("At least %d %q blocks", b.Min, b.Name)
	case b.Min == 0:
		return fmt.Sprintf("At most %d %q blocks", b.Max, b.Name)
	}
	return fmt.Sprintf("From %d to %d %q blocks", b.Min, b.Max, b.Name)
}

// empty is what an empty body decodes to when nothing in it is required.
func (b Body) empty() cty.Value {
	values := make(map[string]cty.Value, len(b.Attributes)+len(b.Blocks))
	for _, a := range b.Attributes {
		value, err := a.defaultValue()
		if err != nil {
			value = cty.NullVal(a.Type.WithoutOptionalAttributesDeep())
		}
		values[a.Name] = value
	}
	for _, block := range b.Blocks {
		typ := block.ctyType().WithoutOptionalAttributesDeep()
		dynamic := typ == cty.DynamicPseudoType
		switch {
		case block.Implied:
			values[block.Name] = block.Body.empty()
		case block.Nesting == NestingList && dynamic:
			values[block.Name] = cty.EmptyTupleVal
		case block.Nesting == NestingMap && dynamic:
			values[block.Name] = cty.EmptyObjectVal
		case block.Nesting == NestingList:
			values[block.Name] = cty.ListValEmpty(typ.ElementType())
		case block.Nesting == NestingMap:
			values[block.Name] = cty.MapValEmpty(typ.ElementType())
		default:
			values[block.Name] = cty.NullVal(typ)
		}
	}
	return cty.ObjectVal(values)
}
