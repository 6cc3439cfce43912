package process

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes the host the parent of whatever its plugins leave behind, so that
// it can be found, ended and reaped.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// reapAdopted takes the exit status of ended orphans that the host has adopted. Children
// that somebody waits for are in the registry, or in the host's own session; it never
// touches those. children.mu must be held.
func reapAdopted(all []entry) {
	self, session := os.Getpid(), ownSession()
	for _, e := range all {
		if e.zombie && e.parent == self && e.session != session && !children.pids[e.pid] {
			_, _ = unix.Wait4(e.pid, nil, unix.WNOHANG, nil)
		}
	}
}

// zombieWaits tells, without reaping it, whether some child of the host has ended.
func zombieWaits() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

func reapOrphans() {
	if !zombieWaits() {
		return
	}
	all := snapshots.take()
	children.mu.RLock()
	defer children.mu.RUnlock()
	reapAdopted(all)
}

var ownSession = sync.OnceValue(func() int {
	sid, _ := unix.Getsid(0)
	return sid
})
