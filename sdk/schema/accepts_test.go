package schema

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// said joins problems to one text.
func said(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "; ")
}

type twoTrees struct {
	Name string     `json:"name"`
	Kids []twoTrees `json:"kids,omitempty"`
	By   map[string]*struct {
		Name int `json:"name"`
	} `json:"by,omitempty"`
}

// oddTree and evenTree contain themselves at different distances, so that their
// references never meet.
type oddTree struct {
	K *struct {
		K *oddTree `json:"k"`
	} `json:"k"`
}

type evenTree struct {
	K *struct {
		K *struct {
			K *evenTree `json:"k"`
		} `json:"k"`
	} `json:"k"`
}

func TestATypeAcceptsTheMessagesThatCanFit(t *testing.T) {
	t.Parallel()
	type page struct {
		URL    string            `json:"url"`
		Status int               `json:"status"`
		Weight float64           `json:"weight,omitempty"`
		Lines  []line            `json:"lines,omitempty"`
		Labels map[string]string `json:"labels,omitempty"`
	}
	for _, test := range []struct {
		name     string
		to, from Value
		accepts  string // the problems that Accepts finds
		conflict string
	}{
		{"the same", mustValueOf[order](t), mustValueOf[order](t), "", ""},
		{"anything", Value{}, mustValueOf[page](t), "", ""},
		{"from anything", mustValueOf[page](t), mustValueOf[json.RawMessage](t), "", ""},
		{"more fields", mustValueOf[struct {
			URL string `json:"url"`
		}](t), mustValueOf[page](t), "", ""},
		{"a required field is missing", mustValueOf[page](t), mustValueOf[struct {
			Urls   string `json:"urls"`
			Status int    `json:"status"`
		}](t), `url: is required and never there: There is "urls".`, ""},
		{"an optional field is missing", mustValueOf[struct {
			Note string `json:"note,omitempty"`
		}](t), mustValueOf[struct{}](t), "", ""},
		{"sometimes missing", mustValueOf[struct {
			Note string `json:"note"`
		}](t), mustValueOf[struct {
			Note string `json:"note,omitempty"`
		}](t), "", ""},
		{"another type", mustValueOf[page](t), mustValueOf[struct {
			URL    int    `json:"url"`
			Status string `json:"status"`
		}](t), "url: must be a string, not a whole number; status: must be a whole number, not a string",
			"url: is a string for one, a whole number for the other; status: is a whole number for one, a string for the other"},
		{"a whole number for a number", mustValueOf[float64](t), mustValueOf[int](t), "", ""},
		{"a number for a whole number", mustValueOf[int](t), mustValueOf[float64](t), "must be a whole number, not a number", ""},
		{"kinds and bounds", mustValueOf[struct {
			At    time.Time `json:"at"`
			State string    `json:"state" oneof:"a b"`
			N     int8      `json:"n" max:"3"`
		}](t), mustValueOf[struct {
			At    string `json:"at"`
			State string `json:"state" oneof:"b c"`
			N     uint64 `json:"n" min:"2"`
		}](t), "", ""},
		{"elements", mustValueOf[[]line](t), mustValueOf[[]struct {
			SKU bool `json:"sku"`
		}](t), "[0].sku: must be a string, not true or false", "[0].sku: is a string for one, true or false for the other"},
		{"a map as an object", mustValueOf[line](t), mustValueOf[map[string]string](t), "", ""},
		{"a map of another type as an object", mustValueOf[line](t), mustValueOf[map[string]int](t),
			"sku: must be a string, not a whole number", "sku: is a string for one, a whole number for the other"},
		{"an object as a map", mustValueOf[map[string]int](t), mustValueOf[page](t),
			"url: must be a whole number, not a string; weight: must be a whole number, not a number; lines: must be a whole number, not an array; labels: must be a whole number, not an object",
			"url: is a whole number for one, a string for the other; lines: is a whole number for one, an array for the other; labels: is a whole number for one, an object for the other"},
		{"maps", mustValueOf[map[string]int](t), mustValueOf[map[string]bool](t),
			`["*"]: must be a whole number, not true or false`, `["*"]: is a whole number for one, true or false for the other`},
		{"a text as an object", mustValueOf[page](t), mustValueOf[string](t), "must be an object, not a string", "is an object for one, a string for the other"},
		{"types that contain themselves", mustValueOf[tree](t), mustValueOf[tree](t), "", ""},
		{"deep in them", mustValueOf[tree](t), mustValueOf[twoTrees](t),
			`by["*"].name: must be a string, not a whole number`, `by["*"].name: is a string for one, a whole number for the other`},
		{"references that never meet", mustValueOf[oddTree](t), mustValueOf[evenTree](t), "", ""},
		{"references to nothing", Value{Ref: "x"}, Value{Type: ValueArray}, "", ""},
		{"arrays of nothing", Value{Type: ValueArray}, Value{Type: ValueArray}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := said(test.to.Accepts(test.from)); got != test.accepts {
				t.Errorf("accepts: %q, not %q", got, test.accepts)
			}
			if got := said(test.to.Conflicts(test.from)); got != test.conflict {
				t.Errorf("conflicts: %q, not %q", got, test.conflict)
			}
		})
	}
}

func TestATypeAcceptsItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t, 4)
		if problems := v.Accepts(v); len(problems) > 0 {
			t.Errorf("%+v: %s", v, said(problems))
		}
		if problems := v.Conflicts(v); len(problems) > 0 {
			t.Errorf("%+v: %s", v, said(problems))
		}
	})
}

func TestConflictsAreTheSameFromBothSides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValue(t, 4), drawValue(t, 4)
		there, back := a.Conflicts(b), b.Conflicts(a)
		if len(there) != len(back) {
			t.Errorf("%+v and %+v: %s, and back %s", a, b, said(there), said(back))
		}
		if len(there) > 0 && len(a.Accepts(b)) == 0 {
			t.Errorf("%+v accepts %+v, and they conflict: %s", a, b, said(there))
		}
	})
}

// drawValue makes a small description without references.
func drawValue(t *rapid.T, depth int) Value {
	kinds := []ValueType{ValueAny, ValueString, ValueNumber, ValueInteger, ValueBool}
	if depth > 0 {
		kinds = append(kinds, ValueObject, ValueMap, ValueArray)
	}
	v := Value{Type: rapid.SampledFrom(kinds).Draw(t, "type")}
	switch v.Type {
	case ValueMap, ValueArray:
		elem := drawValue(t, depth-1)
		v.Elem = &elem
	case ValueObject:
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), func(s string) string { return s }).Draw(t, "fields") {
			v.Fields = append(v.Fields, ValueField{Name: name, Required: rapid.Bool().Draw(t, "required"), Value: drawValue(t, depth-1)})
		}
	}
	return v
}

func TestComparingHostileDescriptionsIsBounded(t *testing.T) {
	t.Parallel()
	// Rings of many types, of lengths without a common divisor: their pairs are as many as the product.
	ring := func(n int) Value {
		defs := map[string]Value{}
		name := func(i int) string { return strings.Repeat("x", 1+i%n) }
		for i := range n {
			defs[name(i)] = Value{Type: ValueArray, Elem: &Value{Ref: name(i + 1)}}
		}
		return Value{Ref: name(0), Defs: defs}
	}
	if problems := ring(997).Accepts(ring(1000)); len(problems) > 0 {
		t.Error(said(problems))
	}
	// Each of many objects against one with many fields.
	many, wide := Value{Type: ValueObject}, Value{Type: ValueObject}
	for i := range 20_000 {
		name := strconv.Itoa(i)
		many.Fields = append(many.Fields, ValueField{Name: name, Value: Value{Type: ValueObject}})
		wide.Fields = append(wide.Fields, ValueField{Name: name, Value: Value{Type: ValueString}})
	}
	c := comparison{steps: maxSteps, seen: map[[2]*Value]bool{}}
	c.compare(&many, &Value{Type: ValueMap, Elem: &wide}, nil)
	if len(c.seen) > maxSteps/len(wide.Fields)+2 {
		t.Errorf("%d pairs were looked at", len(c.seen))
	}
}
