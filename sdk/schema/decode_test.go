package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

type checked struct {
	URL     string         `task:"url" kind:"url"`
	Method  string         `task:"method" default:"GET" oneof:"GET HEAD"`
	Timeout time.Duration  `task:"timeout" default:"10s" min:"1s" max:"1h"`
	Size    int64          `task:"size,optional" kind:"bytes" max:"1MiB"`
	Retries int8           `task:"retries,optional" min:"0" max:"5"`
	Name    string         `task:"name,optional" pattern:"^[a-z]+$" min:"2"`
	Tags    []string       `task:"tags,optional" oneof:"a b" max:"2"`
	Token   secret         `task:"token,optional" pattern:"^t-"`
	Pin     int            `task:"pin,optional,sensitive" max:"9999"`
	Pause   time.Duration  `task:"pause,optional,sensitive"`
	Old     string         `task:"old,optional" deprecated:"use name"`
	Path    string         `task:"path,optional" was:"file dir"`
	Labels  map[string]int `task:"labels,optional"`
	Ratio   float64        `task:"ratio,optional"`
	Extra   any            `task:"extra,optional"`
	Auth    *struct {
		User string `task:"user"`
	} `task:"auth"`
	TLS    *server           `task:"tls,block"`
	Header []labelled        `task:"header,block" max:"2"`
	Peer   map[string]server `task:"peer,block" max:"1"`
}

func lines(diags hcl.Diagnostics) string {
	var out strings.Builder
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		fmt.Fprintf(&out, "%s %s: %s; %s\n", severity, d.Subject, d.Summary, d.Detail)
	}
	return out.String()
}

const checkedTakes = `This block takes: url (required), method, timeout, size, retries, name, tags, token, pin, pause, old, path, labels, ratio, extra, auth, tls { }, header "name" { }, peer "name" { }.`

func TestDiagnosticsHaveTheirRangeAndAHint(t *testing.T) {
	t.Parallel()
	b := viaJSON(t, mustOf[checked](t))
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{
		"secret":  cty.StringVal("canary").Mark("sensitive"),
		"secrets": cty.SetVal([]cty.Value{cty.StringVal("canary").Mark("sensitive")}),
		"plain":   cty.StringVal("canary"),
	}}
	for name, test := range map[string]struct{ source, want string }{
		"missing required": {
			`method = "GET"`,
			`error x.hcl:1,1-1: Missing required attribute; "url" is required: give it a value other than null.`,
		},
		"null for required": {
			`url = null`,
			`error x.hcl:1,7-11: Missing required attribute; "url" is required: give it a value other than null.`,
		},
		"null for a default is the default": {"url = \"http://x\"\nmethod = null", ``},
		"near name": {
			"url = \"http://x\"\ntimeot = 1",
			`error x.hcl:2,1-7: Unknown attribute "timeot"; Did you mean "timeout"? ` + checkedTakes,
		},
		"far name": {
			"url = \"http://x\"\ncolour = 1",
			`error x.hcl:2,1-7: Unknown attribute "colour"; ` + checkedTakes,
		},
		"unknown block": {
			"url = \"http://x\"\nheadr \"x\" {}",
			`error x.hcl:2,1-6: Unknown block "headr"; Did you mean "header"? ` + checkedTakes,
		},
		"unknown name in a block": {
			"url = \"http://x\"\ntls {\n  host = \"h\"\n  prt = 1\n}",
			`error x.hcl:4,3-6: Unknown attribute "prt"; Did you mean "port"? This block takes: host (required), port.`,
		},
		"unknown name in a dynamic block": {
			"url = \"http://x\"\ndynamic \"header\" {\n  for_each = [1, 2]\n  labels = [header.value]\n  content {\n    valu = 1\n    value = \"\"\n  }\n}",
			`error x.hcl:6,5-9: Unknown attribute "valu"; Did you mean "value"? This block takes: value (required), inner { }.`,
		},
		"unknown dynamic block": {
			"url = \"http://x\"\ndynamic \"headr\" {\n  for_each = []\n  content {}\n}",
			`error x.hcl:2,9-16: Unknown block "headr"; Did you mean "header"? ` + checkedTakes,
		},
		"attribute as block": {
			"url = \"http://x\"\nlabels {}",
			`error x.hcl:2,1-7: "labels" is an attribute; Write labels = …, with an equals sign.`,
		},
		"block as attribute": {
			"url = \"http://x\"\ntls = {}",
			`error x.hcl:2,1-4: "tls" is a block; Write tls { … }, without the equals sign.`,
		},
		"wrong type": {
			"url = \"http://x\"\nretries = \"many\"",
			`error x.hcl:2,11-17: Incorrect attribute value type; Inappropriate value for attribute "retries": a number is required.`,
		},
		"duration": {
			"url = \"http://x\"\ntimeout = \"10 parsecs\"",
			`error x.hcl:2,11-23: Invalid value; timeout: "10 parsecs" is not a duration: write a number with a unit (ns, us, ms, s, m, h, d), such as "10s", "1.5h" or "1d12h".`,
		},
		"duration out of range": {
			"url = \"http://x\"\ntimeout = \"1d\"",
			`error x.hcl:2,11-15: Invalid value; timeout: "1d" must be at most 1h.`,
		},
		"size": {
			"url = \"http://x\"\nsize = 2000000",
			`error x.hcl:2,8-15: Invalid value; size: "2000000" must be at most 1MiB.`,
		},
		"url": {
			`url = "example.org"`,
			`error x.hcl:1,7-20: Invalid value; url: "example.org" must be an absolute URL, such as "https://example.org/path".`,
		},
		"integer width": {
			"url = \"http://x\"\nretries = 1e999999",
			`error x.hcl:2,11-19: Invalid value; retries: the number must be a whole number from -128 to 127.`,
		},
		"number beyond all bounds": {
			"url = \"http://x\"\nratio = 1e999999\nextra = { a = [1e999999] }",
			"error x.hcl:2,9-17: Invalid value; ratio: must be a number that 64 bits can hold.\n" +
				`error x.hcl:3,9-27: Invalid value; extra.a[0]: must be a number that 64 bits can hold.`,
		},
		"fraction": {
			"url = \"http://x\"\nretries = 1.5",
			`error x.hcl:2,11-14: Invalid value; retries: 1.5 must be a whole number.`,
		},
		"number range": {
			"url = \"http://x\"\nretries = 6",
			`error x.hcl:2,11-12: Invalid value; retries: 6 must be at most 5.`,
		},
		"one of": {
			"url = \"http://x\"\nmethod = \"POST\"",
			`error x.hcl:2,10-16: Invalid value; method: "POST" must be one of "GET", "HEAD".`,
		},
		"pattern": {
			"url = \"http://x\"\nname = \"A1\"",
			`error x.hcl:2,8-12: Invalid value; name: "A1" must match the pattern ^[a-z]+$.`,
		},
		"length": {
			"url = \"http://x\"\nname = \"a\"",
			`error x.hcl:2,8-11: Invalid value; name: "a" must be at least 2 characters.`,
		},
		"elements": {
			"url = \"http://x\"\ntags = [\"a\", \"c\", null]",
			"error x.hcl:2,8-24: Invalid value; tags: must be at most 2 elements.\n" +
				"error x.hcl:2,8-24: Invalid value; tags[1]: \"c\" must be one of \"a\", \"b\".\n" +
				`error x.hcl:2,8-24: Invalid value; tags[2]: must not be null.`,
		},
		"field of an object": {
			"url = \"http://x\"\nauth = {}",
			`error x.hcl:2,8-10: Incorrect attribute value type; Inappropriate value for attribute "auth": attribute "user" is required.`,
		},
		"null field of an object": {
			"url = \"http://x\"\nauth = { user = null }",
			`error x.hcl:2,8-23: Invalid value; auth.user: must not be null.`,
		},
		"sensitive by type": {
			"url = \"http://x\"\ntoken = plain",
			`error x.hcl:2,9-14: Invalid value; token: the value (sensitive) must match the pattern ^t-.`,
		},
		"sensitive by mark": {
			"url = secret",
			`error x.hcl:1,7-13: Invalid value; url: the value (sensitive) must be an absolute URL, such as "https://example.org/path".`,
		},
		"sensitive duration": {
			"url = \"http://x\"\npause = plain",
			`error x.hcl:2,9-14: Invalid value; pause: the value (sensitive) is not an accepted duration: ` + durationForm + `.`,
		},
		"deprecated": {
			"url = \"http://x\"\nold = \"\"",
			`warning x.hcl:2,1-4: "old" is deprecated; use name`,
		},
		"former name": {
			"url = \"http://x\"\ndir = \"\"",
			`warning x.hcl:2,1-4: "dir" is now called "path"; The former name still works. Rename it to "path".`,
		},
		"former and new name": {
			"url = \"http://x\"\npath = \"\"\nfile = \"\"",
			`error x.hcl:3,1-5: "path" is given twice; "file" is the former name of "path", which is given as "path" at x.hcl:2,1-5. Keep one of the two.`,
		},
		"too many blocks": {
			"url = \"http://x\"\nheader \"a\" {\n value=\"\"\n}\nheader \"b\" {\n value=\"\"\n}\nheader \"c\" {\n value=\"\"\n}",
			`error x.hcl:8,12-12: Too many header blocks; No more than 2 "header" blocks are allowed`,
		},
		"too many blocks of a map": {
			"url = \"http://x\"\npeer \"a\" {\n host=\"\"\n}\npeer \"b\" {\n host=\"\"\n}",
			`error x.hcl:2,10-10: Wrong number of peer blocks; At most 1 "peer" blocks are allowed here, not 2.`,
		},
		"same label": {
			"url = \"http://x\"\npeer \"a\" {\n host=\"\"\n}\npeer \"a\" {\n host=\"\"\n}",
			`error x.hcl:5,1-9: Duplicate peer block; A block for peer "a" was already defined. The peer labels must be unique.`,
		},
		"missing label": {
			"url = \"http://x\"\npeer {}",
			`error x.hcl:2,6-7: Missing name for peer; All peer blocks must have 1 labels (name).`,
		},
		"second single block": {
			"url = \"http://x\"\ntls {\n host=\"\"\n}\ntls {\n host=\"\"\n}",
			`error x.hcl:5,1-4: Duplicate tls block; Only one block of type "tls" is allowed. Previous definition was at x.hcl:2,1-4.`,
		},
		"sensitive labels": {
			"url = \"http://x\"\ndynamic \"peer\" {\n  for_each = secrets\n  labels = [peer.key]\n  content {\n    host = peer.value\n  }\n}",
			`error x.hcl:3,14-21: Sensitive value in labels; The labels of these blocks are shown, and would be made from a sensitive value. Iterate over a value that is not sensitive.`,
		},
		"unknown variable": {
			`url = nothing`,
			`error x.hcl:1,7-14: Unknown variable; There is no variable named "nothing".`,
		},
		"all at once, in order": {
			"methd = 1\nretries = 9\ntimeout = 1\nurl = \"x\"",
			`error x.hcl:1,1-6: Unknown attribute "methd"; Did you mean "method"? ` + checkedTakes + "\n" +
				"error x.hcl:2,11-12: Invalid value; retries: 9 must be at most 5.\n" +
				`error x.hcl:3,11-12: Invalid value; timeout: "1" is not a duration: ` + durationForm + ".\n" +
				`error x.hcl:4,7-10: Invalid value; url: "x" must be an absolute URL, such as "https://example.org/path".`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, diags := b.Decode(parse(t, "x.hcl", test.source), ctx)
			if diff := cmp.Diff(test.want, strings.TrimSuffix(lines(diags), "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDiagnosticsInJSON(t *testing.T) {
	t.Parallel()
	b := mustOf[checked](t)
	_, diags := b.Decode(parse(t, "x.hcl.json", `{
  "url": null,
  "//": "a comment",
  "timeot": "1s",
  "tls": {"host": "h", "prt": 1},
  "retries": 500
}`), nil)
	want := `error x.hcl.json:2,10-14: Missing required attribute; "url" is required: give it a value other than null.
error x.hcl.json:4,3-11: Unknown attribute "timeot"; Did you mean "timeout"? ` + checkedTakes + `
error x.hcl.json:5,24-29: Unknown attribute "prt"; Did you mean "port"? This block takes: host (required), port.
error x.hcl.json:6,14-17: Invalid value; retries: 500 must be a whole number from -128 to 127.
`
	if diff := cmp.Diff(want, lines(diags)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestARequiredAttributeMayStandUnderItsFormerName(t *testing.T) {
	t.Parallel()
	type config struct {
		Path string `task:"path" was:"file" pattern:"^/"`
	}
	b := mustOf[config](t)
	for source, want := range map[string]string{
		`file = "/x"`: "warning x.hcl:1,1-5: \"file\" is now called \"path\"; The former name still works. Rename it to \"path\".\n",
		`path = "/x"`: "",
		``:            "error x.hcl:1,1-1: Missing required attribute; \"path\" is required: give it a value other than null.\n",
		`path = "x"`:  "error x.hcl:1,8-11: Invalid value; path: \"x\" must match the pattern ^/.\n",
	} {
		decoded, diags := b.Decode(parse(t, "x.hcl", source), nil)
		if diff := cmp.Diff(want, lines(diags)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", source, diff)
		}
		if !diags.HasErrors() && decoded.Value.GetAttr("path").AsString() != "/x" {
			t.Errorf("%s: got %#v", source, decoded.Value)
		}
	}
}

func TestABodyThatIsLeftOverReportsOnlyWhatIsLeft(t *testing.T) {
	t.Parallel()
	type config struct {
		URL string `task:"url"`
	}
	body := parse(t, "x.hcl", "taken = 1\nblock {}\nurl = \"u\"\nother {}")
	_, remain, diags := body.PartialContent(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "taken"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "block"}},
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = mustOf[config](t).Decode(remain, nil)
	want := "error x.hcl:4,1-6: Unknown block \"other\"; This block takes: url (required).\n"
	if diff := cmp.Diff(want, lines(diags)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSensitiveExpressionsLeaveTheDiagnostic(t *testing.T) {
	t.Parallel()
	b := mustOf[checked](t)
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"plain": cty.StringVal("canary")}}
	body := parse(t, "x.hcl", "url = \"http://x\"\npin = plain\nretries = plain")
	_, diags := b.Decode(body, ctx)
	if len(diags) != 2 || diags[0].EvalContext != nil || diags[0].Expression != nil {
		t.Errorf("the diagnostic of a sensitive attribute shows its variables: %v", diags)
	}
	if len(diags) == 2 && diags[1].EvalContext == nil {
		t.Error("the diagnostic of another attribute has lost its variables")
	}
}

func TestAPanicInAnExpressionBecomesADiagnostic(t *testing.T) {
	t.Parallel()
	b := mustOf[checked](t)
	_, diags := b.Decode(panicBody{parse(t, "x.hcl", `url = "http://x"`)}, nil)
	want := "error x.hcl:1,1-1: Configuration cannot be evaluated; An expression in this block made its evaluation fail: no such luck. Simplify the block until it passes to find the expression.\n"
	if diff := cmp.Diff(want, lines(diags)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type panicBody struct{ hcl.Body }

func (panicBody) Content(*hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	panic("no such luck")
}
