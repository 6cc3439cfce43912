package dev

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "dev.lock"

// Place is a directory of the user's cache in which one host runs one plugin. It is nobody else's, and gone with Close.
type Place struct {
	Dir  string
	lock *os.File
}

// OpenPlace makes a place for a plugin, and removes those that are nobody's any more: of who was killed.
func OpenPlace(plugin string) (*Place, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return openPlace(filepath.Join(cache, "taskhost", "dev"), plugin)
}

func openPlace(root, plugin string) (*Place, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make a place for the host: %w", err)
	}
	sweep(root)
	dir, err := os.MkdirTemp(root, plugin+"-")
	if err != nil {
		return nil, fmt.Errorf("make a place for the host: %w", err)
	}
	// It has its name when it is locked: a lock that somebody sees and gets is nobody's.
	making := filepath.Join(dir, lockName+".new")
	lock, err := tryLock(making, os.O_CREATE)
	if err == nil {
		err = os.Rename(making, filepath.Join(dir, lockName))
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("lock the place of the host: %w", err)
	}
	p := &Place{Dir: dir, lock: lock}
	if err := os.Mkdir(p.PluginDir(), 0o700); err != nil {
		p.Close()
		return nil, fmt.Errorf("make a place for the plugin: %w", err)
	}
	return p, nil
}

// PluginDir is where the binary lies, by the plugin's name.
func (p *Place) PluginDir() string { return filepath.Join(p.Dir, "plugins") }

// DataDir is the host's.
func (p *Place) DataDir() string { return filepath.Join(p.Dir, "data") }

// Close removes everything.
func (p *Place) Close() error {
	err := os.RemoveAll(p.Dir)
	p.lock.Close()
	return err
}

// sweep removes the places whose lock nobody holds. What it cannot remove it leaves: it is in nobody's way.
func sweep(root string) {
	locks, _ := filepath.Glob(filepath.Join(root, "*", lockName))
	for _, path := range locks {
		if lock, err := tryLock(path, 0); err == nil {
			os.RemoveAll(filepath.Dir(path))
			lock.Close()
		}
	}
}

// tryLock opens a file and locks it, unless somebody else has.
func tryLock(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
