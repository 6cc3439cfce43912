package main

import (
	"crypto/rand"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sweepBound is how long a sweep may take.
const sweepBound = 2 * time.Second

// newMark makes the value of markEnv for one command.
func newMark() string { return rand.Text() }

func signalText(s syscall.Signal) string {
	if s == noSignal {
		return "none"
	}
	return unix.SignalName(s)
}

// nest starts commands from one thread that lives as long as the nest: the signal that
// a command gets when its parent dies is tied to the thread that started it.
type nest struct {
	starts chan func()
	done   sync.WaitGroup
}

func newNest() *nest {
	n := &nest{starts: make(chan func())}
	n.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for start := range n.starts {
			start()
		}
	})
	adoptOrphans()
	return n
}

// close ends the thread. No command is running any more.
func (n *nest) close() {
	close(n.starts)
	n.done.Wait()
}

// start starts a command with a file mode mask; -1 is the plugin's own.
func (n *nest) start(p *process, mask int) error {
	cmd := p.cmd
	cmd.SysProcAttr = attributes()
	result := make(chan error)
	n.starts <- func() {
		families.mu.Lock() // the mask is the whole process's
		defer families.mu.Unlock()
		if mask >= 0 {
			defer syscall.Umask(syscall.Umask(mask))
		}
		err := cmd.Start()
		if err == nil {
			families.leaders[cmd.Process.Pid] = true
		}
		result <- err
	}
	return <-result
}

// forget says that a command is reaped.
func (n *nest) forget(p *process) {
	families.mu.Lock()
	defer families.mu.Unlock()
	delete(families.leaders, p.cmd.Process.Pid)
}

// families are the commands of this process: what the kernel hands to it as orphans
// belongs to one of them. There is one kernel's view of a process, so there is one of these.
var families = struct {
	mu      sync.Mutex
	leaders map[int]bool // pids of commands that are not reaped
}{leaders: map[int]bool{}}

// alone reports whether p is the only command that is not reaped.
func (n *nest) alone() bool {
	families.mu.Lock()
	defer families.mu.Unlock()
	return len(families.leaders) == 1
}

func (n *nest) leads(pid int) bool {
	families.mu.Lock()
	defer families.mu.Unlock()
	return families.leaders[pid]
}
