package dev

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	every = 300 * time.Millisecond // between two looks
	calm  = 50 * time.Millisecond  // so long nothing may change, before what has changed is complete
)

// Change is what has been saved.
type Change struct {
	Saved time.Time // when the last of the files was
	Code  bool      // not only the configuration
}

// Watcher notices when files change. It looks at them: that works on every system and file system, and costs a
// stat for each. It is for one goroutine.
type Watcher struct {
	dir    string
	config []string // files and directories
	code   Sources
	stale  bool // code is what was found before the last change
	seen   look
}

// look is what the files were at one time.
type look struct{ code, config map[string]stamp }

type stamp struct {
	saved time.Time
	size  int64
}

// Watch begins to watch the plugin in dir and a configuration of files and directories.
func Watch(ctx context.Context, dir string, config []string) *Watcher {
	w := &Watcher{dir: dir, config: config, code: SourcesOf(ctx, dir)}
	w.seen = w.look()
	return w
}

// Next waits until something has changed and is complete. It fails with the cause of ctx's end.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	if w.stale {
		w.rescan(ctx)
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	last := w.seen
	for {
		select {
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		case <-timer.C:
		}
		now := w.look()
		switch c, changed := compare(w.seen, now); {
		case !changed:
			timer.Reset(every)
		case !now.equal(last):
			timer.Reset(calm)
		default:
			w.seen, w.stale = now, w.stale || c.Code
			return c, nil
		}
		last = now
	}
}

func (l look) equal(o look) bool { return maps.Equal(l.code, o.code) && maps.Equal(l.config, o.config) }

// compare says what has changed from was to is. A file that went was saved when it was missed.
func compare(was, is look) (c Change, changed bool) {
	if was.equal(is) {
		return Change{}, false
	}
	c.Code = !maps.Equal(was.code, is.code)
	for _, both := range [][2]map[string]stamp{{was.code, is.code}, {was.config, is.config}} {
		for path, s := range both[1] {
			if both[0][path] != s && s.saved.After(c.Saved) {
				c.Saved = s.saved
			}
		}
	}
	if now := time.Now(); c.Saved.IsZero() || c.Saved.After(now) {
		c.Saved = now
	}
	return c, true
}

// rescan finds out anew what the plugin is built from, unless something has changed meanwhile: that comes first.
func (w *Watcher) rescan(ctx context.Context) {
	found := SourcesOf(ctx, w.dir)
	if _, changed := compare(w.seen, w.look()); changed {
		return
	}
	w.code, w.stale = found, false
	w.seen = w.look()
}

// look looks at all files that are there.
func (w *Watcher) look() look {
	l := look{code: map[string]stamp{}, config: map[string]stamp{}}
	for _, dir := range w.code.Dirs {
		addAll(l.code, dir, isCode)
	}
	for _, path := range w.code.Files {
		add(l.code, path)
	}
	for _, path := range w.config {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			addAll(l.config, path, isConfig)
			continue
		}
		add(l.config, path)
	}
	return l
}

func addAll(to map[string]stamp, dir string, wanted func(name string) bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // it is not there now
	}
	for _, e := range entries {
		if wanted(e.Name()) {
			add(to, filepath.Join(dir, e.Name()))
		}
	}
}

func add(to map[string]stamp, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		to[path] = stamp{info.ModTime(), info.Size()}
	}
}

func isCode(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name[0] != '.' && name[0] != '_'
}

func isConfig(name string) bool {
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}
