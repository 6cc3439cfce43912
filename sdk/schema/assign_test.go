package schema

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

func TestAssignNamesThePath(t *testing.T) {
	t.Parallel()
	object := func(name string, v cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{name: v})
	}
	type config struct {
		N     int8             `task:"n"`
		U     uint16           `task:"u"`
		F     float32          `task:"f"`
		B     bool             `task:"b"`
		D     time.Duration    `task:"d"`
		S     []time.Duration  `task:"s"`
		M     map[string]level `task:"m"`
		Size  uint8            `task:"size" kind:"bytes"`
		Token secret           `task:"token"`
		Wait  time.Duration    `task:"wait,sensitive"`
		Deep  map[string][]struct {
			X int `task:"x"`
		} `task:"deep"`
	}
	for want, value := range map[string]cty.Value{
		"n: 128 must be a whole number from -128 to 127":   object("n", cty.NumberIntVal(128)),
		"n: 1.5 must be a whole number":                    object("n", cty.NumberFloatVal(1.5)),
		"n: a number is required, not bool":                object("n", cty.True),
		"u: -1 must be a whole number from 0 to 65535":     object("u", cty.NumberIntVal(-1)),
		"f: 1e+300 is too large for a float32":             object("f", cty.NumberFloatVal(1e300)),
		"b: a bool is required, not string":                object("b", cty.StringVal("x")),
		`d: "x" is not a duration`:                         object("d", cty.StringVal("x")),
		`s[1]: "x" is not a duration`:                      object("s", cty.ListVal([]cty.Value{cty.StringVal("1s"), cty.StringVal("x")})),
		"s: a list is required, not string":                object("s", cty.StringVal("x")),
		`m["k"]: there are low and high`:                   object("m", cty.MapVal(map[string]cty.Value{"k": cty.StringVal("x")})),
		"m: a map is required, not string":                 object("m", cty.StringVal("x")),
		"size: 1024 must be from 0 to 255":                 object("size", cty.StringVal("1KiB")),
		"token: the value (sensitive) is not accepted":     object("token", cty.StringVal("refuse me")),
		"wait: the value (sensitive) is not accepted":      object("wait", cty.StringVal("canary")),
		`deep["k"][0].x: a number is required, not string`: object("deep", object("k", cty.TupleVal([]cty.Value{object("x", cty.StringVal("y"))}))),
		`deep["k"][0]: an object is required, not number`:  object("deep", object("k", cty.TupleVal([]cty.Value{cty.Zero}))),
		"n: the value is not known":                        object("n", cty.UnknownVal(cty.Number)),
		"extra: schema.config has no such field":           object("extra", cty.Zero),
		"an object is required, not string":                cty.StringVal("x"),
	} {
		var into config
		err := Assign(value, &into)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if wrong := (*PathError)(nil); !errors.As(err, &wrong) {
			t.Errorf("%v is no PathError", err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%v shows a sensitive value", err)
		}
	}
}

func TestNullLeavesAPresetAndClearsAPointer(t *testing.T) {
	t.Parallel()
	type config struct {
		A string  `task:"a,optional"`
		B *string `task:"b"`
		C []int   `task:"c,optional"`
	}
	got := config{A: "preset", B: ptr("x"), C: []int{1}}
	err := Assign(cty.ObjectVal(map[string]cty.Value{
		"a": cty.NullVal(cty.String), "b": cty.NullVal(cty.String),
	}), &got)
	if err != nil || got.A != "preset" || got.B != nil || len(got.C) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAssignNeedsAPointer(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, 1, (*int)(nil)} {
		if err := Assign(cty.Zero, into); err == nil {
			t.Errorf("Assign into %T succeeds", into)
		}
	}
}

func TestAnyKeepsNumbersExact(t *testing.T) {
	t.Parallel()
	big1, _, _ := big.ParseFloat("123456789012345678901", 10, 512, big.ToNearestEven)
	for _, test := range []struct {
		value cty.Value
		want  any
	}{
		{cty.NumberIntVal(1 << 62), int64(1 << 62)},
		{cty.NumberFloatVal(1.5), 1.5},
		{cty.NumberVal(big1), json.Number("123456789012345678901")},
		{cty.SetVal([]cty.Value{cty.True}), nil},
	} {
		var got any
		if err := Assign(test.value, &got); err != nil {
			t.Error(err)
		}
		if test.want != nil && got != test.want {
			t.Errorf("%#v becomes %#v, want %#v", test.value, got, test.want)
		}
	}
}

func TestUnmarshalRefusesBytesOfAnotherSchema(t *testing.T) {
	t.Parallel()
	type config struct {
		A string `task:"a"`
	}
	var into config
	nan := []byte{0x81, 0xa1, 'a', 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1}
	if err := Unmarshal(mustOf[struct {
		A float64 `task:"a"`
	}](t), nan, &into); err == nil {
		t.Error("NaN is accepted")
	}
	for _, data := range [][]byte{nil, {0xff}, {0x81}, []byte("nonsense")} {
		if err := Unmarshal(mustOf[config](t), data, &into); err == nil || !strings.HasPrefix(err.Error(), "decode configuration: ") {
			t.Errorf("%x: %v", data, err)
		}
	}
}
