package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fileID tells a file from another that has taken its name.
type fileID struct{ device, inode uint64 }

func idOf(info fs.FileInfo) fileID {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(s.Dev), s.Ino}
	}
	return fileID{}
}

// folder is an open base folder: every look and every deletion goes through it, so that
// neither a symbolic link nor a rename leads outside.
type folder struct {
	base string // as configured
	root *os.Root
}

// dir is a folder below a base.
type dir struct {
	folder   *folder
	name     string
	modified time.Time // before anything was deleted in it
}

// scan is everything that the paths select.
type scan struct {
	config  Config
	folders []*folder
	files   []file
	dirs    []dir // parents before what is in them
	missing []string
	failed  []error
	seen    map[fileID]bool
}

// find looks at every path. What cannot be read is noted and passed over.
func find(ctx context.Context, c Config, alive func(found int)) (*scan, error) {
	s := &scan{config: c, seen: map[fileID]bool{}}
	for _, text := range c.Paths {
		p, err := parsePattern(text)
		if err == nil {
			err = s.path(ctx, p, alive)
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
	}
	return s, nil
}

func (s *scan) close() {
	for _, f := range s.folders {
		f.root.Close()
	}
}

func (s *scan) path(ctx context.Context, p pattern, alive func(int)) error {
	if info, err := os.Stat(p.base); err == nil && !info.IsDir() {
		if !p.plain { // there is nothing in a file that could match
			s.missing = append(s.missing, p.base)
			return nil
		}
		p.base, p.below = path.Dir(p.base), []string{literal(path.Base(p.base))}
	}
	real, err := filepath.EvalSymlinks(p.base) // a folder may be a link: it was named by a person
	if errors.Is(err, fs.ErrNotExist) {
		s.missing = append(s.missing, p.base)
		return nil
	}
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return err
	}
	if err := checkBase(real); err != nil {
		return err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return err
	}
	f := &folder{base: p.base, root: root}
	s.folders = append(s.folders, f)
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	w := walk{scan: s, folder: f, device: idOf(info).device, alive: alive}
	return w.enter(ctx, ".", p.below)
}

// literal is a pattern for one name.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// walk goes through one base folder, within its file system.
type walk struct {
	*scan
	folder *folder
	device uint64
	alive  func(found int)
}

func (w *walk) enter(ctx context.Context, name string, below []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.alive(len(w.files))
	d, err := w.folder.root.Open(name)
	if err != nil {
		return w.note(err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1000)
		for _, e := range entries {
			if err := w.entry(ctx, path.Join(name, e.Name()), e, below); err != nil {
				return err
			}
		}
		if err != nil || len(entries) == 0 {
			return nil // at the end, or as far as it can be read
		}
	}
}

// note keeps the first of the errors that hide a part of what is there.
func (w *walk) note(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was listed
	}
	if len(w.failed) < maxErrors {
		w.failed = append(w.failed, fmt.Errorf("%s: %w", w.folder.base, err))
	}
	return nil
}

func (w *walk) entry(ctx context.Context, name string, e fs.DirEntry, below []string) error {
	matches, _ := path.Match(below[0], e.Name()) // parsePattern has tried it
	deepest := len(below) == 1
	switch {
	case e.IsDir() && (matches && !deepest || deepest && w.config.Recursive):
	case e.Type().IsRegular() && matches && deepest:
	default:
		return nil // a link is neither followed nor deleted
	}
	info, err := w.folder.root.Lstat(name)
	if err != nil {
		return w.note(err)
	}
	id := idOf(info)
	if id.device != w.device {
		return nil
	}
	if !info.IsDir() {
		if info.Mode().IsRegular() && !w.seen[id] {
			w.seen[id] = true // two paths may select the same file
			w.files = append(w.files, file{w.folder, name, info.Size(), info.ModTime(), id})
		}
		return nil
	}
	if deepest {
		w.dirs = append(w.dirs, dir{w.folder, name, info.ModTime()})
		return w.enter(ctx, name, below)
	}
	return w.enter(ctx, name, below[1:])
}

// deepestFirst are the folders below the bases, children before their parents.
func (s *scan) deepestFirst() []dir {
	dirs := slices.Clone(s.dirs)
	slices.Reverse(dirs)
	return dirs
}
