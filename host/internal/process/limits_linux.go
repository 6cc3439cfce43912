package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitFiles bounds the open files of a process and of those that it starts.
func limitFiles(pid, n int) error { return limit(pid, unix.RLIMIT_NOFILE, uint64(n)) }

// limitData bounds what a process writes to of its memory. It is not the address space (RLIMIT_AS): a Go program
// reserves hundreds of megabytes of that and uses none of them.
func limitData(pid int, bytes int64) error { return limit(pid, unix.RLIMIT_DATA, uint64(bytes)) }

func limit(pid, resource int, n uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return fmt.Errorf("prlimit: %w", err)
	}
	n = min(n, old.Max) // it may be lowered only
	if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
		return fmt.Errorf("prlimit: %w", err)
	}
	return nil
}
