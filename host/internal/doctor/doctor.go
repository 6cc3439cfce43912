package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/account"
)

// Level says how much a finding matters.
type Level string

const (
	OK   Level = "ok"
	Info Level = "info" // something works less well, and nothing that is promised
	Warn Level = "warning"
	Fail Level = "error" // the host will not start, or will not keep a promise
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// Machine says what is looked at.
type Machine struct {
	DataDir   string
	PluginDir string
	Cgroup    string // that the configuration names
	Processes int    // plugin processes that the configuration may have at a time
	Accounts  []Account
}

// Account is what the processes of a task run as.
type Account struct {
	Task        string
	User, Group string
}

// Examine makes every check, in the order in which a person would. It takes about a second, most of it for the disk.
func Examine(ctx context.Context, m Machine) []Finding {
	checks := []func(context.Context, Machine) Finding{
		user, accounts, dataDir, dataFileSystem, freeSpace, syncTime, pluginDir, files, processes, clock, kernel, cgroups, temporary,
	}
	var out []Finding
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		out = append(out, check(ctx, m))
	}
	return out
}

func finding(check string, level Level, remedy, format string, args ...any) Finding {
	return Finding{Check: check, Level: level, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

func user(context.Context, Machine) Finding {
	if os.Geteuid() == 0 {
		return finding("user", Warn, `give the host an account of its own, or the tasks: user = "…"`, "the host runs as root, and so does every task without a user")
	}
	return finding("user", OK, "", "uid %d", os.Geteuid())
}

// accounts looks up what tasks run as: nothing of such a task starts where there is no such account.
func accounts(_ context.Context, m Machine) Finding {
	const name = "accounts"
	var failed []string
	for _, a := range m.Accounts {
		if _, err := account.Find(a.User, a.Group); err != nil {
			failed = append(failed, fmt.Sprintf("task %q: %s", a.Task, err))
		}
	}
	if n := len(failed); n > 0 {
		detail := failed[0]
		if n > 1 {
			detail += fmt.Sprintf(", and %d more tasks", n-1)
		}
		return finding(name, Fail, "until then these tasks fail at their start; run doctor as the host's user, who must be root to switch", "%s", detail)
	}
	return finding(name, OK, "", "tasks with a user or a group: %d", len(m.Accounts))
}

// dataDir looks at the directory, or at where it will be made.
func dataDir(_ context.Context, m Machine) Finding {
	const name = "data directory"
	info, err := os.Stat(m.DataDir)
	if os.IsNotExist(err) {
		parent := existing(m.DataDir)
		if unix.Access(parent, unix.W_OK|unix.X_OK) != nil {
			return finding(name, Fail, "make it by hand, for the host's user alone (mode 0700)", "%s is not there, and cannot be made in %s", m.DataDir, parent)
		}
		return finding(name, OK, "", "%s will be made", m.DataDir)
	}
	switch {
	case err != nil:
		return finding(name, Fail, "see that each part of its path is a directory that the host's user may enter, or name another data_dir", "it cannot be made or used: %s", err)
	case !info.IsDir():
		return finding(name, Fail, "name another data_dir", "%s is no directory", m.DataDir)
	case info.Mode().Perm()&0o022 != 0:
		return finding(name, Fail, "chmod go-w "+m.DataDir, "%s can be written by others (mode %s)", m.DataDir, info.Mode().Perm())
	case unix.Access(m.DataDir, unix.W_OK|unix.X_OK) != nil:
		return finding(name, Fail, "chown it to the host's user", "%s cannot be written", m.DataDir)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return finding(name, Fail, "run this as the host's user, or chown the directory", "%s belongs to the user %d, this is %d", m.DataDir, st.Uid, os.Geteuid())
	}
	return finding(name, OK, "", "%s, mode %s", m.DataDir, info.Mode().Perm())
}

// existing is the nearest directory above path that is there.
func existing(path string) string {
	for path != "/" && path != "." {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

const (
	scarce = 64 << 20 // what the store keeps in reserve, at most
	little = 1 << 30
)

func freeSpace(_ context.Context, m Machine) Finding {
	const name = "disk space"
	var st unix.Statfs_t
	if err := unix.Statfs(existing(m.DataDir), &st); err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	level, remedy := OK, ""
	switch {
	case free < scarce:
		level, remedy = Fail, "make room: the store acknowledges nothing before that"
	case free < little:
		level, remedy = Warn, "make room, or lower keep and keep_total"
	}
	return finding(name, level, remedy, "%.1f GiB free", float64(free)/(1<<30))
}

const (
	syncs    = 20
	slowSync = 20 * time.Millisecond
)

// syncTime measures what every acknowledgement waits for: a write of a page, and its sync.
func syncTime(ctx context.Context, m Machine) Finding {
	const name = "sync"
	f, err := os.CreateTemp(existing(m.DataDir), ".doctor-*")
	if err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	for range syncs {
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return finding(name, Fail, "", "write: %s", err)
		}
		if err := f.Sync(); err != nil {
			return finding(name, Fail, "the disk does not keep what it is given: replace it, or name another data_dir", "sync: %s", err)
		}
		took = append(took, time.Since(start))
	}
	if len(took) == 0 {
		return finding(name, Warn, "", "not measured: %s", ctx.Err())
	}
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	detail := fmt.Sprintf("a write and its sync take %s at the median, %s at worst", median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond))
	switch {
	case median > slowSync:
		return finding(name, Warn, "a queue's message waits for two of them: name a data_dir on a faster disk", "%s", detail)
	case median < 20*time.Microsecond:
		return finding(name, Warn, "the disk acknowledges what it cannot have written: after a power loss the last records may be missing", "%s", detail)
	}
	return finding(name, OK, "", "%s", detail)
}

func pluginDir(_ context.Context, m Machine) Finding {
	const name = "plugins"
	entries, err := os.ReadDir(m.PluginDir)
	if err != nil {
		return finding(name, Warn, "make it, or name another plugin_dir", "%s cannot be read: %s", m.PluginDir, err)
	}
	if info, err := os.Stat(m.PluginDir); err == nil && info.Mode().Perm()&0o022 != 0 {
		return finding(name, Warn, "chmod go-w "+m.PluginDir, "%s can be written by others (mode %s): they decide what the host starts", m.PluginDir, info.Mode().Perm())
	}
	var programs, open []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(m.PluginDir, e.Name()))
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		programs = append(programs, e.Name())
		if info.Mode()&0o002 != 0 {
			open = append(open, e.Name())
		}
	}
	switch {
	case len(open) > 0:
		return finding(name, Fail, "chmod o-w them", "everyone can write %s", strings.Join(open, ", "))
	case len(programs) == 0:
		return finding(name, Warn, "install a plugin there", "%s holds no program", m.PluginDir)
	}
	return finding(name, OK, "", "%s: %s", m.PluginDir, strings.Join(programs, ", "))
}

// Of each plugin process the host holds about so many descriptors: its pipes, socket, lock file and log.
const (
	filesEach = 8
	filesOwn  = 128
)

func files(_ context.Context, m Machine) Finding {
	const name = "open files"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return finding(name, Warn, "", "cannot tell: %s", err)
	}
	need := uint64(filesOwn + filesEach*m.Processes)
	if limit.Max < need {
		return finding(name, Fail, fmt.Sprintf("raise it: LimitNOFILE=%d in the unit, or ulimit -n", need*2), "the limit is %d; %d processes need about %d", limit.Max, m.Processes, need)
	}
	return finding(name, OK, "", "the limit is %d; the configuration needs about %d", limit.Max, need)
}

func temporary(context.Context, Machine) Finding {
	const name = "temporary files"
	f, err := os.CreateTemp("", "taskhost-doctor-*")
	if err != nil {
		return finding(name, Fail, "set TMPDIR to a directory that can be written", "a plugin cannot be described: %s", err)
	}
	f.Close()
	os.Remove(f.Name())
	return finding(name, OK, "", "%s", os.TempDir())
}

func system() string { return runtime.GOOS + "/" + runtime.GOARCH }
