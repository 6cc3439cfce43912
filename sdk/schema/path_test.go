package schema

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

func TestPathsAreWrittenAsAPersonWould(t *testing.T) {
	t.Parallel()
	path := []PathStep{Attr("tls"), Attr("header"), Key("X-\"Id"), Attr("names"), Index(2), Attr("a b")}
	if got, want := FormatPath(path), `tls.header["X-\"Id"].names[2]["a b"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := FormatPath(nil); got != "" {
		t.Errorf("the empty path is %q", got)
	}
}

func TestPathsSurviveJSON(t *testing.T) {
	t.Parallel()
	want := Problem{Path: []PathStep{Attr("a"), Key(""), Index(0)}, Summary: "s", Detail: "d", Warning: true}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := `{"path":[{"attr":"a"},{"key":""},{"index":0}],"summary":"s","detail":"d","warning":true}`; string(text) != got {
		t.Errorf("got %s, want %s", text, got)
	}
	var got Problem
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := got.String(), `a[""][0]: s: d`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPathOfEndsAtWhatIsNoStep(t *testing.T) {
	t.Parallel()
	path := cty.GetAttrPath("a").IndexString("k").IndexInt(3)
	want := []PathStep{Attr("a"), Key("k"), Index(3)}
	if diff := cmp.Diff(want, PathOf(path)); diff != "" {
		t.Error(diff)
	}
	for _, last := range []cty.Value{cty.UnknownVal(cty.String), cty.NullVal(cty.Number), cty.True} {
		if diff := cmp.Diff(want, PathOf(path.Index(last))); diff != "" {
			t.Error(diff)
		}
	}
}
