package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
)

const (
	maxErrors = 10        // named in the run's error
	maxNamed  = 1000      // deleted files that are named in the log
	youngDir  = time.Hour // an empty folder may have been made to be filled
)

// Result is what a prune did; it is published as well.
type Result struct {
	Files     int   `json:"files"` // deleted, or with dry_run to be deleted
	Bytes     int64 `json:"bytes"`
	Dirs      int   `json:"dirs"`
	KeptFiles int   `json:"kept_files"`
	KeptBytes int64 `json:"kept_bytes"`
	Failed    int   `json:"failed"`
	DryRun    bool  `json:"dry_run"`
}

// prune deletes what the config selects. A drain ends it between two files; what is
// left is the next run's.
func prune(ctx context.Context, h *task.Host, c Config, _ struct{}) (Result, error) {
	s, err := find(ctx, c, func(found int) { h.Progress(0, 0, fmt.Sprintf("looking, %d files so far", found)) })
	if err != nil {
		if ctx.Err() != nil {
			return Result{}, err
		}
		return Result{}, task.Permanent(err)
	}
	defer s.close()
	for _, base := range s.missing {
		h.Log().Warn("there is no such folder", "path", base)
	}
	r := run{host: h, config: c, errs: s.failed, result: Result{DryRun: c.DryRun, Failed: len(s.failed)}}
	for _, f := range s.files {
		r.result.KeptFiles++
		r.result.KeptBytes += f.size
	}
	err = r.delete(ctx, plan(c, s.files, time.Now()))
	if err == nil && c.EmptyDirs {
		err = r.deleteDirs(ctx, s.deepestFirst(), time.Now())
	}
	return r.result, r.conclude(err)
}

// run is one prune at work.
type run struct {
	host   *task.Host
	config Config
	result Result
	errs   []error
}

func (r *run) delete(ctx context.Context, files []file) error {
	for i, f := range files {
		if err := r.mayGoOn(ctx, i, len(files)); err != nil {
			return err
		}
		if !r.config.DryRun {
			if gone, err := f.delete(); err != nil || !gone {
				r.failed(err)
				continue
			}
		}
		if r.result.Files < maxNamed {
			r.host.Log().Info("deleted", "path", path.Join(f.folder.base, f.name), "bytes", f.size, "modified", f.modified.UTC(), "dry_run", r.config.DryRun)
		}
		r.result.Files++
		r.result.Bytes += f.size
		r.result.KeptFiles--
		r.result.KeptBytes -= f.size
	}
	if r.result.Files > maxNamed {
		r.host.Log().Info("more was deleted than is named here", "files", r.result.Files-maxNamed)
	}
	r.host.Progress(int64(len(files)), int64(len(files)), "")
	return nil
}

// mayGoOn looks, every few files, whether the run is to end.
func (r *run) mayGoOn(ctx context.Context, done, total int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.host.Stopped() {
		return task.Interrupted(fmt.Sprintf("%d of %d files deleted", done, total))
	}
	if done%100 == 0 {
		r.host.Progress(int64(done), int64(total), "")
	}
	return nil
}

// delete removes the file unless another has taken its name, or it was written to since
// the scan. It returns false when it was left.
func (f file) delete() (bool, error) {
	info, err := f.folder.root.Lstat(f.name)
	if err == nil && (idOf(info) != f.id || !info.ModTime().Equal(f.modified)) {
		return false, nil
	}
	if err == nil {
		err = f.folder.root.Remove(f.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// deleteDirs removes folders that are empty now and were old before.
func (r *run) deleteDirs(ctx context.Context, dirs []dir, now time.Time) error {
	for i, d := range dirs {
		if err := r.mayGoOn(ctx, i, len(dirs)); err != nil {
			return err
		}
		if now.Sub(d.modified) <= max(r.config.OlderThan, youngDir) || r.config.DryRun {
			continue
		}
		if info, err := d.folder.root.Lstat(d.name); err != nil || !info.IsDir() {
			continue
		}
		// Remove fails for a folder that is not empty: that is the test.
		if err := d.folder.root.Remove(d.name); err == nil {
			r.result.Dirs++
		}
	}
	return nil
}

func (r *run) failed(err error) {
	if err == nil {
		return // changed or gone meanwhile
	}
	r.result.Failed++
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, err)
	}
}

// conclude publishes what was done, and makes the run's error.
func (r *run) conclude(ended error) error {
	n := r.result
	r.host.Log().Info("pruned", "files", n.Files, "bytes", schema.FormatBytes(n.Bytes), "kept_files", n.KeptFiles, "failed", n.Failed, "dry_run", n.DryRun)
	published := errors.Join(
		r.host.Publish("files", n.Files),
		r.host.Publish("bytes", n.Bytes),
		r.host.Publish("kept_files", n.KeptFiles),
		r.host.Publish("kept_bytes", n.KeptBytes),
	)
	switch {
	case ended != nil:
		return ended
	case n.Failed > 0:
		return fmt.Errorf("%d could not be read or deleted: %w", n.Failed, errors.Join(r.errs...))
	}
	return published
}
