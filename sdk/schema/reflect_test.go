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

var compareTypes = cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) })

func TestOfReadsTagsIntoTheSchema(t *testing.T) {
	t.Parallel()
	type tls struct {
		Name string `task:"name,label"`
		Cert string `task:"cert" doc:"a file"`
	}
	type config struct {
		URL     string        `task:"url" kind:"url" doc:"page to fetch" was:"uri address"`
		Timeout time.Duration `task:"timeout,optional" default:"10s" min:"1s" max:"1d"`
		Size    int           `task:"size" kind:"bytes" default:"1MiB" max:"2MiB"`
		Retries *int8         `task:"retries" deprecated:"use retry" min:"0.5"`
		Method  string        `task:"method" default:"" oneof:"GET HEAD " pattern:"^G"`
		Names   []string      `task:"names,optional" default:"[\"a\"]"`
		Token   secret        `task:"token,optional"`
		Plain   string        `task:"plain,sensitive"`
		TLS     tls           `task:"tls,block" doc:"how"`
		More    []*tls        `task:"more,block" min:"1" max:"3"`
		Ignored chan int      `task:"-"`
		private int
	}
	_ = config{}.private
	got, err := Of[*config]()
	if err == nil {
		t.Fatal("a default that is not among oneof must be refused")
	}
	if want := `attribute "method": the default "": "" must be one of "GET", "HEAD"`; !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %q", err, want)
	}

	type valid struct {
		URL     string        `task:"url" kind:"url" doc:"page to fetch" was:"uri address"`
		Timeout time.Duration `task:"timeout,optional" default:"10s" min:"1s" max:"1d"`
		Size    int           `task:"size" kind:"bytes" default:"1MiB" max:"2MiB"`
		Retries *int8         `task:"retries" deprecated:"use retry" min:"0.5"`
		Method  string        `task:"method" default:"GET" oneof:"GET HEAD " pattern:"^[GH]"`
		Names   []string      `task:"names,optional" default:"[ \"a\" ]"`
		Token   secret        `task:"token,optional"`
		Plain   string        `task:"plain,sensitive"`
		TLS     tls           `task:"tls,block" doc:"how"`
		More    []*tls        `task:"more,block" min:"1" max:"3"`
		Ignored chan int      `task:"-"`
	}
	got, err = Of[*valid]()
	if err != nil {
		t.Fatal(err)
	}
	inner := Body{Attributes: []Attribute{{Name: "cert", Type: cty.String, Required: true, Doc: "a file"}}}
	want := Body{
		Attributes: []Attribute{
			{Name: "url", Type: cty.String, Kind: KindURL, Required: true, Doc: "page to fetch", Was: []string{"uri", "address"}},
			{Name: "timeout", Type: cty.String, Kind: KindDuration, Default: json.RawMessage(`"10s"`), Min: ptr(1.0), Max: ptr(86400.0)},
			{Name: "size", Type: cty.String, Kind: KindBytes, Default: json.RawMessage(`"1MiB"`), Max: ptr(2097152.0)},
			{Name: "retries", Type: cty.Number, Kind: KindInt8, Deprecated: "use retry", Min: ptr(0.5)},
			{Name: "method", Type: cty.String, Default: json.RawMessage(`"GET"`), OneOf: []string{"GET", "HEAD"}, Pattern: "^[GH]"},
			{Name: "names", Type: cty.List(cty.String), Default: json.RawMessage(`["a"]`)},
			{Name: "token", Type: cty.String, Kind: KindText, Sensitive: true},
			{Name: "plain", Type: cty.String, Required: true, Sensitive: true},
		},
		Blocks: []Block{
			{Name: "tls", Nesting: NestingSingle, Label: "name", Min: 1, Doc: "how", Body: inner},
			{Name: "more", Nesting: NestingList, Label: "name", Min: 1, Max: 3, Body: inner},
		},
	}
	if diff := cmp.Diff(want, got, compareTypes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type recursive struct {
	Next *recursive `task:"next,block"`
}

type recursiveList []recursiveList

func TestOfRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	type label struct {
		Name string `task:"name,label"`
	}
	type required struct {
		Host string `task:"host"`
	}
	for want, config := range map[string]any{
		`it must be a struct`: "text",
		`field A: unknown option "optinal" (did you mean "optional"?): there are "optional", "label", "block", "sensitive"`: struct {
			A string `task:"a,optinal"`
		}{},
		`field a: has a task tag but is not exported`: struct {
			a string `task:"a"`
		}{},
		"field A: has no task tag: give it a name with `task:\"…\"`, or leave it out with `task:\"-\"`": struct{ A string }{},
		`field A: the name "A b" in the task tag must match`: struct {
			A string `task:"A b"`
		}{},
		`field A: the name "" in the task tag must match`: struct {
			A string `task:",optional"`
		}{},
		`attribute "a": the name is used twice`: struct {
			A string `task:"a"`
			B string `task:"a"`
		}{},
		`former name "a": the name is used twice`: struct {
			A string `task:"a"`
			B string `task:"b" was:"a"`
		}{},
		`attribute "dynamic": the name is reserved`: struct {
			A string `task:"dynamic"`
		}{},
		`attribute "a": the default "soon": "soon" is not a duration`: struct {
			A time.Duration `task:"a" default:"soon"`
		}{},
		`field A: the default "x" is no number: write it as JSON`: struct {
			A int `task:"a" default:"x"`
		}{},
		`attribute "a": the default 300: 300 must be a whole number from -128 to 127`: struct {
			A int8 `task:"a" default:"300"`
		}{},
		`attribute "a": the default [null]: [0]: must not be null`: struct {
			A []int `task:"a" default:"[null]"`
		}{},
		`attribute "a": the default "x" is no number`: struct {
			A int `task:"a" default:"\"x\""`
		}{},
		`attribute "a": an object has no default`: struct {
			A required `task:"a" default:"{}"`
		}{},
		`field "x": a field of an object has no default`: struct {
			A struct {
				X string `task:"x" default:"y"`
			} `task:"a"`
		}{},
		`attribute "a": the pattern "(" does not compile`: struct {
			A string `task:"a" pattern:"("`
		}{},
		`attribute "a": min 2 is greater than max 1`: struct {
			A int `task:"a" min:"2" max:"1"`
		}{},
		`field A: the min "x" is no number`: struct {
			A int `task:"a" min:"x"`
		}{},
		`field A: read max: "x" is not a size`: struct {
			A int `task:"a" kind:"bytes" max:"x"`
		}{},
		`field A: a min is no bound for bool`: struct {
			A bool `task:"a" min:"1"`
		}{},
		`field A: unknown kind "byte" (did you mean "bytes"?): there are "bytes", "url"`: struct {
			A int `task:"a" kind:"byte"`
		}{},
		`field A: the kind "bytes" does not fit the type bool`: struct {
			A bool `task:"a" kind:"bytes"`
		}{},
		`field A: the type chan int cannot be configured`: struct {
			A chan int `task:"a"`
		}{},
		`field A: the type map[int]string cannot be configured`: struct {
			A map[int]string `task:"a"`
		}{},
		`field A: bytes have no form in a configuration`: struct {
			A []byte `task:"a"`
		}{},
		`field A: a pointer to a pointer`: struct {
			A **int `task:"a"`
		}{},
		`field A: a block must be a struct, *struct, []struct or map[string]struct, not string`: struct {
			A string `task:"a,block"`
		}{},
		`field A: a block takes no default tag`: struct {
			A *required `task:"a,block" default:"{}"`
		}{},
		`field A: a block cannot be sensitive`: struct {
			A *required `task:"a,block,sensitive"`
		}{},
		`field A: only repeated blocks take min and max`: struct {
			A *required `task:"a,block" min:"1"`
		}{},
		`block "a": min 2 and max 1 make no range`: struct {
			A []required `task:"a,block" min:"2" max:"1"`
		}{},
		`block "a": is optional, but requires "host" in it: use a pointer`: struct {
			A required `task:"a,block,optional"`
		}{},
		`field A: is optional and has a label: use a pointer`: struct {
			A label `task:"a,block,optional"`
		}{},
		`field A: the key of a map of blocks is their label: remove the label "name"`: struct {
			A map[string]label `task:"a,block"`
		}{},
		`only a block has a label`: label{},
		`field A: schema.label has blocks or a label in it, so it must be a block`: struct {
			A label `task:"a"`
		}{},
		`field A: struct {} has no fields to configure`: struct {
			A struct{} `task:"a"`
		}{},
		`schema.recursive contains itself`: recursive{},
		`schema.recursiveList contains itself`: struct {
			A recursiveList `task:"a"`
		}{},
	} {
		_, err := OfType(reflect.TypeOf(config))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T:\n got  %v\n want %s", config, err, want)
		}
	}
}

func TestOfReportsAllFieldsAtOnce(t *testing.T) {
	t.Parallel()
	type config struct {
		A chan int `task:"a"`
		B string
		C struct {
			D func() `task:"d"`
		} `task:"c,block"`
	}
	_, err := Of[config]()
	for _, want := range []string{"read config type schema.config: ", "field A: ", "field B: ", "field C: field D: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v misses %q", err, want)
		}
	}
}

func TestASchemaFromElsewhereIsValidated(t *testing.T) {
	t.Parallel()
	deep := `{}`
	for range maxNesting + 2 {
		deep = `{"blocks":[{"name":"b","nesting":"list","body":` + deep + `}]}`
	}
	for text, want := range map[string]string{
		`{"attributes":[{"name":"a"}]}`:                                                                                      `attribute "a": has no type`,
		`{"attributes":[{"name":"","type":"string"}]}`:                                                                       `the name must match`,
		`{"attributes":[{"name":"a","type":"string","required":true,"default":"x"}]}`:                                        `is required and has a default`,
		`{"attributes":[{"name":"a","type":"string","fields":[{"name":"x","type":"string"}]}]}`:                              `has fields, but its type is no object`,
		`{"attributes":[{"name":"a","type":["object",{}],"fields":[{"name":"x","type":"string"}]}]}`:                         `field "x": the type has no such attribute`,
		`{"blocks":[{"name":"b","nesting":"set","body":{}}]}`:                                                                `unknown nesting "set"`,
		`{"blocks":[{"name":"b","nesting":"map","body":{}}]}`:                                                                `a map of blocks needs a label`,
		`{"blocks":[{"name":"b","nesting":"single","max":2,"body":{}}]}`:                                                     `at most once`,
		`{"blocks":[{"name":"b","nesting":"list","implied":true,"body":{}}]}`:                                                `only an optional single block`,
		`{"blocks":[{"name":"b","nesting":"list","min":-1,"body":{}}]}`:                                                      `make no range`,
		`{"blocks":[{"name":"b","nesting":"list","label":"x y","body":{}}]}`:                                                 `the label's name "x y"`,
		`{"blocks":[{"name":"b","nesting":"list","label":"l","body":{"blocks":[{"name":"l","nesting":"list","body":{}}]}}]}`: `the label's name "l" is used twice`,
		deep: `nest deeper than`,
	} {
		var b Body
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := b.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s:\n got  %v\n want %s", text, err, want)
		}
	}
}

func TestTheHashFollowsTheSchema(t *testing.T) {
	t.Parallel()
	type one struct {
		A string `task:"a"`
	}
	type same struct {
		B string `task:"a"`
	}
	type other struct {
		A string `task:"a" doc:"d"`
	}
	if a, b := mustOf[one](t).Hash(), mustOf[same](t).Hash(); a != b || len(a) != 64 {
		t.Errorf("equal schemas have the hashes %s and %s", a, b)
	}
	if mustOf[one](t).Hash() == mustOf[other](t).Hash() {
		t.Error("different schemas have one hash")
	}
	if (Body{}).Hash() == (Body{Attributes: []Attribute{{Name: "a"}}}).Hash() {
		t.Error("a schema without types has the hash of the empty one")
	}
}
