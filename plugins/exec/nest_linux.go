package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes give a command its own group, and an end when the plugin dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// receiveFlags take a datagram if there is one, and keep what comes along from commands.
const receiveFlags = syscall.MSG_DONTWAIT | syscall.MSG_CMSG_CLOEXEC

// adoptOrphans makes this process the parent of descendants whose own parent has died:
// so a command cannot hide a child by forking twice or with a session of its own.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without it, the host sweeps what is left
}

// awaitExit returns when the process has ended, and leaves it to be reaped.
func awaitExit(cmd *exec.Cmd) {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// awaitHeir waits for another process of a command that has ended, and leaves it to be reaped. It is
// a child of this one then, since what started it is gone; false when it is not.
func awaitHeir(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// endingOfHeir reaps it and says how it ended; false for pid 0.
func endingOfHeir(pid int) (ending, bool) {
	if pid == 0 {
		return ending{}, false
	}
	var status unix.WaitStatus
	for {
		got, err := unix.Wait4(pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || got != pid {
			return ending{}, false
		}
		if status.Signaled() {
			return ending{signal: status.Signal()}, true
		}
		return ending{code: status.ExitStatus()}, true
	}
}

// owns reports whether a process is the command or came from it.
func (n *nest) owns(p *process, pid int) bool {
	return pid == p.cmd.Process.Pid || slices.Contains(n.family(p), pid)
}

// strays are the live processes of the command that are outside of its group.
func (n *nest) strays(p *process) []int {
	var found []int
	group := p.cmd.Process.Pid
	for _, pid := range n.family(p) {
		if g, err := unix.Getpgid(pid); err == nil && g != group {
			found = append(found, pid)
		}
	}
	return found
}

// family are the descendants of the command, and the orphans that came from it.
func (n *nest) family(p *process) []int {
	return append(descendants(p.cmd.Process.Pid), n.orphans(p)...)
}

// orphans are what came from the command and lost its parent, and the descendants of that. Once the command itself
// has ended they are all that is left of it.
func (n *nest) orphans(p *process) []int {
	var found []int
	alone := n.alone()
	for _, pid := range adopted() {
		if n.leads(pid) || !alone && !marked(pid, p.mark) {
			continue
		}
		found = append(append(found, pid), descendants(pid)...)
	}
	return found
}

// sweep kills what the command has left, until nothing is; it returns how many there
// were. The command itself has ended, but is not reaped: its group cannot be another's.
func (n *nest) sweep(p *process) int {
	killed := map[int]bool{}
	for end := time.Now().Add(sweepBound); ; {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		left := false
		for _, pid := range n.orphans(p) {
			if reap(pid) {
				continue
			}
			left = true
			killed[pid] = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !left || time.Now().After(end) {
			return len(killed)
		}
		pause(time.Millisecond)
	}
}

// pause gives the kernel time to end what was killed.
func pause(d time.Duration) { <-time.After(d) }

// reap reports whether the process has ended, and removes it if it is a child of this one.
func reap(pid int) bool {
	var status unix.WaitStatus
	if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err == nil {
		return got == pid
	}
	state, ok := stateOf(pid)
	return !ok || state == 'Z' || state == 'X'
}

// stateOf is the state letter of a process; false when there is no such process.
func stateOf(pid int) (byte, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	_, after, ok := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(") "))
	if !ok || len(after) == 0 {
		return 0, false
	}
	return after[0], true
}

// marked reports whether the process carries the mark of a command.
func marked(pid int, mark string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(append([]byte{0}, env...), []byte("\x00"+markEnv+"="+mark+"\x00"))
}

func descendants(pid int) []int {
	var found []int
	for _, child := range children(pid) {
		found = append(append(found, child), descendants(child)...)
	}
	return found
}

// adopted are the orphans that the kernel has handed to this process: it gives them to the first thread, which a Go
// program keeps. (The commands are children of the thread that started them.)
func adopted() []int {
	self := os.Getpid()
	return childrenIn(fmt.Sprintf("/proc/%d/task/%d/children", self, self))
}

// children asks the kernel for the children of every thread of a process.
func children(pid int) []int {
	var found []int
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range threads {
		found = append(found, childrenIn(file)...)
	}
	return found
}

// childrenIn reads a list of children; that of a thread that has ended is empty, they went to another.
func childrenIn(file string) []int {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var found []int
	for _, word := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(word); err == nil {
			found = append(found, child)
		}
	}
	return found
}
