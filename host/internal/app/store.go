package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/sdk/schema"
)

// StoreAt says whose store is meant: that of a data directory, or of the one that a configuration names.
type StoreAt struct {
	Source
	DataDir string
	Out     io.Writer // problems of the configuration
	Color   bool
}

// StoreInfo is what a store holds; StoreFormat is the format that this version writes.
type StoreInfo = store.Info

const StoreFormat = store.Format

// storeFile is the database below a data directory.
const storeFile = "taskhost.db"

// InfoOfStore looks into a store. A host may run on it.
func InfoOfStore(ctx context.Context, at StoreAt) (StoreInfo, error) {
	d, err := at.dataDir(ctx)
	if err != nil {
		return StoreInfo{}, err
	}
	return store.ReadInfo(ctx, d.join(storeFile))
}

// CheckStore reads everything in a store and returns its file and what is wrong. A host may run on it.
func CheckStore(ctx context.Context, at StoreAt) (path string, wrong []string, err error) {
	d, err := at.dataDir(ctx)
	if err != nil {
		return "", nil, err
	}
	path = d.join(storeFile)
	wrong, err = store.Check(ctx, path)
	return path, wrong, err
}

// BackUpStore copies a store while a host runs on it, and returns what the copy holds.
func BackUpStore(ctx context.Context, at StoreAt, to string, force bool, progress func(done, about int64)) (StoreInfo, error) {
	d, err := at.dataDir(ctx)
	if err != nil {
		return StoreInfo{}, err
	}
	if err := store.Backup(ctx, d.join(storeFile), to, force, progress); err != nil {
		return StoreInfo{}, err
	}
	return store.ReadInfo(ctx, to)
}

// RestoreStore puts a copy into a data directory without a store, and returns what the copy holds. No host may hold
// the directory.
func RestoreStore(ctx context.Context, at StoreAt, from string, progress func(done, about int64)) (StoreInfo, error) {
	d, err := at.dataDir(ctx)
	if err != nil {
		return StoreInfo{}, err
	}
	held, err := openDataDir(d.path)
	if err != nil {
		return StoreInfo{}, err
	}
	defer held.close()
	path := held.join(storeFile)
	if err := store.Restore(ctx, from, path, progress); err != nil {
		return StoreInfo{}, err
	}
	return store.ReadInfo(ctx, path)
}

// dataDir finds the directory. No plugin is started, and none is missed.
func (at StoreAt) dataDir(ctx context.Context) (*dataDir, error) {
	if at.DataDir != "" {
		return &dataDir{path: at.DataDir}, nil
	}
	l := Loaded{}
	l.Config, l.diags, l.sources = config.Load(ctx, config.Options{
		Paths: at.Paths, Vars: at.Vars, VarFiles: at.VarFiles, Env: os.LookupEnv, Unlocked: true, Plugins: func(config.Host) config.Plugins { return noPlugins{} },
	})
	l.diags = withoutPlugins(l.diags)
	if !l.Failed() {
		return &dataDir{path: l.Config.Host.DataDir}, nil
	}
	if err := l.Render(at.Out, at.Color); err != nil {
		return nil, err
	}
	return nil, errors.New("the configuration has errors, so its data_dir is not certain; name the directory with -data-dir")
}

// withoutPlugins leaves out what is only said because no plugin was asked.
func withoutPlugins(all hcl.Diagnostics) (kept hcl.Diagnostics) {
	for _, d := range all {
		if !strings.Contains(d.Summary+d.Detail, errNoPlugins.Error()) {
			kept = append(kept, d)
		}
	}
	return kept
}

var errNoPlugins = errors.New("plugins are not asked here")

// noPlugins is for whoever wants nothing of a configuration but its host block.
type noPlugins struct{}

func (noPlugins) Open(_ context.Context, s catalog.Spec) (*catalog.Plugin, error) {
	return nil, fmt.Errorf("%s: %w", s.Name, errNoPlugins)
}

func (noPlugins) List(string) ([]string, error) { return nil, errNoPlugins }

func (noPlugins) Validate(context.Context, *catalog.Plugin, string, [][]byte) ([][]schema.Problem, error) {
	return nil, errNoPlugins
}
