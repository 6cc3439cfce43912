package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/taskhost/taskhost/host/internal/task"
)

// copy makes sure that there is a copy of origin, and returns its path and digest. The
// digest is that of the bytes in the copy: when origin has changed since it was hashed,
// it is another one, and is compared with the pin again.
func (c *Catalog) copy(spec Spec, origin, digest string) (path, copied string, err error) {
	defer c.copies.lock(digest)()
	name := filepath.Base(origin)
	if task.ValidName(spec.Name) {
		name = spec.Name
	}
	if err := os.MkdirAll(c.cfg.CopyDir, 0o700); err != nil {
		return "", "", fmt.Errorf("copy plugin %q: %w", spec.Name, err)
	}
	root, err := os.OpenRoot(c.cfg.CopyDir)
	if err != nil {
		return "", "", fmt.Errorf("copy plugin %q: %w", spec.Name, err)
	}
	defer root.Close()
	if c.intact(root, digest, name) {
		return filepath.Join(c.cfg.CopyDir, digest, name), digest, nil
	}
	copied, err = place(root, origin, name, func(actual string) error { return spec.pinned(origin, actual) })
	if err != nil {
		var wrong *task.LaunchError
		if errors.As(err, &wrong) {
			return "", "", err
		}
		return "", "", fmt.Errorf("copy plugin %q: %w", spec.Name, err)
	}
	path = filepath.Join(c.cfg.CopyDir, copied, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified[path] = true
	c.cfg.Log.Debug("copied a plugin", "plugin", spec.Name, "from", origin, "sha256", copied)
	return path, copied, nil
}

// intact tells whether there is a copy with the right content. It is read once in the
// life of the host; a crash of the machine may have left half of it.
func (c *Catalog) intact(root *os.Root, digest, name string) bool {
	path := filepath.Join(c.cfg.CopyDir, digest, name)
	c.mu.Lock()
	verified := c.verified[path]
	c.mu.Unlock()
	f, err := root.Open(filepath.Join(digest, name))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != copyMode {
		return false
	}
	if verified {
		return true
	}
	if actual, err := hashOf(f); err != nil || actual != digest {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified[path] = true
	return true
}

const copyMode fs.FileMode = 0o555

// place copies origin into the root as <digest>/<name>, where digest is that of the
// bytes it has copied, if accept has nothing against that digest.
func place(root *os.Root, origin, name string, accept func(digest string) error) (digest string, err error) {
	temporary := unfinishedPrefix + task.NewID(now())
	defer func() {
		if err != nil {
			_ = root.Remove(temporary)
		}
	}()
	if digest, err = copyHashed(root, origin, temporary); err != nil {
		return "", err
	}
	if err := accept(digest); err != nil {
		return "", err
	}
	if err := root.Mkdir(digest, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	// A rename replaces what a crash has left half written, and leaves a running process
	// of the same bytes its file.
	return digest, root.Rename(temporary, filepath.Join(digest, name))
}

// copyHashed copies a file and hashes what it copies. It does not sync: what a crash of the
// machine leaves is checked before it is used. No child may be forked while the
// copy is open for writing: it would hold the file open until its own exec, and the
// system would refuse to execute the copy as busy.
func copyHashed(root *os.Root, origin, temporary string) (digest string, err error) {
	in, err := os.Open(origin)
	if err != nil {
		return "", err
	}
	defer in.Close()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	err = errors.Join(err, out.Chmod(copyMode), out.Close())
	return hex.EncodeToString(h.Sum(nil)), err
}
