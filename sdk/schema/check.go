package schema

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// wrongValue is one thing wrong with an attribute's value.
type wrongValue struct {
	path []PathStep // within the value
	text string     // quotes the value only where that is allowed
}

// wrong checks a value of the attribute's type: null, kind, constraints, and
// the fields of objects. Marked values are checked but never quoted; unknown
// ones are passed over.
func (a Attribute) wrong(value cty.Value) []wrongValue {
	return a.check(value, nil, a.Sensitive, true)
}

// check walks down to the leaves. The outermost value alone may be null, and
// there only if the attribute is not required.
func (a Attribute) check(value cty.Value, path []PathStep, hide, outermost bool) []wrongValue {
	value, marks := value.Unmark()
	hide = hide || len(marks) > 0
	typ := value.Type()
	switch {
	case value.IsNull() && outermost && !a.Required:
		return nil
	case value.IsNull() && a.Kind == KindAny && !outermost:
		return nil
	case value.IsNull():
		return []wrongValue{{path, "must not be null"}}
	case !value.IsKnown():
		return nil
	case a.Kind == KindAny:
		return checkAny(value, path)
	case typ.IsListType() || typ.IsSetType() || typ.IsMapType():
		return a.checkElements(value, path, hide, outermost)
	case typ.IsObjectType():
		var found []wrongValue
		for _, f := range a.Fields {
			if typ.HasAttribute(f.Name) {
				found = append(found, f.check(value.GetAttr(f.Name), at(path, Attr(f.Name)), hide || f.Sensitive, true)...)
			}
		}
		return found
	}
	if text := a.checkLeaf(value, hide, outermost); text != "" {
		return []wrongValue{{path, text}}
	}
	return nil
}

// checkAny checks what holds for values of every type.
func checkAny(value cty.Value, path []PathStep) []wrongValue {
	var found []wrongValue
	_ = cty.Walk(value, func(below cty.Path, v cty.Value) (bool, error) {
		v, _ = v.Unmark()
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && tooLarge(v.AsBigFloat()) {
			where := append(path[:len(path):len(path)], PathOf(below)...)
			found = append(found, wrongValue{where, errTooLarge.Error()})
		}
		return true, nil
	})
	return found
}

func (a Attribute) checkElements(value cty.Value, path []PathStep, hide, outermost bool) []wrongValue {
	var found []wrongValue
	if outermost {
		if err := a.constraints().checkLength(value.LengthInt(), "elements"); err != nil {
			found = append(found, wrongValue{path, err.Error()})
		}
	}
	isSet := value.Type().IsSetType()
	for it := value.ElementIterator(); it.Next(); {
		key, element := it.Element()
		below := path
		if !isSet { // the key of a set's element is the element itself
			below = at(path, stepTo(key))
		}
		found = append(found, a.check(element, below, hide, false)...)
	}
	return found
}

// checkLeaf says what is wrong with a text, number or bool; "" is nothing.
// Min and max bound the elements of a list, not the values in it.
func (a Attribute) checkLeaf(value cty.Value, hide, outermost bool) string {
	c := a.constraints()
	if !outermost {
		c.min, c.max = nil, nil
	}
	var err error
	var quoted string
	switch value.Type() {
	case cty.String:
		err = c.checkText(value.AsString())
		quoted = strconv.Quote(clip(value.AsString()))
	case cty.Number:
		err = c.checkNumber(value.AsBigFloat())
		quoted = clip(numberText(value.AsBigFloat()))
	case cty.Bool:
		quoted = strconv.FormatBool(value.True())
		err = c.checkOneOf(quoted)
	}
	switch {
	case err == nil:
		return ""
	case hide && a.Kind == KindDuration:
		return "the value (sensitive) is not an accepted duration: " + durationForm
	case hide && a.Kind == KindBytes:
		return "the value (sensitive) is not an accepted size: " + bytesForm
	case hide:
		return "the value (sensitive) " + err.Error()
	case errors.Is(err, errTooLarge) || quotesItself(err, quoted):
		return err.Error()
	}
	return fmt.Sprintf("%s %s", quoted, err)
}

// quotesItself reports whether the message begins with the value already, as
// those of durations and sizes do.
func quotesItself(err error, quoted string) bool {
	text := err.Error()
	return len(text) > len(quoted) && text[:len(quoted)] == quoted
}

// tooLarge reports whether a number is beyond what 64-bit floats, and with
// them JSON readers, can hold. HCL has numbers whose digits would not fit into
// memory; whatever writes a number out asks this first.
func tooLarge(n *big.Float) bool {
	return n.IsInf() || n.MantExp(nil) > 1024
}

// numberText writes a number exactly: an integer with all its digits, as far
// as that stays readable.
func numberText(n *big.Float) string {
	if tooLarge(n) || n.MantExp(nil) < -1100 {
		return "the number"
	}
	const readableBits = 256
	if n.IsInt() && n.MantExp(nil) <= readableBits {
		return n.Text('f', 0)
	}
	return n.Text('g', -1)
}

// stepTo is the step to the element of a list, tuple or map with this key.
func stepTo(key cty.Value) PathStep {
	if key.Type() == cty.String {
		return Key(key.AsString())
	}
	i, _ := key.AsBigFloat().Int64()
	return Index(int(i))
}
