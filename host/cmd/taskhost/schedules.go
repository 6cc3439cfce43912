package main

import (
	"context"
	"os"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
)

func sourceOf(s cli.Sources) app.Source {
	return app.Source{Paths: s.Config, Vars: s.Vars, VarFiles: s.VarFiles}
}

// schedules computes slots from files, without a host.
func schedules(ctx context.Context, o cli.ScheduleOptions) ([]admin.Schedule, error) {
	all, loaded, err := app.Schedules(ctx, sourceOf(o.Sources), app.Span{From: o.From, To: o.To, Each: o.Each})
	if err != nil {
		return nil, err
	}
	return all, refuseBroken(loaded)
}

// refuseBroken shows the problems of a configuration that has errors.
func refuseBroken(loaded app.Loaded) error {
	if !loaded.Failed() {
		return nil
	}
	if err := loaded.Render(os.Stderr, false); err != nil {
		return err
	}
	return &cli.Silent{Code: cli.ExitFailed}
}
