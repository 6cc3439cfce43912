package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/task"
)

// dataDir is the directory in which a host keeps everything; one host at a time holds it.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the directory if need be and takes its lock. It fails when another host
// holds it, and names that host's pid.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := checkPrivate(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(path, "host.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.Name())
		f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory %s: %w", path, err)
		}
		return nil, fmt.Errorf("the data directory %s is in use by the host with pid %s; stop it, or give this one a data_dir of its own", path, strings.TrimSpace(string(holder)))
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &dataDir{path: path, lock: f}, err
}

// checkPrivate refuses a data directory in which others could replace what the host has put there:
// its token, or the plugins that it starts.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("the data directory %s can be written by others (mode %s): they could replace what lies in it; chmod go-w it", path, mode)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() && owner.Uid != 0 {
		return fmt.Errorf("the data directory %s belongs to the user %d, the host runs as %d; give the host a data_dir of its own", path, owner.Uid, os.Geteuid())
	}
	return nil
}

// letUsersPass opens the way through the data directory to the plugins for the users that tasks
// name. What is private in there has a mode of its own.
func letUsersPass(tasks []task.Definition, d *dataDir, c *catalog.Catalog) error {
	var digests []string
	for _, t := range tasks {
		if t.User != "" && !slices.Contains(digests, t.Config.Digest) {
			digests = append(digests, t.Config.Digest)
		}
	}
	if len(digests) == 0 {
		return nil
	}
	if err := os.Chmod(d.path, 0o711); err != nil {
		return fmt.Errorf("let other users pass the data directory: %w", err)
	}
	return c.LetPass(digests...)
}

// join names something in the data directory.
func (d *dataDir) join(parts ...string) string {
	return filepath.Join(append([]string{d.path}, parts...)...)
}

// close gives the lock back.
func (d *dataDir) close() error { return d.lock.Close() }

// digestKey returns the key under which secrets enter the digest of a configuration, and makes
// it at first: so a changed secret is a changed configuration, and the digest tells nobody which.
func digestKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "digest.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the digest key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	key = make([]byte, 32)
	rand.Read(key)
	if err := os.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("write the digest key: %w", err)
	}
	return key, nil
}
