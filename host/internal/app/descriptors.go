package app

import "golang.org/x/sys/unix"

const (
	mostConnections  = 2048 // of a listener at a time
	leastConnections = 64
	// connectionShare is the part of the host's descriptors that the connections of one listener may take: the rest is for
	// the processes, logs and files of tasks.
	connectionShare = 8
)

// connections is how many a listener holds at a time.
func connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return mostConnections
	}
	return connectionsOf(limit.Cur)
}

// connectionsOf is the same for a limit of descriptors.
func connectionsOf(limit uint64) int {
	return int(max(leastConnections, min(mostConnections, limit/connectionShare)))
}
