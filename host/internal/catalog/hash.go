package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// Hash returns the sha256 of a file, in hex.
func Hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashOf(f)
}

func hashOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Hash returns the sha256 of a file, in hex. A file that has not changed since (by
// device, inode, size and times) is not read again.
func (c *Catalog) Hash(path string) (string, error) { return c.hashes.of(path) }

// identity changes whenever the content of a file does, but for a change within the
// resolution of its times.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime time.Time
}

// settled is the age from which on a file's times tell reliably that it is unchanged.
const settled = 2 * time.Second

// hashes remembers the digests of files. The zero value is ready.
type hashes struct {
	mu    sync.Mutex
	known map[identity]string
}

func (h *hashes) of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	before, err := identify(f)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	digest, ok := h.known[before]
	h.mu.Unlock()
	if ok {
		return digest, nil
	}
	if digest, err = hashOf(f); err != nil {
		return "", err
	}
	after, err := identify(f)
	if err == nil && after == before && time.Since(before.ctime) > settled {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.known == nil {
			h.known = map[identity]string{}
		}
		h.known[before] = digest
	}
	return digest, nil
}

func identify(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	id := identity{size: info.Size(), mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino, id.ctime = uint64(st.Dev), st.Ino, changeTime(st)
	}
	return id, nil
}
