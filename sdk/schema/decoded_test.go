package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

type redacting struct {
	Plain   string `task:"plain"`
	Token   secret `task:"token"`
	Maybe   secret `task:"maybe,optional"`
	List    []int  `task:"list"`
	Hidden  []int  `task:"hidden,sensitive"`
	Any     any    `task:"any"`
	Objects []struct {
		User string `task:"user"`
		Pass secret `task:"pass"`
	} `task:"objects"`
	Header []labelled        `task:"header,block"`
	By     map[string]hiding `task:"by,block"`
}

type hiding struct {
	Key secret `task:"key"`
	N   int    `task:"n" default:"1"`
}

const redactingHCL = `
plain = plain
token = "s1"
list = [1, secret]
hidden = [1]
any = { a = "x${secret}", b = [1] }
objects = [{ user = "u", pass = "s2" }]
header "h" {
  value = "s3"
}
by "k" {
  key = "s4"
}
`

func TestSensitiveAndMarkedValuesAreRedacted(t *testing.T) {
	t.Parallel()
	b := viaJSON(t, mustOf[redacting](t))
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{
		"plain":  cty.StringVal("p"),
		"secret": cty.NumberIntVal(42).Mark("sensitive"),
	}}
	decoded := mustDecode(t, b, parse(t, "x.hcl", redactingHCL), ctx)
	got, err := decoded.RedactedJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"any":{"a":"***","b":[1]},"by":{"k":{"key":"***","n":1}},"header":[{"inner":[],"name":"h","value":"***"}],` +
		`"hidden":"***","list":[1,"***"],"maybe":null,"objects":[{"pass":"***","user":"u"}],"plain":"p","token":"***"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	data, err := decoded.Msgpack(b)
	if err != nil {
		t.Fatal(err)
	}
	var config redacting
	if err := Unmarshal(b, data, &config); err != nil {
		t.Fatal(err)
	}
	if config.Token.text != "s1" || config.List[1] != 42 || config.By["k"].Key.text != "s4" {
		t.Errorf("the plugin gets %+v", config)
	}
}

func TestUnknownValuesAreListedAndCannotBeSent(t *testing.T) {
	t.Parallel()
	b := mustOf[redacting](t)
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{
		"plain":  cty.UnknownVal(cty.String),
		"secret": cty.UnknownVal(cty.Number).Mark("sensitive"),
	}}
	decoded := mustDecode(t, b, parse(t, "x.hcl", redactingHCL), ctx)
	var got []string
	for _, path := range decoded.Unknown {
		got = append(got, FormatPath(PathOf(path)))
	}
	if diff := cmp.Diff([]string{"any.a", "list[1]", "plain"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := decoded.Msgpack(b); err == nil || err.Error() != "encode configuration: the value of any.a is not known" {
		t.Errorf("Msgpack says %v", err)
	}
	text, err := decoded.RedactedJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"any":{"a":"***","b":[1]},"by":{"k":{"key":"***","n":1}},"header":[{"inner":[],"name":"h","value":"***"}],` +
		`"hidden":"***","list":[1,"***"],"maybe":null,"objects":[{"pass":"***","user":"u"}],"plain":"(not known yet)","token":"***"}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUnknownForEachMakesTheBlocksUnknown(t *testing.T) {
	t.Parallel()
	type config struct {
		Header []labelled        `task:"header,block"`
		Loose  []loose           `task:"loose,block"`
		By     map[string]hiding `task:"by,block"`
		One    *server           `task:"one,block"`
	}
	b := mustOf[config](t)
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"names": cty.DynamicVal}}
	decoded := mustDecode(t, b, parse(t, "x.hcl", `
dynamic "header" {
  for_each = names
  labels = ["x"]
  content {
    value = header.value
  }
}
dynamic "loose" {
  for_each = names
  content {
    value = loose.value
  }
}
dynamic "by" {
  for_each = names
  labels = ["x"]
  content {
    key = by.value
  }
}
dynamic "one" {
  for_each = names
  content {
    host = one.value
  }
}
`), ctx)
	if len(decoded.Unknown) == 0 {
		t.Error("nothing is unknown")
	}
	if _, err := decoded.RedactedJSON(); err != nil {
		t.Error(err)
	}
}
