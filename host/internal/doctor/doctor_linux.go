package doctor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/cgroup"
)

// File systems on which a lock or a sync does not mean what SQLite takes it for, or nothing survives, by their magic numbers (statfs(2)).
var doubtful = map[int64]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xff534d42: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB2", unix.FUSE_SUPER_MAGIC: "FUSE", unix.V9FS_MAGIC: "9p",
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
}

func dataFileSystem(_ context.Context, m Machine) Finding {
	const name = "file system"
	var st unix.Statfs_t
	if err := unix.Statfs(existing(m.DataDir), &st); err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	kind := doubtful[int64(st.Type)]
	switch kind {
	case "":
		return finding(name, OK, "", "of type %#x, on this machine", st.Type)
	case "tmpfs", "ramfs":
		return finding(name, Warn, "name a data_dir on a disk", "%s lies in memory (%s): nothing of it survives a restart of the machine", m.DataDir, kind)
	}
	return finding(name, Warn, "name a data_dir on a disk of this machine", "%s lies on %s, whose locks and syncs may not hold", m.DataDir, kind)
}

func processes(_ context.Context, m Machine) Finding {
	const name = "processes"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	// A Go process has some ten threads, and the limit counts threads.
	need := uint64(12 * (m.Processes + 1))
	most, from := limit.Cur, "RLIMIT_NPROC"
	if group, ok := pidsMax(); ok && group < most {
		most, from = group, "pids.max of the cgroup"
	}
	if most < need {
		return finding(name, Fail, "raise it: TasksMax= in the unit, or ulimit -u", "%s allows %d threads; %d plugin processes need about %d", from, most, m.Processes, need)
	}
	if most == unix.RLIM_INFINITY {
		return finding(name, OK, "", "no limit")
	}
	return finding(name, OK, "", "%s allows %d threads; the configuration needs about %d", from, most, need)
}

func pidsMax() (uint64, bool) {
	dir := cgroup.Of(cgroup.Self)
	if dir == "" {
		return 0, false
	}
	text, err := os.ReadFile(filepath.Join(dir, "pids.max"))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

func clock(context.Context, Machine) Finding {
	const name = "clock"
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil {
		return finding(name, Warn, "", "cannot tell whether it is set by a time server: %s", err)
	}
	if state == unix.TIME_ERROR || tx.Status&unix.STA_UNSYNC != 0 {
		return finding(name, Warn, "run chrony or systemd-timesyncd: slots are due by this clock", "no time server keeps it")
	}
	return finding(name, OK, "", "kept by a time server")
}

func kernel(context.Context, Machine) Finding {
	const name = "kernel"
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	if fd, err := unix.PidfdOpen(os.Getpid(), 0); err != nil {
		return finding(name, Info, "", "%s: no pidfd (%s); processes are watched by number", release, err)
	} else {
		unix.Close(fd)
	}
	return finding(name, OK, "", "%s, %s", release, system())
}

func cgroups(_ context.Context, m Machine) Finding {
	const name = "cgroup"
	const remedy = "with systemd: Delegate=memory pids cpu in the unit"
	dir := m.Cgroup
	if dir == "" {
		dir = cgroup.Delegated()
	}
	if dir == "" {
		return finding(name, Info, remedy, "none is delegated to a host that is started here; limits are those of setrlimit, and a tree of processes is ended one by one")
	}
	if unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil || unix.Access(dir, unix.W_OK) != nil {
		return finding(name, Warn, "give it to the account that the host runs as", "%s cannot be written; limits are those of setrlimit", dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return finding(name, Warn, remedy, "%s", err)
	}
	offered := strings.Fields(string(text))
	var lacks []string
	for _, controller := range []string{"memory", "cpu", "pids"} {
		if !slices.Contains(offered, controller) {
			lacks = append(lacks, controller)
		}
	}
	if len(lacks) > 0 {
		return finding(name, Info, remedy, "%s has no controller for %s", dir, strings.Join(lacks, ", "))
	}
	return finding(name, OK, "", "%s holds memory, cpu and pids of each process with all that it starts", dir)
}
