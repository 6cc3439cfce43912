package app

import (
	"math"

	"golang.org/x/sys/unix"
)

const (
	mostConnections  = 2048 // of a listener at a time, when the file names no number
	leastConnections = 64
	// connectionShare is the part of the host's descriptors that the connections of one listener may take: the rest is for
	// the processes, logs and files of tasks. A number in the file may take askedShare.
	connectionShare = 8
	askedShare      = 4
)

// descriptorLimit is how many files the host may have open.
func descriptorLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// connectionsOf is how many connections a listener holds at a time, with a limit of descriptors. asked is what the file says, 0 for
// nothing.
func connectionsOf(limit uint64, asked int) int {
	if asked > 0 {
		return int(min(uint64(asked), max(leastConnections, limit/askedShare)))
	}
	return int(max(leastConnections, min(mostConnections, limit/connectionShare)))
}
