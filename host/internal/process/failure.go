package process

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Why the time of a launch is over.
var (
	errNoHandshake = errors.New("no handshake in time")
	errNoService   = errors.New("no service in time")
)

const (
	settle   = 200 * time.Millisecond // for a process that has closed stdout to end by itself
	killWait = 5 * time.Second        // for a killed process to be gone, before a failed launch or the end of the launcher returns
)

// fail ends a process that could not be brought to serve and says why.
func (p *Process) fail(limit context.Context, err error) *task.LaunchError {
	shake, seen, junk, first := p.greeting.state()
	if limit.Err() == nil && !seen && !junk {
		// The end of stdout is mostly the end of the process: let it say how it ended.
		select {
		case <-p.exited:
		case <-time.After(settle):
		case <-limit.Done():
		}
	}
	facts := failedLaunch{
		spec: p.spec, shake: shake, seen: seen, junk: junk, first: first,
		exited: closed(p.exited), over: context.Cause(limit), err: err,
	}
	if p.wasKilled() && facts.over == nil {
		facts.over = context.Canceled // the host is shutting down
	}
	p.Kill()
	select {
	case <-p.done:
		facts.exit = &p.exit
	case <-time.After(killWait):
	}
	return facts.explain()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// failedLaunch is what is known about a launch that has failed.
type failedLaunch struct {
	spec   task.LaunchSpec
	shake  handshake
	seen   bool // the handshake
	junk   bool // too much output before it
	first  string
	exited bool  // by itself
	over   error // why there was no more time, or nil
	exit   *task.ExitCause
	err    error
}

// explain is the one place where the ways in which a launch fails get their names.
func (f failedLaunch) explain() *task.LaunchError {
	name := subject(f.spec)
	fail := func(kind task.LaunchKind, remedy, format string, args ...any) *task.LaunchError {
		e := &task.LaunchError{Kind: kind, Detail: name + " " + fmt.Sprintf(format, args...), Remedy: remedy, Err: f.err}
		if f.exited {
			e.Exit = f.exit
		}
		return e
	}
	switch {
	case f.over != nil && !timedOut(f.over):
		return fail(task.LaunchStopped, "", "was stopped while it started")
	case f.seen && f.shake.core != 1:
		return fail(task.LaunchProtocol, "rebuild it with the SDK of this host",
			"shakes hands in version %d of the plugin handshake, this host knows 1", f.shake.core)
	case f.seen && f.shake.protocol != wire.ProtocolVersion:
		remedy := "rebuild it with the SDK of this host"
		if f.shake.protocol > wire.ProtocolVersion {
			remedy = fmt.Sprintf("rebuild it with an SDK of protocol %d, or upgrade this host", wire.ProtocolVersion)
		}
		return fail(task.LaunchProtocol, remedy, "speaks protocol %d, this host speaks %d", f.shake.protocol, wire.ProtocolVersion)
	case f.seen && f.shake.kind != "grpc":
		return fail(task.LaunchNotPlugin, "build it with the SDK of this host", "does not serve gRPC")
	case f.junk:
		return fail(task.LaunchNotPlugin, "check that the file is a taskhost plugin and prints nothing before it serves",
			"wrote more than %d lines or %d KiB to stdout before the handshake; it began with %q", maxJunkLines, maxJunkBytes>>10, f.first)
	case f.exited && f.exit != nil && refusedCookie(f.exit.Stderr):
		return fail(task.LaunchNotPlugin, "build it with the SDK of this host",
			"is a plugin of another program: it does not know this host (%s)", f.exit.Text())
	case f.exited && !f.seen && f.exit != nil && f.exit.Code == 0:
		return fail(task.LaunchNotPlugin, "check that the file is a taskhost plugin",
			"ended without a handshake (exit 0)%s", lastWords(f.exit))
	case f.exited && f.exit != nil:
		return fail(task.LaunchExited, "", "ended before it served: %s%s", f.exit.Text(), lastWords(f.exit))
	case f.over != nil && f.seen:
		return fail(task.LaunchTimeout, "", "shook hands, but does not answer within %s%s", f.spec.Timeout, lastWords(f.exit))
	case f.over != nil:
		return fail(task.LaunchTimeout, "check that the file is a taskhost plugin, or raise start_timeout",
			"did not shake hands within %s%s", f.spec.Timeout, lastWords(f.exit))
	case f.seen:
		return fail(task.LaunchNotPlugin, "build it with the SDK of this host", "cannot be reached: %s", f.err)
	}
	return fail(task.LaunchNotPlugin, "check that the file is a taskhost plugin", "closed its stdout without a handshake%s", lastWords(f.exit))
}

func timedOut(cause error) bool {
	return errors.Is(cause, errNoHandshake) || errors.Is(cause, errNoService) || errors.Is(cause, context.DeadlineExceeded)
}

// refusedCookie knows what go-plugin's server side prints when it was started by
// somebody that it was not made for.
func refusedCookie(stderr []string) bool {
	return strings.Contains(strings.Join(stderr, "\n"), "This binary is a plugin")
}

// subject names the plugin as every message does: `plugin "http" 1.4.0 (/path/to/http)`.
func subject(spec task.LaunchSpec) string {
	name := "plugin " + strconv.Quote(spec.Plugin)
	if spec.Version != "" {
		name += " " + spec.Version
	}
	return name + " (" + spec.Path + ")"
}

// lastWords quotes the end of what the process wrote to stderr.
func lastWords(exit *task.ExitCause) string {
	if exit == nil || len(exit.Stderr) == 0 || exit.Panic != "" { // a panic's text is said already
		return ""
	}
	lines := exit.Stderr
	return "; its last words: " + strconv.Quote(strings.Join(lines[max(0, len(lines)-3):], "\n"))
}

// spawnFailure explains why the system could not start a binary.
func spawnFailure(spec task.LaunchSpec, err error) *task.LaunchError {
	e := &task.LaunchError{Kind: task.LaunchResources, Err: err}
	name := subject(spec)
	switch info, statErr := os.Stat(spec.Path); {
	case lacksNull(err):
		e.Detail = fmt.Sprintf("%s could not be started: %s", name, err)
		e.Remedy = "a container or a chroot needs a /dev with null in it (mknod -m 666 /dev/null c 1 3)"
	case errors.Is(statErr, fs.ErrNotExist):
		e.Kind = task.LaunchMissing
		e.Detail = name + " does not exist"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = task.LaunchNotExec
		e.Detail = name + " cannot be executed: its loader or interpreter does not exist here"
		e.Remedy = "build it static (CGO_ENABLED=0)"
	case statErr == nil && info.IsDir():
		e.Kind = task.LaunchNotExec
		e.Detail = name + " is a directory"
	case errors.Is(err, syscall.EACCES) && statErr == nil && info.Mode()&0o111 == 0:
		e.Kind = task.LaunchNotExec
		e.Detail = fmt.Sprintf("%s is not executable (mode %s)", name, info.Mode().Perm())
		e.Remedy = "chmod +x it"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Kind = task.LaunchNotExec
		e.Detail = name + " cannot be executed: permission denied"
		if spec.User != "" {
			e.Remedy = fmt.Sprintf("run the host as root and let user %q reach the file", spec.User)
		}
	case errors.Is(err, syscall.ENOEXEC):
		e.Kind = task.LaunchNotExec
		e.Detail = fmt.Sprintf("%s is %s; this machine runs %s/%s", name, fileKind(spec.Path), runtime.GOOS, runtime.GOARCH)
		e.Remedy = "build it for this machine"
	default:
		e.Detail = fmt.Sprintf("%s could not be started: %s", name, err)
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			e.Remedy = "raise the limit of open files"
		}
	}
	return e
}

// lacksNull reports whether what is missing is the machine's, not the plugin's: /dev/null, which is its standard input.
func lacksNull(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Path == os.DevNull
}

// fileKind says in a few words what a file is that the system refuses to run.
func fileKind(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return "no program"
	}
	defer f.Close()
	return "built for " + strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_"))
}

// claimFailure explains why a task has no slot for its process.
func claimFailure(ctx context.Context, spec task.LaunchSpec, err error) *task.LaunchError {
	e := &task.LaunchError{Kind: task.LaunchResources, Err: err}
	switch {
	case ctx.Err() != nil && !timedOut(context.Cause(ctx)):
		e.Kind = task.LaunchStopped
		e.Detail = subject(spec) + " was stopped before it started"
	case errors.Is(err, errHeld):
		e.Kind = task.LaunchUnclean
		e.Detail = fmt.Sprintf("%s is not started: something of an earlier process of task %q still lives (%s)", subject(spec), spec.Task, err)
		e.Remedy = "end it by hand"
	default:
		e.Detail = fmt.Sprintf("%s could not be started: %s", subject(spec), err)
	}
	return e
}
