//go:build !linux

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// child is a process that the host has started and must reap.
type child struct {
	cmd   *exec.Cmd
	pid   int
	start uint64
	state *os.ProcessState
	err   error
}

func startChild(cmd *exec.Cmd) (*child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd: cmd, pid: cmd.Process.Pid}, nil
}

// awaitExit blocks until the process has ended. Without a portable way to wait and not
// to reap it reaps at once; the group is killed right after, before its number can be
// given to another.
func (c *child) awaitExit() {
	c.state, c.err = c.cmd.Process.Wait()
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
}

// killGroup sends SIGKILL to the process and its group.
func (c *child) killGroup() {
	_ = c.cmd.Process.Kill()
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
}

// reap gives the exit status. Once, after awaitExit.
func (c *child) reap() (*os.ProcessState, error) {
	children.remove(c.pid)
	return c.state, c.err
}

// maxRSS converts what getrusage reports to bytes.
func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss }
