package process

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes the host the parent of whatever its plugins leave behind, so that
// it can be found, ended and reaped.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

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

// childless tells that a process has no children. When the kernel does not list
// children it says no.
func childless(pid int) bool {
	list := childrenOf(pid)
	return list.known && len(list.pids) == 0
}

// childrenOf lists the children of all threads of a process.
func childrenOf(pid int) (list childList) {
	threads, err := os.Open(procPath(pid, "task"))
	if err != nil {
		return list
	}
	defer threads.Close()
	names, err := threads.Readdirnames(-1)
	if err != nil {
		return list
	}
	for _, name := range names {
		text, err := os.ReadFile(procPath(pid, "task/"+name+"/children"))
		if err != nil {
			if _, gone := os.Stat(procPath(pid, "task/"+name)); gone != nil {
				continue // the thread has ended; its children are another thread's now
			}
			return childList{}
		}
		for word := range bytes.FieldsSeq(text) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				list.pids = append(list.pids, child)
			}
		}
	}
	list.known = true
	return list
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

// holds tells whether the process has one of the files open.
func holds(pid int, files []fileID) bool {
	dir, err := os.Open(procPath(pid, "fd"))
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		id, ok := statFile(procPath(pid, "fd/"+name))
		if !ok {
			continue
		}
		for _, f := range files {
			if f == id {
				return true
			}
		}
	}
	return false
}

func statFile(path string) (fileID, bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, false
	}
	return fileID{dev: st.Dev, ino: st.Ino}, true
}

// fileIDOf names an open file.
func fileIDOf(f *os.File) (id fileID) {
	raw, err := f.SyscallConn()
	if err != nil {
		return id
	}
	_ = raw.Control(func(fd uintptr) {
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) == nil {
			id = fileID{dev: st.Dev, ino: st.Ino}
		}
	})
	return id
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

// snapshots and ownChildren share one look among all who ask at the same time: a
// thousand processes that end together cost a few looks, not a thousand.
var (
	snapshots   = &shared[[]entry]{look: readProcesses}
	ownChildren = &shared[childList]{look: func() childList { return childrenOf(os.Getpid()) }}
)

// childList holds the children of a process; known says that the kernel lists them.
type childList struct {
	pids  []int
	known bool
}

// shared gives everybody the result of a look that began after they asked.
type shared[T any] struct {
	look func() T
	mu   sync.Mutex
	next *look[T] // will begin after now
	busy bool
}

type look[T any] struct {
	done   chan struct{}
	result T
}

func (s *shared[T]) take() T {
	s.mu.Lock()
	if s.next == nil {
		s.next = &look[T]{done: make(chan struct{})}
	}
	mine := s.next
	if !s.busy {
		s.busy = true
		go s.run()
	}
	s.mu.Unlock()
	<-mine.done
	return mine.result
}

func (s *shared[T]) run() {
	for {
		s.mu.Lock()
		current := s.next
		s.next = nil
		if current == nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		current.result = s.look()
		close(current.done)
	}
}

func readProcesses() []entry {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	all := make([]entry, 0, len(names))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if e, ok := readStat(pid); ok {
			all = append(all, e)
		}
	}
	return all
}

func readStat(pid int) (entry, bool) {
	fd, err := unix.Open(procPath(pid, "stat"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return entry{}, false
	}
	defer unix.Close(fd)
	var buf [512]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil || n <= 0 {
		return entry{}, false
	}
	return parseStat(pid, buf[:n])
}

// parseStat reads a line of /proc/PID/stat. The name in it is in parentheses and may
// hold anything, parentheses included, so the fields are counted from the last one.
func parseStat(pid int, line []byte) (entry, bool) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return entry{}, false
	}
	fields := bytes.Fields(line[end+1:])
	const state, parent, group, session, start = 0, 1, 2, 3, 19
	if len(fields) <= start {
		return entry{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i]))
		return n
	}
	began, err := strconv.ParseUint(string(fields[start]), 10, 64)
	if err != nil {
		return entry{}, false
	}
	return entry{
		pid: pid, parent: number(parent), group: number(group), session: number(session), start: began,
		zombie: fields[state][0] == 'Z' || fields[state][0] == 'X',
	}, true
}

func procPath(pid int, file string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + file
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
