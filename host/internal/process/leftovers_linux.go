package process

import (
	"os"
	"strings"
	"sync"
)

// leftovers is what an earlier process may have left; by its record, and by who holds
// its lock.
type leftovers struct {
	record record
	tree   *tree
}

// kill kills whatever is left once, and reports whether there was anything. With
// byLock it also looks through the open files of all processes for the lock, which is
// slow, and needed only for what the record does not lead to.
func (l *leftovers) kill(lock *os.File, byLock bool) (alive bool) {
	all := snapshots.take()
	children.mu.RLock()
	defer children.mu.RUnlock()
	if l.tree == nil {
		l.tree = &tree{seen: map[int]uint64{}}
		if r := l.record; r.PID > 0 && r.Boot == bootID() && !reused(all, r) && !children.pids[r.PID] {
			l.tree.leader, l.tree.start = r.PID, r.Start
			l.tree.marks.word = r.Mark
		}
	}
	id := []fileID{fileIDOf(lock)}
	self, parent := os.Getpid(), os.Getppid()
	belongs := func(e entry) bool {
		if e.pid <= 1 || e.pid == self || e.zombie || children.pids[e.pid] {
			return false
		}
		// The parent of an orphan is init, or a subreaper above the host that left it.
		orphan := e.parent == 1 || e.parent == self || e.parent == parent
		return byLock && holds(e.pid, id) || orphan && l.tree.marks.worn(e.pid)
	}
	for _, m := range l.tree.everyone(all, belongs) {
		if m.pid <= 1 || m.pid == self || children.pids[m.pid] {
			continue
		}
		killExactly(m.pid, m.start)
		alive = true
	}
	reapAdopted(all)
	return alive
}

// everyone finds the members of t in a snapshot, its leader included.
func (t *tree) everyone(all []entry, orphan func(entry) bool) []entry {
	found := t.members(all, orphan)
	for _, e := range all {
		if e.pid == t.leader && e.start == t.start && !e.zombie {
			found = append(found, e)
		}
	}
	return found
}

// reused tells whether the recorded pid belongs to another process by now; then its
// session number means nothing either.
func reused(all []entry, r record) bool {
	for _, e := range all {
		if e.pid == r.PID {
			return e.start != r.Start
		}
	}
	return false
}

// bootID names this boot of the machine: pids and start times hold within one.
var bootID = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
})
