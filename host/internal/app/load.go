package app

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
)

// Source says which configuration to read.
type Source struct {
	Paths    []string // files and directories
	Vars     []string // name=value
	VarFiles []string
	Offline  bool          // blind, and no plugin is asked
	Alone    *config.Alone // not nil: only the tasks of one plugin

	explain  string // the task of which Config.Origins tells
	unlocked bool   // without regard to the lock file
	blind    bool   // neither environment nor secrets are read
	absent   bool   // a plugin that is not here is what the lock file says of it
}

// Loaded is what a Source came to. With errors among the diagnostics the Config is for display only.
type Loaded struct {
	Config  *config.Config
	catalog *catalog.Catalog
	diags   hcl.Diagnostics
	sources config.Sources
}

// ErrConfig says that the configuration has errors. Who returns it has shown them.
var ErrConfig = errors.New("the configuration has errors; nothing was started")

// Failed reports whether the configuration has errors, not only warnings.
func (l Loaded) Failed() bool { return l.diags.HasErrors() }

// Diagnostics are all problems, in the order of the files.
func (l Loaded) Diagnostics() []config.Diagnostic { return config.Diagnostics(l.diags, l.sources) }

// Render writes all problems for people, each with its source line.
func (l Loaded) Render(w io.Writer, color bool) error {
	return config.Render(w, l.diags, l.sources, color)
}

// loading says how a configuration is read.
type loading struct {
	catalog func(dataDir string) *catalog.Catalog // called once the data directory is known
	key     func(dataDir string) ([]byte, error)
	files   []config.File // not nil: read in place of those that the Source names
}

// load reads a configuration. Plugin binaries are copied and asked to describe themselves; nothing else is touched.
func load(ctx context.Context, s Source, how loading) Loaded {
	var l Loaded
	l.Config, l.diags, l.sources = config.Load(ctx, config.Options{
		Paths: s.Paths, Vars: s.Vars, VarFiles: s.VarFiles, Files: how.files, Offline: s.Offline, Blind: s.blind, Unlocked: s.unlocked, Explain: s.explain, Alone: s.Alone,
		Env: os.LookupEnv,
		Key: how.key,
		Plugins: func(h config.Host) config.Plugins {
			l.catalog = how.catalog(h.DataDir)
			return l.catalog
		},
	})
	return l
}

// catalog keeps copies of plugins and what they say of themselves below dir.
func (s Source) catalog(dir string, log hclog.Logger) *catalog.Catalog {
	return catalog.New(catalog.Config{CopyDir: dir, CacheDir: filepath.Join(dir, "described"), Offline: s.Offline, Absent: s.absent, Log: log})
}

// inCache keeps them in the user's cache directory, for who has no data directory.
func (s Source) inCache(string) *catalog.Catalog {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "taskhost-cache")
	}
	return s.catalog(filepath.Join(cache, "taskhost", "plugins"), hclog.NewNullLogger())
}

// Validate reads and checks a configuration as Serve would, and starts no task. Copies of plugins
// and what they say of themselves are kept in the user's cache directory.
func Validate(ctx context.Context, s Source) (Loaded, error) {
	s.absent = true
	return load(ctx, s, loading{catalog: s.inCache}), ctx.Err()
}
