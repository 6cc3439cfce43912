package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is a process that the host has started and must reap.
type child struct {
	cmd   *exec.Cmd
	pid   int
	start uint64   // start time in clock ticks since boot; with pid it names a process for ever
	pidfd *os.File // readable when the process has ended; nil on kernels without pidfd
	held  bool     // it is dead, and a debugger has not let go of it; valid after awaitExit
}

// heldLook is how often a process that was killed is looked at, whether a debugger holds what is left of it.
const heldLook = 500 * time.Millisecond

// lifeSignal is the parent-death signal of a plugin: it wakes a stopped process, so that
// it sees the end of its lifeline, and does nothing to one that runs.
const lifeSignal = syscall.SIGCONT

var errHeldDead = errors.New("a debugger holds the process")

func startChild(cmd *exec.Cmd) (*child, error) {
	pidfd := -1
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = lifeSignal
	cmd.SysProcAttr.PidFD = &pidfd
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, pid: cmd.Process.Pid}
	if pidfd >= 0 {
		// Nonblocking, so that waiting for it parks a goroutine and not a thread.
		if err := unix.SetNonblock(pidfd, true); err == nil {
			c.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
		} else {
			_ = unix.Close(pidfd)
		}
	}
	if st, ok := readStat(c.pid); ok {
		c.start = st.start
	}
	return c, nil
}

// awaitExit blocks until the process has ended. It is not reaped then: its pid, and
// with it the number of its group and session, cannot be given to another process yet.
func (c *child) awaitExit() {
	for more := c.pidfd != nil; more; {
		raw, err := c.pidfd.SyscallConn()
		if err == nil {
			err = raw.Read(func(fd uintptr) bool { return ended(unix.P_PIDFD, int(fd), unix.WNOHANG) })
		}
		switch {
		case err == nil:
			return
		case !errors.Is(err, os.ErrDeadlineExceeded):
			more = false
		case heldDead(c.pid):
			c.held = true
			return
		default:
			c.lookSoon()
		}
	}
	for !ended(unix.P_PID, c.pid, 0) {
	}
}

// lookSoon wakes awaitExit after a while: the parent is not told of the end of a process that somebody traces, before
// the tracer has taken note of it.
func (c *child) lookSoon() {
	if c.pidfd != nil {
		_ = c.pidfd.SetReadDeadline(time.Now().Add(heldLook))
	}
}

func ended(kind, id, flags int) bool {
	var info unix.Siginfo
	err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
	if err == unix.EINTR {
		return false
	}
	return err != nil || info.Signo != 0
}

// killGroup sends SIGKILL to the process and its group. Only before reap.
func (c *child) killGroup() {
	_ = c.cmd.Process.Kill()
	_ = unix.Kill(-c.pid, unix.SIGKILL)
	c.lookSoon()
}

// reap takes the exit status. Once, after awaitExit. That of a process that a debugger holds is out of reach; it is reaped
// as an orphan is, when the debugger lets go.
func (c *child) reap() (*os.ProcessState, error) {
	if c.held {
		children.remove(c.pid)
		_ = c.cmd.Process.Release()
		_ = c.pidfd.Close()
		return nil, errHeldDead
	}
	state, err := c.cmd.Process.Wait()
	children.remove(c.pid)
	if c.pidfd != nil {
		_ = c.pidfd.Close()
	}
	return state, err
}

// maxRSS converts what getrusage reports to bytes.
func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
