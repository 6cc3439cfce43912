package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Body is the schema of one configuration block: what may stand in it. Its
// JSON form is what travels between plugin and host, and what `describe`
// prints. A Body that came from elsewhere must pass [Body.Validate] before
// anything else is done with it.
type Body struct {
	Attributes []Attribute `json:"attributes,omitempty"`
	Blocks     []Block     `json:"blocks,omitempty"`
}

// Attribute is the schema of one `name = value`.
type Attribute struct {
	Name string   `json:"name"`
	Type cty.Type `json:"type"` // as cty's type JSON: "string", ["list","number"], …
	Kind Kind     `json:"kind,omitempty"`

	Required bool            `json:"required,omitempty"` // must be given, and not as null
	Default  json.RawMessage `json:"default,omitempty"`  // stands in for an absent or null value
	// Sensitive values are never shown: not in a message, a log or the API.
	Sensitive  bool     `json:"sensitive,omitempty"`
	Doc        string   `json:"doc,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"` // what to use instead; using the attribute is a warning
	Was        []string `json:"was,omitempty"`        // former names, still accepted with a warning

	OneOf []string `json:"one_of,omitempty"` // the only accepted values, of elements in a list or map
	// Min and Max bound a number; the seconds of a duration; the bytes of a
	// size; the characters of any other text; the elements of a list or map.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Pattern is an RE2 expression that a text, or each text in a list or
	// map, must match somewhere (anchor it to match the whole).
	Pattern string `json:"pattern,omitempty"`

	// Fields describes the fields of an object type, or of the objects in a
	// list or map of them. Fields have no defaults and no former names.
	Fields []Attribute `json:"fields,omitempty"`
}

// Nesting says how often a block may stand in a body, and what it becomes.
type Nesting string

// The nestings.
const (
	NestingSingle Nesting = "single" // at most once: an object
	NestingList   Nesting = "list"   // repeated: a list in source order
	NestingMap    Nesting = "map"    // repeated with a label that is unique: a map
)

// Block is the schema of one `name { … }`.
type Block struct {
	Name    string  `json:"name"`
	Nesting Nesting `json:"nesting"`
	// Label is the name of the block's only label; empty: it has none. In a
	// map the label is the key, elsewhere it is an attribute of the object.
	Label string `json:"label,omitempty"`
	Min   int    `json:"min,omitempty"`
	Max   int    `json:"max,omitempty"` // 0: no limit (a single block never repeats)
	// Implied makes an absent single block count as an empty one, so that the
	// defaults in it hold.
	Implied bool   `json:"implied,omitempty"`
	Doc     string `json:"doc,omitempty"`
	Body    Body   `json:"body"`
}

// maxNesting bounds how deep blocks and object fields may nest.
const maxNesting = 16

// Hash identifies the schema: the hex SHA-256 of its JSON form. Two bodies
// with one hash accept the same configuration and give the same values.
// Schemas that are not valid have no form and are all alike.
func (b Body) Hash() string {
	var text []byte
	err := b.Validate()
	if err == nil {
		text, err = json.Marshal(b)
	}
	if err != nil {
		text = nil
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Validate finds what is wrong with the schema itself: bad or double names,
// types without a meaning, defaults that do not fit, patterns that do not
// compile. It returns every finding, joined; nil means that all other methods
// can be relied on.
func (b Body) Validate() error {
	return errors.Join(b.validate("", 0)...)
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

func (b Body) validate(in string, depth int) []error {
	if depth > maxNesting {
		return []error{fmt.Errorf("%s: blocks nest deeper than %d", in, maxNesting)}
	}
	var errs []error
	taken := map[string]bool{}
	name := func(n, what string) {
		switch {
		case !validName.MatchString(n):
			errs = append(errs, fmt.Errorf("%s %q: the name must match %s", what, clip(in+n), validName))
		case n == "dynamic":
			errs = append(errs, fmt.Errorf("%s %q: the name is reserved for HCL's dynamic blocks", what, in+n))
		case taken[n]:
			errs = append(errs, fmt.Errorf("%s %q: the name is used twice", what, in+n))
		}
		taken[n] = true
	}
	for _, a := range b.Attributes {
		name(a.Name, "attribute")
		for _, was := range a.Was {
			name(was, "former name")
		}
		for _, err := range a.validate(0) {
			errs = append(errs, fmt.Errorf("attribute %q: %w", in+a.Name, err))
		}
	}
	for _, block := range b.Blocks {
		name(block.Name, "block")
		for _, err := range block.validate(in, depth) {
			errs = append(errs, fmt.Errorf("block %q: %w", in+block.Name, err))
		}
		errs = append(errs, block.Body.validate(in+block.Name+".", depth+1)...)
	}
	return errs
}

func (b Block) validate(in string, depth int) []error {
	var errs []error
	switch b.Nesting {
	case NestingSingle:
		if b.Max > 1 || b.Min > 1 {
			errs = append(errs, errors.New("a single block stands at most once"))
		}
	case NestingList:
	case NestingMap:
		if b.Label == "" {
			errs = append(errs, errors.New("a map of blocks needs a label"))
		}
	default:
		errs = append(errs, fmt.Errorf("unknown nesting %q", clip(string(b.Nesting))))
	}
	if b.Label != "" && !validName.MatchString(b.Label) {
		errs = append(errs, fmt.Errorf("the label's name %q must match %s", clip(b.Label), validName))
	}
	if b.Label != "" && b.Nesting != NestingMap {
		for _, name := range b.Body.names() {
			if name == b.Label {
				errs = append(errs, fmt.Errorf("the label's name %q is used twice", b.Label))
			}
		}
	}
	if b.Min < 0 || b.Max < 0 || (b.Max > 0 && b.Min > b.Max) {
		errs = append(errs, fmt.Errorf("min %d and max %d make no range", b.Min, b.Max))
	}
	if b.Implied && (b.Nesting != NestingSingle || b.Min > 0 || b.Label != "") {
		errs = append(errs, errors.New("only an optional single block without label can be implied"))
	}
	if b.Implied {
		for _, what := range b.Body.required() {
			errs = append(errs, fmt.Errorf("is optional, but requires %q in it: use a pointer, so that an absent block is told from an empty one", what))
		}
	}
	return errs
}

// names lists the attributes and blocks in schema order.
func (b Body) names() []string {
	names := make([]string, 0, len(b.Attributes)+len(b.Blocks))
	for _, a := range b.Attributes {
		names = append(names, a.Name)
	}
	for _, block := range b.Blocks {
		names = append(names, block.Name)
	}
	return names
}

// required lists what an empty body would lack.
func (b Body) required() []string {
	var names []string
	for _, a := range b.Attributes {
		if a.Required {
			names = append(names, a.Name)
		}
	}
	for _, block := range b.Blocks {
		if block.Min > 0 {
			names = append(names, block.Name)
		}
	}
	return names
}

func (a Attribute) validate(depth int) []error {
	var errs []error
	if depth > maxNesting {
		return []error{fmt.Errorf("objects nest deeper than %d", maxNesting)}
	}
	if a.Type == cty.NilType {
		return []error{errors.New("has no type")}
	}
	if _, err := a.constraints().compile(); err != nil {
		errs = append(errs, err)
	}
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		errs = append(errs, fmt.Errorf("min %s is greater than max %s", formatNumber(*a.Min), formatNumber(*a.Max)))
	}
	errs = append(errs, a.validateDefault()...)
	if len(a.Fields) > 0 {
		errs = append(errs, a.validateFields(depth)...)
	}
	return errs
}

func (a Attribute) validateDefault() []error {
	if a.Default == nil {
		return nil
	}
	switch {
	case a.Required:
		return []error{errors.New("is required and has a default: one of the two has no effect")}
	case leafType(a.Type).IsObjectType():
		return []error{errors.New("an object has no default: make it a block, or give its fields pointers")}
	}
	value, err := a.defaultValue()
	if err != nil {
		return []error{err}
	}
	if wrong := a.wrong(value); len(wrong) > 0 {
		return []error{fmt.Errorf("the default %s: %s", clip(string(a.Default)), Problem{Path: wrong[0].path, Summary: wrong[0].text})}
	}
	return nil
}

// defaultValue is the default as a value of the attribute's type, or null.
func (a Attribute) defaultValue() (cty.Value, error) {
	typ := a.Type.WithoutOptionalAttributesDeep()
	if a.Default == nil {
		return cty.NullVal(typ), nil
	}
	if typ.HasDynamicTypes() {
		var implied ctyjson.SimpleJSONValue
		if err := implied.UnmarshalJSON(a.Default); err != nil {
			return cty.NullVal(typ), fmt.Errorf("the default %s is not JSON", clip(string(a.Default)))
		}
		value, err := convert.Convert(implied.Value, typ)
		if err != nil {
			return cty.NullVal(typ), fmt.Errorf("the default %s is no %s: %w", clip(string(a.Default)), typ.FriendlyName(), err)
		}
		return value, nil
	}
	value, err := ctyjson.Unmarshal(a.Default, typ)
	if err != nil {
		return cty.NullVal(typ), fmt.Errorf("the default %s is no %s: %w", clip(string(a.Default)), typ.FriendlyName(), err)
	}
	return value, nil
}

func (a Attribute) validateFields(depth int) []error {
	object := leafType(a.Type)
	if !object.IsObjectType() {
		return []error{errors.New("has fields, but its type is no object")}
	}
	var errs []error
	taken := map[string]bool{}
	for _, f := range a.Fields {
		switch {
		case !validName.MatchString(f.Name):
			errs = append(errs, fmt.Errorf("field %q: the name must match %s", clip(f.Name), validName))
		case taken[f.Name]:
			errs = append(errs, fmt.Errorf("field %q: the name is used twice", f.Name))
		case !object.HasAttribute(f.Name):
			errs = append(errs, fmt.Errorf("field %q: the type has no such attribute", f.Name))
		}
		if f.Default != nil || len(f.Was) > 0 {
			errs = append(errs, fmt.Errorf("field %q: a field of an object has no default and no former name: make it a block", clip(f.Name)))
		}
		taken[f.Name] = true
		for _, err := range f.validate(depth + 1) {
			errs = append(errs, fmt.Errorf("field %q: %w", clip(f.Name), err))
		}
	}
	return errs
}

// leafType is the type of the values in all lists and maps of a type.
func leafType(t cty.Type) cty.Type {
	for t.IsCollectionType() {
		t = t.ElementType()
	}
	return t
}

// hides reports whether the attribute or a field in it is sensitive.
func (a Attribute) hides() bool {
	return a.Sensitive || slices.ContainsFunc(a.Fields, Attribute.hides)
}

func (a Attribute) constraints() constraints {
	return constraints{kind: a.Kind, oneOf: a.OneOf, min: a.Min, max: a.Max, pattern: a.Pattern}
}
