package schema

import "testing"

func TestSourceRangeGoesAsDeepAsItCan(t *testing.T) {
	t.Parallel()
	native := parse(t, "x.hcl", `
url    = "u"
list   = ["a", "b"]
object = { a = { "b" = 1 }, (c) = 2 }
expr   = concat(list)
tls {
  cert = "c"
}
header "X-A" {
  value = 1
}
header "X-B" {
  value = 2
}
dynamic "made" {
  for_each = []
  content {}
}
`)
	json := parse(t, "x.json", `{
"url": "u",
"tls": {"cert": "c"},
"many": [{"a": 1}, {"a": 2}],
"header": {"X-A": {"value": 1}}
}`)
	for _, test := range []struct {
		json bool
		path []PathStep
		want string
	}{
		{false, nil, "x.hcl:1,1-1"},
		{false, []PathStep{Index(0)}, "x.hcl:1,1-1"},
		{false, []PathStep{Attr("url")}, "x.hcl:2,10-13"},
		{false, []PathStep{Attr("url"), Attr("deeper")}, "x.hcl:2,10-13"},
		{false, []PathStep{Attr("absent")}, "x.hcl:1,1-1"},
		{false, []PathStep{Attr("list"), Index(1)}, "x.hcl:3,16-19"},
		{false, []PathStep{Attr("list"), Index(7)}, "x.hcl:3,10-20"},
		{false, []PathStep{Attr("object"), Attr("a"), Key("b")}, "x.hcl:4,24-25"},
		{false, []PathStep{Attr("object"), Attr("c")}, "x.hcl:4,10-38"},
		{false, []PathStep{Attr("expr"), Index(1)}, "x.hcl:5,10-22"},
		{false, []PathStep{Attr("tls")}, "x.hcl:6,1-4"},
		{false, []PathStep{Attr("tls"), Attr("cert")}, "x.hcl:7,10-13"},
		{false, []PathStep{Attr("tls"), Attr("key")}, "x.hcl:6,5-5"},
		{false, []PathStep{Attr("header"), Index(1), Attr("value")}, "x.hcl:13,11-12"},
		{false, []PathStep{Attr("header"), Index(1), Attr("name")}, "x.hcl:12,8-13"},
		{false, []PathStep{Attr("header"), Index(2), Attr("value")}, "x.hcl:9,1-13"},
		{false, []PathStep{Attr("header"), Key("X-B")}, "x.hcl:12,1-13"},
		{false, []PathStep{Attr("header"), Key("X-C")}, "x.hcl:9,1-13"},
		{false, []PathStep{Attr("made"), Index(3), Attr("x")}, "x.hcl:15,1-15"},
		{true, []PathStep{Attr("url")}, "x.json:2,8-11"},
		{true, []PathStep{Attr("tls"), Attr("cert")}, "x.json:3,17-20"},
		{true, []PathStep{Attr("many"), Index(1), Attr("a")}, "x.json:4,26-27"},
		{true, []PathStep{Attr("tls"), Index(0), Attr("cert")}, "x.json:3,17-20"},
		{true, []PathStep{Attr("header"), Key("X-A"), Attr("value")}, "x.json:5,29-30"},
		{true, []PathStep{Attr("absent")}, "x.json:6,1-2"},
	} {
		body := native
		if test.json {
			body = json
		}
		if got := SourceRange(body, test.path).String(); got != test.want {
			t.Errorf("%s is at %s, want %s", FormatPath(test.path), got, test.want)
		}
	}
}
