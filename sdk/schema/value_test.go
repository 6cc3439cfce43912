package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

type order struct {
	ID       string            `json:"id" pattern:"^[a-z]+$" doc:"of the order"`
	Count    int8              `json:"count" min:"1"`
	Price    float64           `json:"price,omitempty"`
	Paid     bool              `json:"paid" task:"paid,optional"`
	State    string            `json:"state,omitempty" oneof:"new done"`
	When     time.Time         `json:"when,omitzero"`
	Wait     time.Duration     `json:"wait,omitempty"`
	Data     []byte            `json:"data,omitempty"`
	Lines    []line            `json:"lines,omitempty" max:"2"`
	Labels   map[string]string `json:"labels,omitempty" pattern:"^v"`
	Gift     *line             `json:"gift"`
	Extra    any               `json:"extra,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Token    tokenText         `json:"token,omitempty" min:"3" deprecated:"use login"`
	Level    level             `json:"level,omitempty"`
	Tree     *tree             `json:"tree,omitempty"`
	Plain    uint64
	internal int
	Skipped  chan int `json:"-"`
	embedded
}

type embedded struct {
	ID   int    `json:"id"` // hidden by the outer one
	Note string `json:"note,omitempty"`
}

type line struct {
	SKU string `json:"sku"`
}

type tree struct {
	Name string           `json:"name"`
	Kids []tree           `json:"kids,omitempty"`
	By   map[string]*tree `json:"by,omitempty"`
}

type tokenText string

func (tokenText) Sensitive() bool              { return true }
func (tokenText) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

func mustValueOf[T any](t testing.TB) Value {
	t.Helper()
	v, err := ValueOf[T]()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back Value
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, back); diff != "" {
		t.Fatalf("the description changes on the way: %s", diff)
	}
	return back
}

func problemLines(problems []Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return strings.Join(out, "\n")
}

func TestCheckNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	v := mustValueOf[order](t)
	const base = `"id":"a","count":1,"Plain":0`
	for raw, want := range map[string]string{
		`{` + base + `}`: ``,
		`{` + base + `,"price":1e2,"paid":true,"state":"new","when":"2026-01-02T03:04:05.5Z","wait":5,"data":"aGk=","lines":[{"sku":"x"}],"labels":{"k":"v"},"gift":null,"extra":[1,{}],"raw":null,"token":"abc","level":"high","note":"n"}`: ``,
		`{` + base + `,"tree":{"name":"a","kids":[{"name":"b","by":{"k":{"name":"c"}}},{"name":"d","by":{"k":null}}]}}`:                                                                                                                      ``,
		`{` + base + `,"price":null,"state":null,"lines":null}`: ``,
		``:                                  `the value is missing: Nothing was given; JSON is expected.`,
		`null`:                              `must be an object, not null`,
		`[]`:                                `must be an object, not an array`,
		`{`:                                 `the value is not JSON: unexpected EOF`,
		`{} {}`:                             `the value is not JSON: Something follows after the value.`,
		`{}]`:                               `the value is not JSON: Something follows after the value.`,
		`{}`:                                "id: is required\ncount: is required\nPlain: is required",
		`{"id":1,"count":"1","Plain":true}`: "id: must be a string, not a number\ncount: must be a whole number, not a string\nPlain: must be a whole number, not a boolean",
		`{"id":null,"count":[],"Plain":{}}`: "id: must be a string, not null\ncount: must be a whole number, not an array\nPlain: must be a whole number, not an object",
		`{"id":"A","count":0,"Plain":-1}`:   "id: must match the pattern ^[a-z]+$: It is \"A\".\ncount: must be at least 1: It is 0.\nPlain: must be a whole number from 0 to 18446744073709551615: It is -1.",
		`{"id":"a","count":128,"Plain":18446744073709551615}`:                              "count: must be a whole number from -128 to 127: It is 128.",
		`{"id":"a","count":1.0,"Plain":1e3}`:                                               "count: must be a whole number from -128 to 127: It is 1.0.\nPlain: must be a whole number from 0 to 18446744073709551615: It is 1e3.",
		`{` + base + `,"price":1e999}`:                                                     "price: must be a number that 64 bits can hold: It is 1e999.",
		`{` + base + `,"state":"old"}`:                                                     `state: must be one of "new", "done": It is "old".`,
		`{` + base + `,"when":"now"}`:                                                      `when: must be a time as RFC 3339 has it, such as "2006-01-02T15:04:05Z": It is "now".`,
		`{` + base + `,"data":"?"}`:                                                        `data: must be bytes in standard base64: It is "?".`,
		`{` + base + `,"lines":[{"sku":"x"},{},{"sku":1}]}`:                                "lines: must be at most 2 elements: There are 3.\nlines[1].sku: is required\nlines[2].sku: must be a string, not a number",
		`{` + base + `,"labels":{"k":"x"}}`:                                                `labels["k"]: must match the pattern ^v: It is "x".`,
		`{` + base + `,"token":"ab"}`:                                                      `token: must be at least 3 characters`,
		`{` + base + `,"prise":1}`:                                                         `prise: is unknown: Did you mean "price"?`,
		`{` + base + `,"gift":{"sku":"x","colour":1}}`:                                     `gift.colour: is unknown: There are "sku".`,
		`{` + base + `,"tree":{"kids":[{"nam":"b"}]}}`:                                     "tree.name: is required\ntree.kids[0].name: is required\ntree.kids[0].nam: is unknown: Did you mean \"name\"?",
		`{` + base + `,"extra":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: `the value nests too deep: At most 64 levels are accepted.`,
		`{` + base + `,"note":"[[[[\"[[{{"}`:                                               ``,
	} {
		if diff := cmp.Diff(want, problemLines(v.Check(json.RawMessage(raw)))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", raw, diff)
		}
	}
}

func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	v := mustValueOf[[]int](t)
	if got := v.Check(json.RawMessage(`[` + strings.Repeat(`"x",`, 1000) + `"x"]`)); len(got) != maxProblems {
		t.Errorf("%d problems", len(got))
	}
	large := json.RawMessage(`[` + strings.Repeat(" ", MaxMessageBytes) + `]`)
	if got := problemLines(v.Check(large)); got != "the value is too large: It has 16777218 bytes; at most 16MiB are accepted." {
		t.Error(got)
	}
}

func TestWhatPassesTheCheckIsReadByEncodingJSON(t *testing.T) {
	t.Parallel()
	v := mustValueOf[order](t)
	for _, o := range []order{
		{ID: "a", Count: 1},
		{ID: "b", Count: 127, Price: 1e-9, Data: []byte("x"), Lines: []line{{}, {}}, Labels: map[string]string{"": "v"}, When: time.Unix(0, 1).UTC(), Wait: -1},
	} {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if problems := v.Check(text); len(problems) > 0 {
			t.Errorf("%s:\n%s", text, problemLines(problems))
		}
	}
	var results struct {
		List []int
		Map  map[string]int
		Any  any
	}
	text, _ := json.Marshal(results)
	described, err := ValueOfType(reflect.TypeOf(results))
	if err != nil {
		t.Fatal(err)
	}
	if problems := described.Check(text); len(problems) > 0 {
		t.Errorf("nil slices and maps: %s", problemLines(problems))
	}
}

func TestTheZeroValueDescribesAnything(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`null`, `1`, `{"a":[]}`} {
		if got := (Value{}).Check(json.RawMessage(raw)); len(got) > 0 {
			t.Errorf("%s: %s", raw, problemLines(got))
		}
	}
	if got := string(Value{}.JSONSchema()); got != `{"$schema":"https://json-schema.org/draft/2020-12/schema"}` {
		t.Error(got)
	}
}

type endless []endless

type selfEmbedded struct{ *selfEmbedded }

func TestValueOfRefusesWhatHasNoJSONForm(t *testing.T) {
	t.Parallel()
	_ = selfEmbedded{}.selfEmbedded
	for want, message := range map[string]any{
		"the type chan int has no JSON form": make(chan int),
		"the type func() has no JSON form":   func() {},
		"its keys are no texts":              map[float64]int{},
		"a cty.Value has no JSON form":       struct{ A cty.Value }{},
		"nests deeper than":                  endless{},
		"field A: a message takes no default tag": struct {
			A int `default:"1"`
		}{},
		`the json option "string" is not supported`: struct {
			A int `json:",string"`
		}{},
		`encoding/json calls it "MaxSize", not "max_size": add ` + "`json:\"max_size\"`": struct {
			MaxSize int `task:"max_size"`
		}{},
		`unknown option "optinal" (did you mean "optional"?)`: struct {
			A int `task:"a,optinal"`
		}{},
		`field "A": the pattern "(" does not compile`: struct {
			A string `pattern:"("`
		}{},
		`the max "x" is no number`: struct {
			A string `max:"x"`
		}{},
	} {
		_, err := ValueOfType(reflect.TypeOf(message))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: got %v, want %s", message, err, want)
		}
	}
	if _, err := ValueOf[selfEmbedded](); err == nil {
		t.Error("a struct that embeds itself is described")
	}
}

func TestADescriptionFromElsewhereIsValidated(t *testing.T) {
	t.Parallel()
	deep := `{}`
	for range maxValueNesting + 2 {
		deep = `{"type":"array","elem":` + deep + `}`
	}
	for text, want := range map[string]string{
		`{"type":"array"}`:                     `the array has no element type`,
		`{"type":"set"}`:                       `unknown type "set"`,
		`{"ref":"x"}`:                          `refers to "x", which is not defined`,
		`{"ref":"x","defs":{"x":{"ref":"x"}}}`: `itself a reference`,
		`{"defs":{"x":{"type":"map"}}}`:        `definition "x": the map has no element type`,
		`{"type":"object","fields":[{"name":"a","value":{}},{"name":"a","value":{}}]}`: `field "a": the name is used twice`,
		deep: `nests deeper than`,
	} {
		var v Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v, want %s", text, err, want)
		}
	}
}

func TestJSONSchemaKeepsTheOrderOfTheFields(t *testing.T) {
	t.Parallel()
	type message struct {
		Z     string         `json:"z" doc:"last letter" oneof:"a b" min:"1"`
		A     *int16         `json:"a" min:"-5"`
		Big   uint64         `json:"big"`
		When  time.Time      `json:"when"`
		Bytes []byte         `json:"bytes,omitempty"`
		Pick  int            `json:"pick" oneof:"1 2" deprecated:"use z"`
		Map   map[string]int `json:"map" max:"3"`
		Token tokenText      `json:"token"`
		Tree  *tree          `json:"tree"`
		Any   any            `json:"any,omitempty"`
	}
	var got, want any
	text := mustValueOf[message](t).JSONSchema()
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "z": {"type": "string", "description": "last letter", "enum": ["a", "b"], "minLength": 1},
    "a": {"type": ["integer", "null"], "minimum": -5, "maximum": 32767},
    "big": {"type": "integer", "minimum": 0},
    "when": {"type": "string", "format": "date-time"},
    "bytes": {"type": ["string", "null"], "contentEncoding": "base64"},
    "pick": {"type": "integer", "enum": [1, 2], "description": "Deprecated: use z", "deprecated": true},
    "map": {"type": ["object", "null"], "additionalProperties": {"type": "integer"}, "maxProperties": 3},
    "token": {"type": "string", "writeOnly": true},
    "tree": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
    "any": {}
  },
  "required": ["z", "big", "when", "pick", "map", "token"],
  "additionalProperties": false,
  "$defs": {"tree": {
    "type": "object",
    "properties": {
      "name": {"type": "string"},
      "kids": {"type": ["array", "null"], "items": {"$ref": "#/$defs/tree"}},
      "by": {"type": ["object", "null"], "additionalProperties": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}}
    },
    "required": ["name"],
    "additionalProperties": false
  }}
}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	order := []string{`"z":`, `"a":`, `"big":`, `"when":`, `"bytes":`, `"pick":`, `"map":`, `"token":`, `"tree":`, `"any":`}
	last := 0
	for _, name := range order {
		i := strings.Index(string(text), name)
		if i < last {
			t.Errorf("%s is out of order in %s", name, text)
		}
		last = i
	}
}

func FuzzValueCheck(f *testing.F) {
	v, err := ValueOf[order]()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		``, `null`, `{}`, `{"id":"a","count":1,"Plain":0}`, `{"id":"a","count":1,"Plain":0,"tree":{"name":"a","kids":[{}]}}`,
		`{"id":"a","count":1e1,"Plain":1.0,"when":"2026-02-30T00:00:00Z","data":"====","gift":{"sku":null}}`,
		`{"a":1}{}`, `[[[[`, "\"\xff\"", `{"price":1e400}`, `{"price":-0}`, `{"wait":9223372036854775808}`, `{"level":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		problems := v.Check(raw)
		if len(problems) > maxProblems {
			t.Fatalf("%d problems", len(problems))
		}
		if len(problems) > 0 {
			return
		}
		var into order
		// Only what a type reads by itself may still be refused.
		if err := json.Unmarshal(raw, &into); err != nil && !strings.Contains(err.Error(), "there are low and high") {
			t.Fatalf("%q passes, but: %v", raw, err)
		}
	})
}
