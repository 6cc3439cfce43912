//go:build !linux

package journal

import "golang.org/x/sys/unix"

// bootClock may stand still while the machine sleeps, which nobody lets it do under torture.
const bootClock = unix.CLOCK_MONOTONIC
