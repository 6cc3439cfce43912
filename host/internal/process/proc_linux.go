package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

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

// heldDead reports whether a process is dead to all but its tracer: it is traced, and none of its threads lives.
func heldDead(pid int) bool {
	threads, err := filepath.Glob(procPath(pid, "task/*/stat"))
	if err != nil || len(threads) == 0 || !traced(pid) {
		return false
	}
	return !slices.ContainsFunc(threads, func(path string) bool {
		line, err := os.ReadFile(path)
		e, ok := parseStat(pid, line)
		return err == nil && ok && !e.zombie // one that is gone is dead
	})
}

// traced reports whether a process traces this one.
func traced(pid int) bool {
	status, err := os.ReadFile(procPath(pid, "status"))
	_, rest, found := bytes.Cut(status, []byte("\nTracerPid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return err == nil && found && string(bytes.TrimSpace(line)) != "0"
}

func procPath(pid int, file string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + file
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
