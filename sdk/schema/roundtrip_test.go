package schema

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// secret is what an SDK's secret type looks like from here.
type secret struct{ text string }

func (s *secret) UnmarshalText(text []byte) error {
	if string(text) == "refuse me" {
		return errors.New("refused: " + string(text))
	}
	s.text = string(text)
	return nil
}

func (secret) Sensitive() bool { return true }

// level is a type that reads itself and is not sensitive.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New("there are low and high")
	}
	return nil
}

type common struct {
	Note string `task:"note,optional"`
}

type point struct {
	X int  `task:"x"`
	Y *int `task:"y"`
}

type everything struct {
	common
	Bool     bool            `task:"bool"`
	Int      int             `task:"int"`
	Int8     int8            `task:"int8"`
	Int16    int16           `task:"int16"`
	Int32    int32           `task:"int32"`
	Int64    int64           `task:"int64"`
	Uint     uint            `task:"uint"`
	Uint8    uint8           `task:"uint8"`
	Uint16   uint16          `task:"uint16"`
	Uint32   uint32          `task:"uint32"`
	Uint64   uint64          `task:"uint64"`
	Float32  float32         `task:"float32"`
	Float64  float64         `task:"float64"`
	String   string          `task:"string"`
	Duration time.Duration   `task:"duration"`
	Time     time.Time       `task:"time"`
	URL      url.URL         `task:"url"`
	Link     string          `task:"link" kind:"url"`
	Size     int64           `task:"size" kind:"bytes"`
	Secret   secret          `task:"secret"`
	Level    level           `task:"level"`
	Any      any             `task:"any"`
	Cty      cty.Value       `task:"cty"`
	Raw      json.RawMessage `task:"raw"`

	Strings   []string                   `task:"strings"`
	Durations []time.Duration            `task:"durations"`
	Sizes     map[string]int64           `task:"sizes" kind:"bytes"`
	Matrix    [][]int8                   `task:"matrix"`
	ByName    map[string]map[string]bool `task:"by_name"`
	Anys      []any                      `task:"anys"`
	Object    point                      `task:"object"`
	Objects   []point                    `task:"objects"`
	Levels    map[string]*level          `task:"levels"`

	Given  *bool   `task:"given"`
	Absent *bool   `task:"absent"`
	Preset *string `task:"preset" default:"p"`

	Single  server            `task:"single,block"`
	Pointer *server           `task:"pointer,block"`
	None    *server           `task:"none,block"`
	List    []labelled        `task:"list,block"`
	Loose   []loose           `task:"loose,block"`
	Map     map[string]server `task:"map,block"`
	LooseBy map[string]*loose `task:"loose_by,block"`
	Implied defaulted         `task:"implied,block,optional"`
}

type server struct {
	Host string `task:"host"`
	Port uint16 `task:"port" default:"80"`
}

type labelled struct {
	Name  string   `task:"name,label"`
	Value secret   `task:"value"`
	Inner []server `task:"inner,block"`
}

type loose struct {
	Value any `task:"value"`
}

type defaulted struct {
	N    int           `task:"n" default:"3"`
	D    time.Duration `task:"d" default:"1d"`
	L    []string      `task:"l" default:"[\"a\"]"`
	Deep deeper        `task:"deep,block,optional"`
}

type deeper struct {
	On bool `task:"on" default:"true"`
}

const everythingHCL = `
note = "n"
bool = true
int = -1
int8 = -128
int16 = 32767
int32 = -2147483648
int64 = -9223372036854775808
uint = 1
uint8 = 255
uint16 = 65535
uint32 = 4294967295
uint64 = 18446744073709551615
float32 = 0.5
float64 = 1.25
string = "s"
duration = "1d12h"
time = "2026-01-02T03:04:05Z"
url = "https://example.org/a?b=c"
link = "http://example.org"
size = "64KiB"
secret = "hush"
level = "high"
any = { a = [1, "x", true, null] }
cty = [1, 2]
raw = { k = 1.5 }
strings = ["a", "b"]
durations = ["1s", "1d"]
sizes = { a = "1MiB", b = 7 }
matrix = [[1, 2], [], [-3]]
by_name = { a = { x = true } }
anys = [1, "two", [3]]
object = { x = 1 }
objects = [{ x = 1, y = 2 }, { x = 3 }]
levels = { l = "low" }
given = false
single {
  host = "a"
}
pointer {
  host = "b"
  port = 8080
}
list "first" {
  value = "v1"
}
list "second" {
  value = "v2"
  inner {
    host = "i"
  }
}
loose {
  value = 1
}
loose {
  value = ["x"]
}
map "east" {
  host = "e"
}
map "west" {
  host = "w"
  port = 1
}
loose_by "k" {
  value = { deep = true }
}
`

const everythingJSON = `{
"note": "n", "bool": true, "int": -1, "int8": -128, "int16": 32767, "int32": -2147483648,
"int64": -9223372036854775808, "uint": 1, "uint8": 255, "uint16": 65535, "uint32": 4294967295,
"uint64": 18446744073709551615, "float32": 0.5, "float64": 1.25, "string": "s", "duration": "1d12h",
"time": "2026-01-02T03:04:05Z", "url": "https://example.org/a?b=c", "link": "http://example.org",
"size": "64KiB", "secret": "hush", "level": "high", "any": {"a": [1, "x", true, null]}, "cty": [1, 2],
"raw": {"k": 1.5}, "strings": ["a", "b"], "durations": ["1s", "1d"], "sizes": {"a": "1MiB", "b": 7},
"matrix": [[1, 2], [], [-3]], "by_name": {"a": {"x": true}}, "anys": [1, "two", [3]], "object": {"x": 1},
"objects": [{"x": 1, "y": 2}, {"x": 3}], "levels": {"l": "low"}, "given": false,
"single": {"host": "a"}, "pointer": {"host": "b", "port": 8080},
"list": {"first": {"value": "v1"}, "second": {"value": "v2", "inner": [{"host": "i"}]}},
"loose": [{"value": 1}, {"value": ["x"]}],
"map": {"east": {"host": "e"}, "west": {"host": "w", "port": 1}},
"loose_by": {"k": {"value": {"deep": true}}}
}`

func ptr[T any](v T) *T { return &v }

func wantEverything() everything {
	low := level(1)
	return everything{
		common: common{Note: "n"},
		Bool:   true, Int: -1, Int8: -128, Int16: 32767, Int32: -1 << 31, Int64: -1 << 63,
		Uint: 1, Uint8: 255, Uint16: 65535, Uint32: 1<<32 - 1, Uint64: 1<<64 - 1,
		Float32: 0.5, Float64: 1.25, String: "s", Duration: 36 * time.Hour,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		URL:  url.URL{Scheme: "https", Host: "example.org", Path: "/a", RawQuery: "b=c"},
		Link: "http://example.org", Size: 64 << 10, Secret: secret{"hush"}, Level: 2,
		Any:       map[string]any{"a": []any{int64(1), "x", true, nil}},
		Cty:       cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(2)}),
		Raw:       json.RawMessage(`{"k":1.5}`),
		Strings:   []string{"a", "b"},
		Durations: []time.Duration{time.Second, 24 * time.Hour},
		Sizes:     map[string]int64{"a": 1 << 20, "b": 7},
		Matrix:    [][]int8{{1, 2}, {}, {-3}},
		ByName:    map[string]map[string]bool{"a": {"x": true}},
		Anys:      []any{int64(1), "two", []any{int64(3)}},
		Object:    point{X: 1},
		Objects:   []point{{X: 1, Y: ptr(2)}, {X: 3}},
		Levels:    map[string]*level{"l": &low},
		Given:     ptr(false), Preset: ptr("p"),
		Single:  server{"a", 80},
		Pointer: &server{"b", 8080},
		List:    []labelled{{Name: "first", Value: secret{"v1"}, Inner: []server{}}, {Name: "second", Value: secret{"v2"}, Inner: []server{{"i", 80}}}},
		Loose:   []loose{{int64(1)}, {[]any{"x"}}},
		Map:     map[string]server{"east": {"e", 80}, "west": {"w", 1}},
		LooseBy: map[string]*loose{"k": {map[string]any{"deep": true}}},
		Implied: defaulted{N: 3, D: 24 * time.Hour, L: []string{"a"}, Deep: deeper{true}},
	}
}

var compareAll = cmp.Options{
	cmp.AllowUnexported(everything{}, common{}, secret{}),
	cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) }),
}

// viaJSON is the schema as the other side sees it.
func viaJSON(t testing.TB, b Body) Body {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back Body
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if err := back.Validate(); err != nil {
		t.Fatal(err)
	}
	if back.Hash() != b.Hash() {
		t.Fatalf("the hash changes on the way: %s", text)
	}
	return back
}

func parse(t testing.TB, name, source string) hcl.Body {
	t.Helper()
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		file, diags = hcljson.Parse([]byte(source), name)
	} else {
		file, diags = hclsyntax.ParseConfig([]byte(source), name, hcl.InitialPos)
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return file.Body
}

func mustOf[T any](t testing.TB) Body {
	t.Helper()
	b, err := Of[T]()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustDecode(t testing.TB, b Body, body hcl.Body, ctx *hcl.EvalContext) Decoded {
	t.Helper()
	decoded, diags := b.Decode(body, ctx)
	if diags.HasErrors() {
		for _, d := range diags {
			t.Error(d)
		}
		t.FailNow()
	}
	return decoded
}

func TestEveryFieldTypeTravelsFromHCLToTheStruct(t *testing.T) {
	t.Parallel()
	own := mustOf[everything](t)
	host := viaJSON(t, own)
	for name, source := range map[string]string{"x.hcl": everythingHCL, "x.hcl.json": everythingJSON} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decoded := mustDecode(t, host, parse(t, name, source), &hcl.EvalContext{})
			data, err := decoded.Msgpack(host)
			if err != nil {
				t.Fatal(err)
			}
			var got everything
			if err := Unmarshal(own, data, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantEverything(), got, compareAll); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDynamicBlocksExpand(t *testing.T) {
	t.Parallel()
	type config struct {
		Header []labelled        `task:"header,block"`
		Server map[string]server `task:"server,block"`
	}
	b := mustOf[config](t)
	decoded := mustDecode(t, b, parse(t, "x.hcl", `
dynamic "header" {
  for_each = { a = "1", b = "2" }
  labels   = [header.key]
  content {
    value = header.value
  }
}
dynamic "server" {
  for_each = names
  iterator = it
  labels   = ["s-${it.value}"]
  content {
    host = it.value
  }
}
`), &hcl.EvalContext{Variables: map[string]cty.Value{"names": cty.ListVal([]cty.Value{cty.StringVal("x")})}})
	var got config
	if err := Assign(decoded.Value, &got); err != nil {
		t.Fatal(err)
	}
	want := config{
		Header: []labelled{{Name: "a", Value: secret{"1"}, Inner: []server{}}, {Name: "b", Value: secret{"2"}, Inner: []server{}}},
		Server: map[string]server{"s-x": {"x", 80}},
	}
	if diff := cmp.Diff(want, got, compareAll); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCtyTypeIsWhatTheSpecImplies(t *testing.T) {
	t.Parallel()
	b := mustOf[everything](t)
	if got, want := b.CtyType(), hcldec.ImpliedType(b.Spec()).WithoutOptionalAttributesDeep(); !got.Equals(want) {
		t.Errorf("CtyType is %#v, the spec implies %#v", got, want)
	}
}

func TestAnAbsentImpliedBlockIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	type inner struct {
		Any    any               `task:"any" default:"{\"a\":[1]}"`
		Opt    string            `task:"opt,optional"`
		List   []server          `task:"list,block"`
		Loose  []loose           `task:"loose,block"`
		Map    map[string]server `task:"map,block"`
		ByName map[string]loose  `task:"by_name,block"`
		One    *server           `task:"one,block"`
		Deep   defaulted         `task:"deep,block,optional"`
	}
	type config struct {
		Inner inner `task:"inner,block,optional"`
	}
	b := viaJSON(t, mustOf[config](t))
	absent := mustDecode(t, b, parse(t, "x.hcl", ``), nil)
	empty := mustDecode(t, b, parse(t, "x.hcl", "inner {\n}\n"), nil)
	if !absent.Value.RawEquals(empty.Value) {
		t.Errorf("absent: %#v\nempty:  %#v", absent.Value, empty.Value)
	}
	data, err := absent.Msgpack(b)
	if err != nil {
		t.Fatal(err)
	}
	var got config
	if err := Unmarshal(b, data, &got); err != nil {
		t.Fatal(err)
	}
	want := config{Inner: inner{
		Any:  map[string]any{"a": []any{int64(1)}},
		List: []server{}, Loose: []loose{}, Map: map[string]server{}, ByName: map[string]loose{},
		Deep: defaulted{N: 3, D: 24 * time.Hour, L: []string{"a"}, Deep: deeper{true}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func BenchmarkDecode(b *testing.B) {
	schema := mustOf[everything](b)
	body := parse(b, "x.hcl", everythingHCL)
	for b.Loop() {
		if _, diags := schema.Decode(body, nil); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	schema := mustOf[everything](b)
	data, err := mustDecode(b, schema, parse(b, "x.hcl", everythingHCL), nil).Msgpack(schema)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Unmarshal(schema, data, new(everything)); err != nil {
			b.Fatal(err)
		}
	}
}
