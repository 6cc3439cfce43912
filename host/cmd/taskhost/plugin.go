package main

import (
	"context"

	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
)

// pluginCommands pin the binaries of a configuration.
func pluginCommands() cli.PluginCommands {
	return cli.PluginCommands{
		Hash: app.HashPlugin,
		New:  newPlugin,
		Lock: func(ctx context.Context, o cli.PluginLockOptions) (string, []cli.PluginPin, error) {
			path, pins, loaded, err := app.LockPlugins(ctx, app.LockOptions{Source: lockSource(o), Platform: o.Platform, PluginDir: o.PluginDir})
			if err == nil {
				err = tellProblems(o, loaded)
			}
			return path, pluginPins(pins), err
		},
		Verify: func(ctx context.Context, o cli.PluginLockOptions) ([]cli.PluginPin, error) {
			pins, loaded, err := app.VerifyPlugins(ctx, lockSource(o))
			if err == nil {
				err = tellProblems(o, loaded)
			}
			return pluginPins(pins), err
		},
	}
}

func lockSource(o cli.PluginLockOptions) app.Source {
	return app.Source{Paths: o.Config, Vars: o.Vars, VarFiles: o.VarFiles}
}

// tellProblems shows why a configuration cannot be used; its warnings are validate's to tell.
func tellProblems(o cli.PluginLockOptions, l app.Loaded) error {
	if !l.Failed() {
		return nil
	}
	if err := l.Render(o.Err, o.Color); err != nil {
		return err
	}
	return &cli.Silent{Code: cli.ExitFailed}
}

func pluginPins(pins []app.PluginPin) []cli.PluginPin {
	var out []cli.PluginPin
	for _, p := range pins {
		out = append(out, cli.PluginPin{Name: p.Name, Version: p.Version, Platform: p.Platform, SHA256: p.SHA256, Locked: p.Locked, State: string(p.State)})
	}
	return out
}
