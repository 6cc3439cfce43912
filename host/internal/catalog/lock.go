package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// LockName is the file that pins the plugins of a configuration. It stands beside the first path of the
// configuration, and belongs under version control with it.
const LockName = "taskhost.lock.json"

const (
	lockFormat = 1
	maxLock    = 16 << 20
)

// Platform is that of this program, as a lock names it: "linux/amd64".
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// Lock is what a lock file says: of each plugin the digests that are accepted, and its description, so that
// a configuration can be checked where the plugin cannot be executed.
type Lock struct {
	Format  int               `json:"format"`
	Plugins map[string]Locked `json:"plugins"` // by name
	Path    string            `json:"-"`
}

// Locked is one plugin of a lock.
type Locked struct {
	Digests     map[string]string `json:"sha256"` // by platform, in hex
	Description wire.Description  `json:"description"`
}

// LockPath is where the lock file of a configuration is, whether it is there or not.
func LockPath(configPaths []string) string {
	if len(configPaths) == 0 {
		return LockName
	}
	first := filepath.Clean(configPaths[0])
	if info, err := os.Stat(first); err == nil && info.IsDir() {
		return filepath.Join(first, LockName)
	}
	return filepath.Join(filepath.Dir(first), LockName)
}

// ReadLock reads a lock file; nil without an error when there is none.
func ReadLock(path string) (*Lock, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the lock file: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxLock:
		return nil, fmt.Errorf("read the lock file: %s is not a file of at most %d MiB", path, maxLock>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the lock file: %w", err)
	}
	l := &Lock{Path: path}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("read the lock file: %s: %w", path, err)
	}
	if l.Format != lockFormat {
		return nil, fmt.Errorf("read the lock file: %s has format %d, this host reads %d: write it anew with taskhost plugin lock", path, l.Format, lockFormat)
	}
	for name, p := range l.Plugins {
		if err := p.check(name); err != nil {
			return nil, fmt.Errorf("read the lock file: %s: %w", path, err)
		}
	}
	return l, nil
}

// check refuses an entry that nobody could rely on.
func (p Locked) check(name string) error {
	if !task.ValidName(name) {
		return fmt.Errorf("%q is no name of a plugin", name)
	}
	for platform, digest := range p.Digests {
		if !validDigest(digest) {
			return fmt.Errorf("plugin %q, %s: %q is not a digest of 64 hex digits", name, platform, digest)
		}
	}
	return (&Plugin{Name: name, Origin: "its entry"}).check(p.Description)
}

// WriteLock replaces a lock file. Whoever reads it sees the old or the new one, whole.
func WriteLock(path string, l Lock) error {
	l.Format = lockFormat
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), LockName+".new-")
	if err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the lock file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Same reports whether two descriptions say the same.
func Same(a, b wire.Description) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// accepts compares a digest with the lock.
func (s Spec) accepts(origin, digest string) error {
	if s.Locked == nil {
		return nil
	}
	want, ok := s.Locked.Digests[Platform()]
	switch {
	case ok && want == digest:
		return nil
	case !ok:
		known := slices.Sorted(maps.Keys(s.Locked.Digests))
		return &task.LaunchError{
			Kind:   task.LaunchChecksum,
			Detail: fmt.Sprintf("plugin %q (%s) is not locked for %s, only for %s (%s)", s.Name, origin, Platform(), strings.Join(known, ", "), s.LockFile),
			Remedy: "run taskhost plugin lock here, and keep the file",
		}
	}
	return &task.LaunchError{
		Kind:   task.LaunchChecksum,
		Detail: fmt.Sprintf("plugin %q (%s) has sha256 %s, and the lock file %s says %s", s.Name, origin, digest, s.LockFile, want),
		Remedy: "install the binary that is locked, or run taskhost plugin lock when the new one is meant",
	}
}

// absent is the plugin as the lock describes it, for a machine that need not have its binary.
func (s Spec) absent() (*Plugin, bool) {
	if s.Locked == nil {
		return nil, false
	}
	digest := s.Locked.Digests[Platform()]
	if digest == "" { // a machine of another kind: any will do to tell that nothing has changed
		if platforms := slices.Sorted(maps.Keys(s.Locked.Digests)); len(platforms) > 0 {
			digest = s.Locked.Digests[platforms[0]]
		}
	}
	return &Plugin{Name: s.Name, Digest: digest, Description: s.Locked.Description}, true
}
