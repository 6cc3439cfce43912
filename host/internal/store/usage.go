package store

import (
	"os"
	"path/filepath"
)

// Usage is what the store takes on the disk, and what its file system still takes. Neither is 0 unless it is unknown.
func (s *SQLite) Usage() (bytes, free int64) {
	for _, name := range []string{s.path, s.path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			bytes += info.Size()
		}
	}
	free, _, err := s.opts.Room(filepath.Dir(s.path))
	if err != nil {
		free = 0
	}
	return bytes, free
}

// writes is how many records and answers a transaction carries.
func (b *batch) writes() int {
	return len(b.runs) + len(b.slots) + len(b.rows) + len(b.values) + len(b.events) + len(b.ops)
}

// Fenced says why nothing can be written; nil is nothing.
func (s *SQLite) Fenced() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence
}

// Scarce says why nothing is acknowledged that needs room on the disk; nil is nothing.
func (s *SQLite) Scarce() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scarce
}
