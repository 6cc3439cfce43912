package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/dev"
)

// openDev makes what the command line needs for a plugin that is being worked on.
func openDev(ctx context.Context, o cli.DevOptions) (*cli.DevTools, error) {
	place, err := dev.OpenPlace(o.Plugin)
	if err != nil {
		return nil, err
	}
	alone := &config.Alone{Plugin: o.Plugin, Task: o.Task, PluginDir: place.PluginDir(), DataDir: place.DataDir(), Debug: o.Attach}
	watcher := dev.Watch(ctx, o.Dir, append(append([]string{}, o.Config...), o.VarFiles...))
	return &cli.DevTools{
		Socket: filepath.Join(place.DataDir(), "admin.sock"),
		Build: func(ctx context.Context) error {
			err := dev.Build(ctx, o.Dir, filepath.Join(place.PluginDir(), o.Plugin), o.Attach)
			if text, ok := errors.AsType[*dev.BuildError](err); ok {
				return &cli.NotBuilt{Text: text.Text}
			}
			return err
		},
		Next: func(ctx context.Context) (cli.DevChange, error) {
			c, err := watcher.Next(ctx)
			return cli.DevChange(c), err
		},
		Serve: func(ctx context.Context, ready func()) error {
			err := app.Serve(ctx, app.ServeOptions{
				Source:   app.Source{Paths: o.Config, Vars: o.Vars, VarFiles: o.VarFiles, Alone: alone},
				LogLevel: o.LogLevel, Version: version(), Out: o.Err, Color: o.Color, Ready: ready,
			})
			if errors.Is(err, app.ErrConfig) {
				return &cli.Silent{Code: cli.ExitFailed} // its problems have been shown
			}
			return err
		},
		Close: place.Close,
	}, nil
}
