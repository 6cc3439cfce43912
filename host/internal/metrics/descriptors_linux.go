package metrics

import (
	"os"

	"golang.org/x/sys/unix"
)

// descriptors counts those that are open, and says how many may be.
func descriptors() (open, most int, ok bool) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0, false
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0, false
	}
	return len(names) - 1, int(min(limit.Cur, 1<<31)), true // this directory is not counted
}
