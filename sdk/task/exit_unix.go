//go:build unix

package task

import (
	"os"
	"syscall"
)

// exit ends the process. When its host is gone, the rest of its process group goes with it: nobody
// else is left to end the children of author code.
func exit(code int) {
	if code == exitHostGone && syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(-os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(code)
}
