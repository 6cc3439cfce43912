package wire_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

func TestProblemsSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, p := range []schema.Problem{
		{Summary: "wrong"},
		{Summary: "wrong", Detail: "very", Warning: true},
		{Path: []schema.PathStep{schema.Attr("a"), schema.Index(0), schema.Key(""), schema.Attr("b")}, Summary: "wrong"},
	} {
		if diff := cmp.Diff(p, wire.ToProblem(wire.FromProblem(p))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestProblemsOfAuthorsAreAlwaysSendable(t *testing.T) {
	t.Parallel()
	bad := "a\xffb"
	p := wire.FromProblem(schema.Problem{Path: []schema.PathStep{schema.Attr(bad), schema.Key(bad)}, Summary: bad, Detail: bad})
	if _, err := proto.Marshal(p); err != nil {
		t.Error(err)
	}
}
