package main

import (
	"context"
	"errors"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/config"
)

// explainTask says in words what a task of a configuration will do.
func explainTask(ctx context.Context, o cli.ExplainOptions) (cli.Explanation, error) {
	e, loaded, err := app.Explain(ctx, sourceOf(o.Sources), o.Task, o.Now)
	if _, unknown := errors.AsType[*app.UnknownTask](err); unknown {
		return cli.Explanation{}, &cli.NotDeclared{Err: err}
	}
	if err == nil {
		err = refuseBroken(loaded)
	}
	if err != nil {
		return cli.Explanation{}, err
	}
	out := cli.Explanation{Task: e.Task, Source: e.Source, Description: e.Description, Next: []admin.Time{}, TimeZone: e.TimeZone, Values: originsOf(e.Values)}
	for _, p := range e.Parts {
		part := cli.Explained{Title: p.Title}
		for _, s := range p.Sentences {
			part.Sentences = append(part.Sentences, cli.Sentence{Text: s.Text, From: originsOf(s.From)})
		}
		out.Parts = append(out.Parts, part)
	}
	for _, at := range e.Next {
		out.Next = append(out.Next, admin.At(at))
	}
	return out, nil
}

func originsOf(all []config.Origin) []cli.Origin {
	out := make([]cli.Origin, len(all))
	for i, o := range all {
		out[i] = cli.Origin{Path: o.Path, Value: o.Value, From: string(o.From), Place: o.Place}
	}
	return out
}
