package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"pgregory.net/rapid"
)

// nasty is a context with every shape of marked, unknown and null values.
func nasty() *hcl.EvalContext {
	mark := func(v cty.Value) cty.Value { return v.Mark("sensitive") }
	canary := cty.StringVal("canary")
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"s":  cty.StringVal("text"),
			"m":  mark(canary),
			"mn": mark(cty.NumberIntVal(3)),
			"mu": mark(cty.UnknownVal(cty.String)),
			"md": mark(cty.DynamicVal),
			"mz": mark(cty.NullVal(cty.String)),
			"ml": mark(cty.ListVal([]cty.Value{canary, canary})),
			"lm": cty.ListVal([]cty.Value{mark(canary), cty.StringVal("b")}),
			"tm": cty.TupleVal([]cty.Value{mark(canary), cty.UnknownVal(cty.Number), cty.NullVal(cty.Bool)}),
			"om": cty.ObjectVal(map[string]cty.Value{"a": mark(canary), "host": cty.UnknownVal(cty.String)}),
			"mo": mark(cty.MapVal(map[string]cty.Value{"a": canary})),
			"sm": cty.SetVal([]cty.Value{mark(canary), cty.StringVal("b")}),
			"u":  cty.UnknownVal(cty.String),
			"un": cty.UnknownVal(cty.Number),
			"ul": cty.UnknownVal(cty.List(cty.String)),
			"um": cty.UnknownVal(cty.Map(cty.String)).RefineNotNull(),
			"d":  cty.DynamicVal,
			"z":  cty.NullVal(cty.DynamicPseudoType),
		},
		Functions: map[string]function.Function{
			"upper": stdlib.UpperFunc, "concat": stdlib.ConcatFunc, "merge": stdlib.MergeFunc, "length": stdlib.LengthFunc,
			"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "flatten": stdlib.FlattenFunc, "format": stdlib.FormatFunc,
		},
	}
}

// checkDecode decodes and holds the result to what the package promises.
func checkDecode(t interface {
	Helper()
	Fatalf(string, ...any)
}, b Body, body hcl.Body, into any) {
	t.Helper()
	decoded, diags := b.Decode(body, nasty())
	last := 0
	for _, d := range diags {
		if d.Summary == panicSummary {
			t.Fatalf("the evaluation panics: %s", d.Detail)
		}
		if strings.Contains(d.Summary+d.Detail, "canary") {
			t.Fatalf("a diagnostic shows a sensitive value: %s", d)
		}
		if d.Subject == nil || d.Subject.Start.Byte < last {
			t.Fatalf("a diagnostic is out of order: %s", d)
		}
		last = d.Subject.Start.Byte
	}
	text, err := decoded.RedactedJSON()
	if err != nil {
		t.Fatalf("redact: %v", err)
	}
	if strings.Contains(string(text), "canary") {
		t.Fatalf("redacted, but: %s", text)
	}
	if diags.HasErrors() {
		return
	}
	data, err := decoded.Msgpack(b)
	if len(decoded.Unknown) > 0 {
		if err == nil {
			t.Fatalf("unknown values are sent: %#v", decoded.Value)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v: %#v", err, decoded.Value)
	}
	// What only the plugin's own types refuse is an error, but never a panic
	// and never one that shows a secret.
	if err := Unmarshal(b, data, into); err != nil && strings.Contains(err.Error(), "canary") {
		t.Fatalf("an error of the plugin's side shows a sensitive value: %v", err)
	}
}

var nastyExpressions = []string{
	"s", "m", "mn", "mu", "md", "mz", "ml", "lm", "tm", "om", "mo", "sm", "u", "un", "ul", "um", "d", "z",
	"null", "1", "true", "\"1s\"", "\"http://x\"", "[m, u, z]", "{ a = m, b = u }", "[{ x = mn }, { x = un, y = d }]",
	"\"x${m}y${u}\"", "m == \"x\" ? u : md", "[for x in ml : x]", "{ for k, v in mo : k => v }", "lm[*]", "ml[mn]", "om.a", "om.none",
	"upper(m)", "concat(ml, lm, ul)", "merge(om, mo)", "length(ml)", "toset(lm)", "flatten([tm, ml])", "format(\"%s\", md)", "{ user = m }",
}

func TestDecodeSurvivesMarkedAndUnknownValues(t *testing.T) {
	t.Parallel()
	schemas := []struct {
		body Body
		into func() any
	}{
		{mustOf[checked](t), func() any { return new(checked) }},
		{mustOf[everything](t), func() any { return new(everything) }},
		{mustOf[redacting](t), func() any { return new(redacting) }},
	}
	rapid.Check(t, func(t *rapid.T) {
		schema := schemas[rapid.IntRange(0, len(schemas)-1).Draw(t, "schema")]
		source := drawBody(t, schema.body, 0)
		file, diags := hclsyntax.ParseConfig([]byte(source), "x.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%v in\n%s", diags, source)
		}
		checkDecode(t, schema.body, file.Body, schema.into())
	})
}

// drawBody writes a configuration of mostly the right shape.
func drawBody(t *rapid.T, b Body, depth int) string {
	var out strings.Builder
	expression := func(name string) string { return rapid.SampledFrom(nastyExpressions).Draw(t, name) }
	for _, a := range b.Attributes {
		if a.Required || rapid.Bool().Draw(t, a.Name) {
			fmt.Fprintf(&out, "%s = %s\n", a.Name, expression(a.Name))
		}
	}
	for _, block := range b.Blocks {
		if depth > 2 {
			continue
		}
		for range rapid.IntRange(block.Min, 2).Draw(t, block.Name) {
			inner := drawBody(t, block.Body, depth+1)
			label := ""
			if block.Label != "" {
				label = fmt.Sprintf("%q", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "label"))
			}
			if rapid.Bool().Draw(t, "static") {
				fmt.Fprintf(&out, "%s %s {\n%s}\n", block.Name, label, inner)
				continue
			}
			labels := ""
			if label != "" {
				labels = "labels = [" + rapid.SampledFrom([]string{label, expression("labels"), block.Name + ".key"}).Draw(t, "which") + "]"
			}
			fmt.Fprintf(&out, "dynamic %q {\nfor_each = %s\n%s\ncontent {\n%s}\n}\n", block.Name, expression("for_each"), labels, inner)
		}
	}
	return out.String()
}

func FuzzDecode(f *testing.F) {
	schemas := []Body{mustOf[checked](f), mustOf[everything](f), mustOf[redacting](f)}
	targets := []func() any{func() any { return new(checked) }, func() any { return new(everything) }, func() any { return new(redacting) }}
	for i, seed := range []string{
		"", everythingHCL, redactingHCL, everythingJSON, "url = m\ntoken = u\n", "dynamic \"header\" {\nfor_each = ml\nlabels = [header.value]\ncontent {\nvalue = header.value\n}\n}\n",
		"dynamic \"peer\" {\nfor_each = d\nlabels = [u]\ncontent {}\n}", "url = [for x in md : x]", "auth = merge(om, md)", `{"url": "${m}", "header": {"x": [{"value": "${u}"}, null, 3]}, "tls": [], "peer": 4}`,
		`{"dynamic": {"header": {"for_each": "${ml}", "labels": ["a"], "content": {"value": 1}}}}`, `[]`, `[{"url": 1}, {"url": 2}]`, "dynamic {}", "dynamic \"x\" \"y\" {}",
	} {
		for which := range schemas {
			f.Add(seed, byte(which), strings.HasPrefix(seed, "{") || strings.HasPrefix(seed, "[") && i > 0)
		}
	}
	f.Fuzz(func(t *testing.T, source string, which byte, isJSON bool) {
		if len(source) > 1<<14 {
			return
		}
		var file *hcl.File
		var diags hcl.Diagnostics
		if isJSON {
			file, diags = hcljson.Parse([]byte(source), "x.json")
		} else {
			file, diags = hclsyntax.ParseConfig([]byte(source), "x.hcl", hcl.InitialPos)
		}
		if file == nil || diags.HasErrors() || strings.Contains(source, "canary") {
			return
		}
		i := int(which) % len(schemas)
		checkDecode(t, schemas[i], file.Body, targets[i]())
		SourceRange(file.Body, []PathStep{Attr("header"), Index(0), Attr("value")})
		SourceRange(file.Body, []PathStep{Attr("peer"), Key("a"), Attr("host")})
		SourceRange(file.Body, []PathStep{Attr("auth"), Attr("user")})
	})
}

// FuzzBody takes schemas as a foreign plugin may send them.
func FuzzBody(f *testing.F) {
	for _, b := range []Body{mustOf[checked](f), mustOf[everything](f), mustOf[redacting](f)} {
		text, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{
		`{}`, `null`, `{"attributes":[{"name":"a","type":["list","dynamic"],"default":[1,"x"]}]}`,
		`{"attributes":[{"name":"url","type":["set",["object",{"a":"dynamic"}]],"kind":"int8","fields":[{"name":"a","type":"bool","sensitive":true}]}]}`,
		`{"attributes":[{"name":"url","type":["tuple",["string","dynamic"]],"kind":"duration","min":1e308,"max":-0}]}`,
		`{"blocks":[{"name":"tls","nesting":"single","implied":true,"body":{"blocks":[{"name":"b","nesting":"map","label":"l","body":{"attributes":[{"name":"a","type":"dynamic","kind":"url"}]}}]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	sources := []hcl.Body{
		parse(f, "x.hcl", everythingHCL), parse(f, "x.json", everythingJSON), parse(f, "x.hcl", redactingHCL), parse(f, "x.hcl", ""),
		parse(f, "x.hcl", "url = [1, m, u]\na = { a = lm }\ntls {\n b \"x\" {\n  a = tm\n }\n}\n"),
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b Body
		if err := json.Unmarshal(text, &b); err != nil || b.Validate() != nil {
			return
		}
		Markdown(b)
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if viaJSON(t, b).Hash() != b.Hash() {
			t.Fatalf("the hash of %s is not stable", again)
		}
		for _, source := range sources {
			decoded, diags := b.Decode(source, nasty())
			for _, d := range diags {
				if d.Summary == panicSummary {
					t.Fatalf("%s: %s", again, d.Detail)
				}
			}
			if _, err := decoded.RedactedJSON(); err != nil {
				t.Fatal(err)
			}
			if !diags.HasErrors() && len(decoded.Unknown) == 0 {
				if _, err := decoded.Msgpack(b); err != nil {
					t.Fatalf("%s: %v", again, err)
				}
			}
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	b := mustOf[everything](f)
	decoded := mustDecode(f, b, parse(f, "x.hcl", everythingHCL), nil)
	data, err := decoded.Msgpack(b)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, data, {0x80}, {0xc0}, {0xd4, 0, 0}, {0xdf, 0xff, 0xff, 0xff, 0xff}, data[:len(data)/2]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = Unmarshal(b, data, new(everything))
	})
}
