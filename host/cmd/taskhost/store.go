package main

import (
	"context"

	"github.com/taskhost/taskhost/host/internal/app"
	"github.com/taskhost/taskhost/host/internal/cli"
)

// storeCommands look after a store that a host may be running on.
func storeCommands() cli.StoreCommands {
	return cli.StoreCommands{
		Info: func(ctx context.Context, at cli.StoreAt) (cli.StoreInfo, error) {
			i, err := app.InfoOfStore(ctx, storeAt(at))
			return storeInfo(i), err
		},
		Check: func(ctx context.Context, at cli.StoreAt) (cli.StoreCheck, error) {
			path, wrong, err := app.CheckStore(ctx, storeAt(at))
			return cli.StoreCheck{Path: path, OK: len(wrong) == 0, Problems: append([]string{}, wrong...)}, err
		},
		Backup: func(ctx context.Context, at cli.StoreAt, to string, force bool, progress cli.Copied) (cli.StoreInfo, error) {
			i, err := app.BackUpStore(ctx, storeAt(at), to, force, progress)
			return storeInfo(i), err
		},
		Restore: func(ctx context.Context, at cli.StoreAt, from string, progress cli.Copied) (cli.StoreInfo, error) {
			i, err := app.RestoreStore(ctx, storeAt(at), from, progress)
			return storeInfo(i), err
		},
	}
}

func storeAt(at cli.StoreAt) app.StoreAt {
	return app.StoreAt{
		Source:  app.Source{Paths: at.Config, Vars: at.Vars, VarFiles: at.VarFiles},
		DataDir: at.DataDir, Out: at.Err, Color: at.Color,
	}
}

func storeInfo(i app.StoreInfo) cli.StoreInfo {
	info := cli.StoreInfo{
		Path: i.Path, Format: i.Format, Newest: app.StoreFormat, Bytes: i.Bytes, Commits: i.Commits, Engine: i.Engine,
		Runs: i.Runs, Live: i.Live, Slots: i.Slots, Tasks: i.Tasks, Overrides: i.Overrides,
		Checkpoints: i.Checkpoints, RunValues: i.RunValues, Published: i.Published, Events: i.Events, Queues: []cli.StoreQueue{}, IDs: i.IDs,
	}
	info.Written.Time, info.Oldest.Time = i.Written, i.Oldest
	for _, q := range i.Queues {
		info.Queues = append(info.Queues, cli.StoreQueue(q))
	}
	return info
}
