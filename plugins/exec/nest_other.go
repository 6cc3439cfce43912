//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// attributes give a command its own group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// receiveFlags take a datagram if there is one.
const receiveFlags = syscall.MSG_DONTWAIT

// adoptOrphans is Linux's; elsewhere only the group is swept.
func adoptOrphans() {}

// awaitExit returns when the process has ended.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

// awaitHeir is Linux's: elsewhere what a command leaves is not this process's to wait for.
func awaitHeir(int) bool { return false }

func endingOfHeir(int) (ending, bool) { return ending{}, false }

func (n *nest) owns(p *process, pid int) bool { return pid == p.cmd.Process.Pid }

func (n *nest) strays(*process) []int { return nil }

// sweep kills what is left of the command's group.
func (n *nest) sweep(p *process) int {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	return 0
}
