package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	kernel "github.com/taskhost/taskhost/host/internal/cgroup"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Where the host may make cgroups (version 2, cgroups(7) and Documentation/admin-guide/cgroup-v2.rst of the kernel) each
// process is born into one of its own: its limits hold for all that it starts, cgroup.kill ends all of them at
// once, and an oom kill is known to be theirs.

// hostGroup is where the host itself goes: a group with controllers for its children may hold no process.
const hostGroup = "host"

// groupPrefix begins the name of every process's group.
const groupPrefix = "process-"

// cgroups is the group below which those of the processes are made; nil where there is none.
type cgroups struct {
	dir         string
	controllers []string // that limits can be set with
	log         hclog.Logger
}

// openCgroups makes the host's own group ready to hold others. dir "" is found out: the group that the service manager has
// delegated to this process. nil is a host without.
func openCgroups(dir string, log hclog.Logger) *cgroups {
	if dir == "" {
		if dir = kernel.Delegated(); dir == "" {
			return nil
		}
	}
	g := &cgroups{dir: dir, log: log}
	if err := g.prepare(); err != nil {
		log.Warn("no cgroups for the processes of tasks", "cgroup", dir, "err", err)
		return nil
	}
	g.sweep()
	log.Debug("each process gets a cgroup", "cgroup", dir, "controllers", strings.Join(g.controllers, " "))
	return g
}

// prepare moves the host out of the way and turns on what controllers there are.
func (g *cgroups) prepare() error {
	if err := canBeBorn(); err != nil {
		return err
	}
	own := filepath.Join(g.dir, hostGroup)
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if kernel.Of(kernel.Self) == g.dir {
		if err := write(own, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
			return err
		}
	}
	offered, err := os.ReadFile(filepath.Join(g.dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range []string{"memory", "cpu", "pids"} {
		if !slices.Contains(strings.Fields(string(offered)), name) {
			continue
		}
		if err := write(g.dir, "cgroup.subtree_control", "+"+name); err != nil {
			g.log.Warn("a cgroup controller cannot be used", "cgroup", g.dir, "controller", name, "err", err)
			continue
		}
		g.controllers = append(g.controllers, name)
	}
	return nil
}

// canBeBorn says why no process can be born into a cgroup: that takes clone3, which some seccomp filters refuse as if the kernel had
// none. Asked for nothing it is refused for another reason otherwise.
func canBeBorn() error {
	if _, _, why := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); why == unix.ENOSYS {
		return errors.New("the system call clone3 is not allowed here; take RestrictNamespaces= and filters of system calls out of the unit, or use a kernel of 5.7 or newer")
	}
	return nil
}

// sweep ends what an earlier host has left.
func (g *cgroups) sweep() {
	if g == nil {
		return
	}
	left, _ := filepath.Glob(filepath.Join(g.dir, groupPrefix+"*"))
	for _, dir := range left {
		c := &cgroup{dir: dir}
		c.kill()
		if err := c.remove(); err != nil {
			g.log.Warn("cannot remove the cgroup of an earlier process", "cgroup", dir, "err", err)
		}
	}
}

// cgroup is that of one process; nil does nothing.
type cgroup struct {
	dir  string
	fd   *os.File // until the process has entered
	held []string // controllers with a limit of ours
	why  string   // the rest is not held
}

// make makes the group of a process, with its limits.
func (g *cgroups) make(mark string, l task.Limits) (*cgroup, error) {
	if g == nil {
		return nil, nil
	}
	c := &cgroup{dir: filepath.Join(g.dir, groupPrefix+mark)}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	var err error
	if c.fd, err = os.OpenFile(c.dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("open a cgroup: %w", err), os.Remove(c.dir))
	}
	c.limits(g, l)
	return c, nil
}

// limits sets those that the group can hold.
func (c *cgroup) limits(g *cgroups, l task.Limits) {
	const period = 100_000 // µs
	c.limit(g, "memory", l.Memory > 0, "memory.max", strconv.FormatInt(l.Memory, 10))
	c.limit(g, "cpu", l.CPU > 0, "cpu.max", fmt.Sprintf("%d %d", int(l.CPU*period), period))
	c.limit(g, "pids", l.PIDs > 0, "pids.max", strconv.Itoa(l.PIDs))
	if slices.Contains(c.held, "memory") { // all of the tree or nothing; and no way out through swap
		_ = write(c.dir, "memory.oom.group", "1")
		_ = write(c.dir, "memory.swap.max", "0")
	}
}

// limit sets one limit, or notes why it is not held.
func (c *cgroup) limit(g *cgroups, controller string, set bool, file, value string) {
	switch {
	case !set:
	case !slices.Contains(g.controllers, controller):
		c.why = fmt.Sprintf("the cgroup %s has no controller for it", g.dir)
	default:
		if err := write(c.dir, file, value); err != nil {
			c.why = err.Error()
			return
		}
		c.held = append(c.held, controller)
	}
}

// enter lets cmd be born in the group.
func (c *cgroup) enter(cmd *exec.Cmd) {
	if c == nil {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(c.fd.Fd())
}

// entered lets go of what the start has needed.
func (c *cgroup) entered() {
	if c != nil && c.fd != nil {
		_ = c.fd.Close()
		c.fd = nil
	}
}

// holds tells whether the group holds the limit of that name.
func (c *cgroup) holds(name string) (by, why string) {
	switch {
	case c == nil:
		return "", "the host has no cgroup of its own: with systemd, Delegate=memory pids cpu in the unit"
	case slices.Contains(c.held, name):
		return byCgroup, ""
	}
	return "", c.why
}

// kill ends everything in the group at once. A kernel before 5.14 has no cgroup.kill; there the tree is ended one by one.
func (c *cgroup) kill() {
	if c != nil {
		_ = write(c.dir, "cgroup.kill", "1")
	}
}

// empty reports whether nothing in the group lives.
func (c *cgroup) empty() bool {
	if c == nil {
		return true
	}
	events, err := os.ReadFile(filepath.Join(c.dir, "cgroup.events"))
	return err != nil || !strings.Contains(string(events), "populated 1")
}

// oom reports whether the kernel has killed something in the group for want of memory.
func (c *cgroup) oom() bool {
	if c == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(c.dir, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(events)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// removeBound is how long a group that was killed may take to be empty.
const removeBound = time.Second

// remove removes the group, once nothing lives in it.
func (c *cgroup) remove() error {
	if c == nil {
		return nil
	}
	c.entered()
	var err error
	for wait, since := time.Millisecond, time.Now(); ; wait *= 2 {
		err = unix.Rmdir(c.dir)
		if !errors.Is(err, unix.EBUSY) || time.Since(since) > removeBound {
			break
		}
		c.kill()
		time.Sleep(wait)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// forswearPrivileges keeps every program that the host ever starts from gaining rights by a setuid bit or by
// capabilities of its file. It cannot be undone.
func forswearPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errno == 0 {
		return nil
	}
	return errno
}
