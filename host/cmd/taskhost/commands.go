package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/term"

	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/sdk/wire"
)

// commands are what the command line does without asking a host.
func commands() cli.Commands {
	return cli.Commands{Version: version(), Serve: serve, Validate: validate, Format: format, Store: storeCommands(), Plugin: pluginCommands(), Examine: examine, Import: importFiles, FirstConfig: firstConfig, Schedules: schedules, Explain: explainTask, Dev: openDev}
}

// version is that of the module when it was built as one, otherwise the release.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return wire.Release
}

func serve(ctx context.Context, o cli.ServeOptions) error {
	err := app.Serve(ctx, app.ServeOptions{
		Source:   app.Source{Paths: o.Config, Vars: o.Vars, VarFiles: o.VarFiles},
		LogLevel: o.LogLevel,
		Version:  version(),
		Out:      o.Err,
		Color:    term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "",
	})
	if errors.Is(err, app.ErrConfig) {
		return &cli.Silent{Code: cli.ExitFailed} // its problems have been shown
	}
	return err
}

func validate(ctx context.Context, o cli.ValidateOptions) error {
	loaded, err := app.Validate(ctx, app.Source{Paths: o.Config, Vars: o.Vars, VarFiles: o.VarFiles, Offline: o.Offline})
	if err != nil {
		return err
	}
	switch {
	case o.JSON:
		err = json.NewEncoder(o.Out).Encode(map[string]any{"valid": !loaded.Failed(), "diagnostics": loaded.Diagnostics()})
	case loaded.Failed():
		err = loaded.Render(o.Out, o.Color)
	default:
		err = loaded.Render(o.Out, o.Color) // warnings
		tasks := fmt.Sprintf("%d tasks", len(loaded.Config.Tasks))
		if len(loaded.Config.Tasks) == 1 {
			tasks = "1 task"
		}
		fmt.Fprintf(o.Out, "the configuration is valid: %s\n", tasks)
	}
	if err == nil && loaded.Failed() {
		return &cli.Silent{Code: cli.ExitFailed}
	}
	return err
}

// format writes a file in its canonical form; one that does not parse is refused with its problems.
func format(source []byte, filename string) ([]byte, error) {
	out, diags := config.Format(source, filename)
	if !diags.HasErrors() {
		return out, nil
	}
	var text bytes.Buffer
	if err := config.Render(&text, diags, config.SourcesOf(map[string][]byte{filename: source}), false); err != nil {
		return nil, err
	}
	return nil, errors.New(text.String())
}

// examine looks at the machine for a configuration.
func examine(ctx context.Context, s cli.Sources) ([]cli.Finding, error) {
	found, err := app.Examine(ctx, app.Source{Paths: s.Config, Vars: s.Vars, VarFiles: s.VarFiles})
	out := make([]cli.Finding, 0, len(found))
	for _, f := range found {
		out = append(out, cli.Finding{Check: f.Check, Level: string(f.Level), Detail: f.Detail, Remedy: f.Remedy})
	}
	return out, err
}
