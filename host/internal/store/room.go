package store

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/task"
)

// defaultReserve is what is left free of a large file system; of a small one it is an eighth.
const defaultReserve = 64 << 20

func statfs(dir string) (free, size int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

// reserve is how many bytes of a file system are left free.
func (o Options) reserve(size int64) int64 {
	if o.Reserve == 0 {
		return min(defaultReserve, size/8)
	}
	return o.Reserve
}

// lookForRoom stops acknowledging what needs room before the disk is full, so that what the host must write all
// the same still finds some, and goes on when there is room again.
func (s *SQLite) lookForRoom() {
	if s.opts.Reserve < 0 {
		return
	}
	free, size, err := s.opts.Room(filepath.Dir(s.path))
	if err != nil {
		s.log.Debug("cannot tell how much of the disk is free", "file", s.path, "err", err)
		return // a write will tell
	}
	var scarce error
	need := s.opts.reserve(size)
	if free < need {
		scarce = &task.Error{
			Code:   CodeUnavailable,
			Detail: fmt.Sprintf("the disk of the store %s is nearly full: %s are free, %s are kept in reserve", s.path, bytesText(free), bytesText(need)),
			Remedy: "make room; tasks go on, and the store takes writes again by itself",
		}
	}
	s.mu.Lock()
	changed := (s.scarce == nil) != (scarce == nil)
	s.scarce = scarce
	s.mu.Unlock()
	switch {
	case !changed:
	case scarce != nil:
		s.log.Error("the disk is nearly full: nothing is acknowledged that needs room", "file", s.path, "free", free, "reserve", need)
	default:
		s.log.Info("the disk has room again", "file", s.path, "free", free)
	}
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
