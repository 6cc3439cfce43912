package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

const (
	defaultTimeout   = 5 * time.Second
	defaultMaxOutput = 1 << 20
)

// Config is what a Catalog needs.
type Config struct {
	CopyDir   string        // holds the copies: CopyDir/<digest>/<name>; made when missing, mode 0700
	CacheDir  string        // holds the descriptions: CacheDir/<digest>.v<protocol>.json; made when missing
	Timeout   time.Duration // of one describe or validate; 0 is 5 s
	MaxOutput int           // bytes that either may print; 0 is 1 MiB
	Offline   bool          // execute nothing: what is neither in CacheDir nor in a lock is an error
	Absent    bool          // a binary that is not here is taken to be what the lock says of it
	Log       hclog.Logger  // nil is silence
}

// Spec says which binary is meant.
type Spec struct {
	Name   string            // of the plugin
	Path   string            // of the binary; "" is Dir/Name
	Dir    string            // the plugin directory
	SHA256 string            // the expected digest in hex; "" is any
	Env    map[string]string // of its processes; describe and validate do not get it
	Source string            // "file:line" of the pin, for messages

	Locked   *Locked // what the lock file says of it; nil is nothing
	LockFile string  // its path, for messages
}

// Pinned reports whether only one binary is accepted.
func (s Spec) Pinned() bool { return s.SHA256 != "" || s.Locked != nil }

// Plugin is one binary, ready to be launched.
type Plugin struct {
	Name        string
	Path        string // of the copy; "" when only its lock is here
	Origin      string // where it was copied from
	Digest      string // sha256 of the copy, in hex
	Description wire.Description
}

// Catalog is safe for concurrent use.
type Catalog struct {
	cfg    Config
	hashes hashes
	copies keyed // one copy of a digest is made at a time
	asks   keyed // one description of a digest is asked for at a time

	mu           sync.Mutex
	verified     map[string]bool // paths of copies whose content was checked in this life
	descriptions map[string]wire.Description
}

// New makes a Catalog. It touches nothing until it is asked.
func New(cfg Config) *Catalog {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxOutput <= 0 {
		cfg.MaxOutput = defaultMaxOutput
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	return &Catalog{cfg: cfg, verified: map[string]bool{}, descriptions: map[string]wire.Description{}}
}

// Open finds the binary, compares its digest with the pin, makes sure that there is a
// copy, and describes it. What is wrong with the binary is a *task.LaunchError.
func (c *Catalog) Open(ctx context.Context, spec Spec) (*Plugin, error) {
	origin, err := locate(spec)
	if err != nil {
		var launch *task.LaunchError
		if p, locked := spec.absent(); locked && c.cfg.Absent && errors.As(err, &launch) && launch.Kind == task.LaunchMissing {
			return p, nil
		}
		return nil, err
	}
	digest, err := c.hashes.of(origin)
	if err != nil {
		return nil, fmt.Errorf("hash plugin %q: %w", spec.Name, err)
	}
	if err := spec.pinned(origin, digest); err != nil {
		return nil, err
	}
	path, digest, err := c.copy(spec, origin, digest)
	if err != nil {
		return nil, err
	}
	p := &Plugin{Name: spec.Name, Path: path, Origin: origin, Digest: digest}
	if spec.Locked != nil && spec.Locked.Digests[Platform()] == digest {
		p.Description = spec.Locked.Description // it was asked when it was locked
		return p, nil
	}
	if p.Description, err = c.describe(ctx, p); err != nil {
		return nil, err
	}
	return p, nil
}

// Lookup finds the copy of a plugin that Open has made, in this life of the host or in
// an earlier one.
func (c *Catalog) Lookup(name, digest string) (path string, ok bool) {
	if !task.ValidName(name) || !validDigest(digest) {
		return "", false
	}
	path = filepath.Join(c.cfg.CopyDir, digest, name)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular()
}

// LetPass opens the way to the copies of these digests for other users than the host's: they
// may pass and execute, not look around. A task that runs as another user needs it.
func (c *Catalog) LetPass(digests ...string) error {
	dirs := []string{c.cfg.CopyDir}
	for _, d := range digests {
		if validDigest(d) {
			dirs = append(dirs, filepath.Join(c.cfg.CopyDir, d))
		}
	}
	for _, dir := range dirs {
		if err := os.Chmod(dir, 0o711); err != nil {
			return fmt.Errorf("let other users pass to the plugins: %w", err)
		}
	}
	return nil
}

// List names the executables in a plugin directory, sorted. A directory that does not
// exist holds none.
func (c *Catalog) List(dir string) ([]string, error) { return executables(dir) }

func executables(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the plugins: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !task.ValidName(e.Name()) {
			continue
		}
		// Stat follows links: a plugin may be one.
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			names = append(names, e.Name())
		}
	}
	return names, nil // ReadDir has sorted them
}

// Prune removes the copies and descriptions whose digest keep does not hold. The caller
// must know that no process will be started from the others; running ones live on.
func (c *Catalog) Prune(keep map[string]bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, dir := range []string{c.cfg.CopyDir, c.cfg.CacheDir} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
		}
		for _, e := range entries {
			digest, _, _ := strings.Cut(e.Name(), ".")
			if unfinished(e) || validDigest(digest) && !keep[digest] {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
				delete(c.descriptions, digest)
			}
		}
	}
	for path := range c.verified {
		if !keep[filepath.Base(filepath.Dir(path))] {
			delete(c.verified, path)
		}
	}
	return errors.Join(errs...)
}

// unfinishedPrefix begins the names of files that are being written.
const unfinishedPrefix = ".new-"

// unfinished reports whether an entry is what a host left that was killed while it wrote the file.
func unfinished(e fs.DirEntry) bool {
	info, err := e.Info()
	return err == nil && strings.HasPrefix(e.Name(), unfinishedPrefix) && now().Sub(info.ModTime()) > time.Hour
}

// locate finds the file that spec means.
func locate(spec Spec) (string, error) {
	path := spec.Path
	if path == "" {
		if !task.ValidName(spec.Name) { // it becomes a path
			return "", &task.LaunchError{Kind: task.LaunchMissing, Detail: fmt.Sprintf("%q is no name of a plugin", spec.Name)}
		}
		path = filepath.Join(spec.Dir, spec.Name)
	}
	subject := fmt.Sprintf("plugin %q (%s)", spec.Name, path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e := &task.LaunchError{Kind: task.LaunchMissing, Detail: subject + " does not exist", Err: err}
		e.Remedy = missingRemedy(spec, path)
		return "", e
	case err != nil:
		return "", &task.LaunchError{Kind: task.LaunchMissing, Detail: fmt.Sprintf("%s cannot be read: %s", subject, err), Err: err}
	case !info.Mode().IsRegular():
		return "", &task.LaunchError{Kind: task.LaunchNotExec, Detail: subject + " is not a file"}
	case info.Mode()&0o002 != 0:
		return "", &task.LaunchError{
			Kind: task.LaunchNotExec, Remedy: "chmod o-w it",
			Detail: fmt.Sprintf("%s can be written by everyone (mode %s)", subject, info.Mode().Perm()),
		}
	case info.Mode()&0o111 == 0:
		return "", &task.LaunchError{
			Kind: task.LaunchNotExec, Remedy: "chmod +x it",
			Detail: fmt.Sprintf("%s is not executable (mode %s)", subject, info.Mode().Perm()),
		}
	}
	return path, nil
}

// missingRemedy names what is there in place of what is not.
func missingRemedy(spec Spec, path string) string {
	dir := filepath.Dir(path)
	names, err := executables(dir)
	switch near, ok := schema.Nearest(filepath.Base(path), names); {
	case err != nil || len(names) == 0:
		return "there is no plugin in " + dir + ": build one, or set plugin_dir"
	case ok:
		return fmt.Sprintf("did you mean %q?", near)
	default:
		return "there are " + strings.Join(names[:min(len(names), 10)], ", ")
	}
}

// pinned compares a digest with the pin, and with the lock where there is no pin.
func (s Spec) pinned(origin, digest string) error {
	if s.SHA256 == "" {
		return s.accepts(origin, digest)
	}
	if strings.EqualFold(s.SHA256, digest) {
		return nil
	}
	e := &task.LaunchError{
		Kind:   task.LaunchChecksum,
		Detail: fmt.Sprintf("plugin %q (%s) has sha256 %s, and not %s", s.Name, origin, digest, strings.ToLower(s.SHA256)),
		Remedy: "install the binary that is pinned, or change the pin",
	}
	if s.Source != "" {
		e.Remedy += " at " + s.Source
	}
	return e
}

func validDigest(digest string) bool {
	return len(digest) == 64 && !slices.ContainsFunc([]byte(digest), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'f')
	})
}

// keyed is a mutex per key.
type keyed struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// lock locks the key and returns how to unlock it.
func (k *keyed) lock(key string) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*sync.Mutex{}
	}
	l := k.locks[key]
	if l == nil {
		l = &sync.Mutex{}
		k.locks[key] = l
	}
	k.mu.Unlock()
	l.Lock()
	return l.Unlock
}
