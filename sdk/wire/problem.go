package wire

import (
	"strings"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// FromProblem converts a problem for the wire. Texts that are no UTF-8 are mended,
// because they may come from author code.
func FromProblem(p schema.Problem) *taskv1.Problem {
	out := &taskv1.Problem{Summary: valid(p.Summary), Detail: valid(p.Detail), Warning: p.Warning}
	for _, step := range p.Path {
		switch {
		case step.Index != nil:
			out.Path = append(out.Path, &taskv1.PathStep{Step: &taskv1.PathStep_Index{Index: int64(*step.Index)}})
		case step.Key != nil:
			out.Path = append(out.Path, &taskv1.PathStep{Step: &taskv1.PathStep_Key{Key: valid(*step.Key)}})
		default:
			out.Path = append(out.Path, &taskv1.PathStep{Step: &taskv1.PathStep_Attribute{Attribute: valid(step.Attr)}})
		}
	}
	return out
}

// ToProblem is the inverse of FromProblem.
func ToProblem(p *taskv1.Problem) schema.Problem {
	out := schema.Problem{Summary: p.GetSummary(), Detail: p.GetDetail(), Warning: p.GetWarning()}
	for _, step := range p.GetPath() {
		switch step := step.GetStep().(type) {
		case *taskv1.PathStep_Index:
			out.Path = append(out.Path, schema.Index(int(step.Index)))
		case *taskv1.PathStep_Key:
			out.Path = append(out.Path, schema.Key(step.Key))
		case *taskv1.PathStep_Attribute:
			out.Path = append(out.Path, schema.Attr(step.Attribute))
		}
	}
	return out
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
