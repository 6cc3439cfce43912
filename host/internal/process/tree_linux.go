package process

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// note remembers who belongs to t while the ancestry can still be told.
func (t *tree) note() {
	if childless(t.leader) {
		return // the usual case, and much cheaper than a snapshot
	}
	all := snapshots.take()
	children.mu.RLock()
	defer children.mu.RUnlock()
	t.members(all, t.orphan())
}

// end kills what is left of t beside its leader, again and again until nothing is left
// or the bound is over, and returns the pids that outlived it. The leader must have
// ended and must not have been reaped. held, if there is one, tells whether something
// still holds the tree's lock.
func (t *tree) end(bound time.Duration, held func() bool) (survivors []int) {
	if t.alone() && (held == nil || !held()) {
		return nil
	}
	deadline := time.Now().Add(bound)
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		left := t.strike()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return left
		}
		time.Sleep(wait)
	}
}

// alone tells, without a snapshot, that nothing can be left of a tree whose leader has
// ended: what it leaves becomes the host's child, and the host has no child that it has
// not started.
func (t *tree) alone() bool {
	if len(t.seen) > 1 {
		return false
	}
	own := ownChildren.take()
	if !own.known {
		return false
	}
	children.mu.RLock()
	defer children.mu.RUnlock()
	for _, pid := range own.pids {
		if children.pids[pid] {
			continue
		}
		if e, ok := readStat(pid); ok && e.session != ownSession() {
			return false
		}
	}
	return true
}

// strike kills the members once and reaps those that have ended as children of the host.
func (t *tree) strike() (pids []int) {
	all := snapshots.take()
	children.mu.RLock()
	defer children.mu.RUnlock()
	for _, m := range t.members(all, t.orphan()) {
		killExactly(m.pid, m.start)
		pids = append(pids, m.pid)
	}
	reapAdopted(all)
	return pids
}

// orphan tells whether an adopted process wears a mark of t; its answers are remembered
// for one look at a snapshot. children.mu must be held.
func (t *tree) orphan() func(entry) bool {
	self, session := os.Getpid(), ownSession()
	asked := map[int]bool{}
	return func(e entry) bool {
		if e.parent != self || e.zombie || e.session == session || children.pids[e.pid] {
			return false
		}
		answer, known := asked[e.pid]
		if !known {
			answer = t.marks.worn(e.pid)
			asked[e.pid] = answer
		}
		return answer
	}
}

// worn tells whether the process has one of the marks' files open or the word in its
// environment.
func (m marks) worn(pid int) bool {
	if m.word != "" {
		if env, err := os.ReadFile(procPath(pid, "environ")); err == nil && bytes.Contains(env, []byte(m.word)) {
			return true
		}
	}
	return len(m.files) > 0 && holds(pid, m.files)
}

// killExactly kills the process that has this pid and start time, and no other that may
// have got the pid since.
func killExactly(pid int, start uint64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if err == unix.ENOSYS {
			if st, ok := readStat(pid); ok && st.start == start {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		return
	}
	defer unix.Close(fd)
	// The descriptor pins the process; looking now tells whether it is the right one.
	if st, ok := readStat(pid); ok && st.start == start {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// holders finds the processes that still have a file of the marks open.
func holders(m marks) (pids []int) {
	self := os.Getpid()
	for _, e := range snapshots.take() {
		if e.pid != self && !e.zombie && holds(e.pid, m.files[:1]) { // the lock comes first
			pids = append(pids, e.pid)
		}
	}
	return pids
}
