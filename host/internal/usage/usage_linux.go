package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/cgroup"
)

// The kernel counts the time of processes in ticks, of which there are 100 a second on every Linux that Go runs on.
const tick = time.Second / 100

var pageSize = int64(os.Getpagesize())

// Of reads what a process takes, without its children; false when it has ended.
func Of(pid int) (Usage, bool) {
	var room [1024]byte
	text := readSmall("/proc/"+strconv.Itoa(pid)+"/stat", room[:])
	// The name of the program, in parentheses, may hold anything: what is meant begins behind the last one.
	_, rest := cutLast(text, ')')
	fields := bytes.Fields(rest)
	if len(fields) < 22 {
		return Usage{}, false
	}
	return Usage{
		CPU: time.Duration(numberOf(fields[11])+numberOf(fields[12])) * tick,
		RSS: numberOf(fields[21]) * pageSize,
	}, true
}

// groupOf is the cgroup that holds the whole tree of a process, "" where there is none of its own: then the process is in
// that of the host.
func groupOf(pid int) string {
	own, its := cgroup.Of(cgroup.Self), cgroup.Of(strconv.Itoa(pid))
	if its == own {
		return ""
	}
	return its
}

// ofGroup reads what everything in a cgroup takes, what has ended there included; false when there is no such group.
func ofGroup(dir string) (Usage, bool) {
	var room [8192]byte
	µs, ok := valueIn(readSmall(filepath.Join(dir, "cpu.stat"), room[:]), "usage_usec")
	if !ok {
		return Usage{}, false
	}
	u := Usage{CPU: time.Duration(µs) * time.Microsecond}
	stat := readSmall(filepath.Join(dir, "memory.stat"), room[:])
	anon, there := valueIn(stat, "anon")
	if !there { // without the controller
		u.RSS = residentIn(dir)
		return u, true
	}
	mapped, _ := valueIn(stat, "file_mapped")
	u.RSS = anon + mapped
	return u, true
}

// residentIn adds up the processes of a group. Pages that they share count more than once.
func residentIn(dir string) int64 {
	pids, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return 0
	}
	sum := int64(0)
	for text := range strings.FieldsSeq(string(pids)) {
		if pid, err := strconv.Atoi(text); err == nil {
			u, _ := Of(pid)
			sum += u.RSS
		}
	}
	return sum
}

// valueIn is the number behind a word in lines of words and numbers.
func valueIn(text []byte, word string) (int64, bool) {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 2 && string(fields[0]) == word {
			return numberOf(fields[1]), true
		}
	}
	return 0, false
}

func cutLast(text []byte, sep byte) (before, after []byte) {
	if i := bytes.LastIndexByte(text, sep); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, nil
}

func numberOf(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// readSmall reads a small file of the kernel with three calls of it. os.ReadFile takes twice as many, which shows
// where there is one for each of a thousand processes.
func readSmall(path string, room []byte) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, room)
	if err != nil || n < 0 {
		return nil
	}
	return room[:n]
}
