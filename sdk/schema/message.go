package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
)

// Limits of a message, beyond which Check does not look into it.
const (
	MaxMessageBytes = 16 << 20
	MaxMessageDepth = 64
)

// maxProblems bounds what Check reports of one message.
const maxProblems = 50

// Check reports every place where raw is not what the description says, in
// the order of the names: wrong types, missing and unknown fields, values out
// of range. An empty result means that encoding/json can read raw into the
// described type. Numbers must have a form that Go reads into the type: "1.0"
// is no integer. The description must be valid.
func (v Value) Check(raw json.RawMessage) []Problem {
	switch {
	case len(raw) > MaxMessageBytes:
		return []Problem{{
			Summary: "the value is too large",
			Detail:  fmt.Sprintf("It has %d bytes; at most %s are accepted.", len(raw), FormatBytes(MaxMessageBytes)),
		}}
	case len(bytes.TrimSpace(raw)) == 0:
		return []Problem{{Summary: "the value is missing", Detail: "Nothing was given; JSON is expected."}}
	case depth(raw) > MaxMessageDepth:
		return []Problem{{
			Summary: "the value nests too deep",
			Detail:  fmt.Sprintf("At most %d levels are accepted.", MaxMessageDepth),
		}}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return []Problem{{Summary: "the value is not JSON", Detail: err.Error()}}
	}
	if decoder.More() || !json.Valid(raw) {
		return []Problem{{Summary: "the value is not JSON", Detail: "Something follows after the value."}}
	}
	c := messageCheck{defs: v.Defs}
	c.check(v, value, nil, false)
	return c.problems
}

// depth is how deep objects and arrays nest in a JSON text.
func depth(raw []byte) int {
	deepest, level := 0, 0
	inText, escaped := false, false
	for _, b := range raw {
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped = b == '\\'
			inText = b != '"'
		case b == '"':
			inText = true
		case b == '{' || b == '[':
			level++
			deepest = max(deepest, level)
		case b == '}' || b == ']':
			level--
		}
	}
	return deepest
}

type messageCheck struct {
	defs     map[string]Value
	problems []Problem
}

// full reports whether no more problems are taken.
func (c *messageCheck) full() bool {
	return len(c.problems) >= maxProblems
}

func (c *messageCheck) add(path []PathStep, summary, detail string) {
	if !c.full() {
		c.problems = append(c.problems, Problem{Path: path, Summary: summary, Detail: detail})
	}
}

func (c *messageCheck) check(v Value, value any, path []PathStep, hide bool) {
	if v.Ref != "" {
		nullable, sensitive := v.Nullable, v.Sensitive
		v = c.defs[v.Ref]
		v.Nullable, v.Sensitive = v.Nullable || nullable, v.Sensitive || sensitive
	}
	hide = hide || v.Sensitive
	if c.full() || v.Type == ValueAny {
		return
	}
	if value == nil {
		if !v.Nullable {
			c.add(path, "must be "+v.word()+", not null", "")
		}
		return
	}
	switch value := value.(type) {
	case map[string]any:
		switch v.Type {
		case ValueObject:
			c.checkObject(v, value, path, hide)
			return
		case ValueMap:
			c.count(v, len(value), path)
			for _, key := range slices.Sorted(maps.Keys(value)) {
				c.check(*v.Elem, value[key], at(path, Key(key)), hide)
			}
			return
		}
	case []any:
		if v.Type == ValueArray {
			c.count(v, len(value), path)
			for i, element := range value {
				c.check(*v.Elem, element, at(path, Index(i)), hide)
			}
			return
		}
	case string:
		if v.Type == ValueString {
			c.leaf(v.constraints().checkText(value), strconv.Quote(clip(value)), path, hide)
			return
		}
	case json.Number:
		if v.Type == ValueInteger || v.Type == ValueNumber {
			c.leaf(v.checkNumber(value), clip(value.String()), path, hide)
			return
		}
	case bool:
		if v.Type == ValueBool {
			return
		}
	}
	c.add(path, "must be "+v.word()+", not "+wordFor(value), "")
}

func (c *messageCheck) checkObject(v Value, value map[string]any, path []PathStep, hide bool) {
	names := make([]string, len(v.Fields))
	for i, f := range v.Fields {
		names[i] = f.Name
		given, ok := value[f.Name]
		switch {
		case ok && given == nil && !f.Required:
			// encoding/json leaves the field as it is, as if it were absent.
		case ok:
			c.check(f.Value, given, at(path, Attr(f.Name)), hide)
		case f.Required:
			c.add(at(path, Attr(f.Name)), "is required", "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		if slices.Contains(names, name) {
			continue
		}
		hint := "There is nothing to give here."
		if near, ok := Nearest(name, names); ok {
			hint = fmt.Sprintf("Did you mean %q?", near)
		} else if len(names) > 0 {
			hint = "There are " + quoteAll(names) + "."
		}
		c.add(at(path, Attr(name)), "is unknown", hint)
	}
}

func (c *messageCheck) count(v Value, n int, path []PathStep) {
	if err := v.constraints().checkLength(n, "elements"); err != nil {
		c.add(path, err.Error(), fmt.Sprintf("There are %d.", n))
	}
}

func (c *messageCheck) leaf(err error, quoted string, path []PathStep, hide bool) {
	switch {
	case err == nil:
	case hide:
		c.add(path, err.Error(), "")
	default:
		c.add(path, err.Error(), "It is "+quoted+".")
	}
}

// checkNumber checks the text of a number, because that is what decides
// whether Go reads it into an integer.
func (v Value) checkNumber(n json.Number) error {
	text := n.String()
	if v.plainInteger(text) {
		return nil
	}
	if lo, hi, ok := v.Kind.intRange(); ok {
		whole, isInt := new(big.Int), false
		if len(text) <= maxNumberText {
			whole, isInt = whole.SetString(text, 10)
		}
		if !isInt || whole.Cmp(lo) < 0 || whole.Cmp(hi) > 0 {
			return fmt.Errorf("must be a whole number from %s to %s", lo, hi)
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errTooLarge
	}
	exact, _, err := big.ParseFloat(text, 10, 128, big.ToNearestEven)
	if err != nil {
		exact = big.NewFloat(number)
	}
	return v.constraints().checkNumber(exact)
}

// plainInteger reports, without the big numbers that a full answer takes, whether a number is a whole one of its kind
// and nothing else is asked of it. Most are so.
func (v Value) plainInteger(text string) bool {
	bits := intBits[v.Kind]
	if bits == 0 || v.Min != nil || v.Max != nil || len(v.OneOf) > 0 || len(text) > maxNumberText {
		return false
	}
	var err error
	if bits < 0 {
		_, err = strconv.ParseInt(text, 10, -bits)
	} else {
		_, err = strconv.ParseUint(text, 10, bits)
	}
	return err == nil
}

// word is the value type with its article.
func (v Value) word() string {
	switch v.Type {
	case ValueObject, ValueMap:
		return "an object"
	case ValueArray:
		return "an array"
	case ValueInteger:
		return "a whole number"
	case ValueBool:
		return "true or false"
	case ValueString:
		return "a string"
	case ValueNumber:
		return "a number"
	}
	return "a value"
}

// wordFor is what a decoded JSON value is.
func wordFor(value any) string {
	switch value.(type) {
	case map[string]any:
		return Value{Type: ValueObject}.word()
	case []any:
		return Value{Type: ValueArray}.word()
	case string:
		return Value{Type: ValueString}.word()
	case json.Number:
		return Value{Type: ValueNumber}.word()
	}
	return "a boolean"
}
