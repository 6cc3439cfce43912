package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Command is a program that runs once, to its end.
type Command struct {
	Path      string
	Args      []string // without the program's name
	Env       []string // the whole environment
	Dir       string   // working directory
	Stdin     []byte
	MaxOutput int // bytes of stdout; more is ErrTooMuch
}

// ErrTooMuch says that a command has written more to stdout than it may.
var ErrTooMuch = errors.New("too much output")

// Run runs a command in a session of its own and returns what it wrote to stdout and how
// it ended. It returns soon after ctx ends or too much was written, with the error that
// says so. Its whole tree is killed then, and in any case at its end. A command that
// could not be started is a *task.LaunchError.
func Run(ctx context.Context, c Command) ([]byte, task.ExitCause, error) {
	r := &once{out: newOutput(discard{}), max: c.MaxOutput, full: make(chan struct{})}
	if err := r.start(c); err != nil {
		return nil, task.ExitCause{Code: -1}, spawnFailure(task.LaunchSpec{Plugin: c.name(), Path: c.Path}, err)
	}
	ended := make(chan struct{})
	go func() {
		r.child.awaitExit()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-r.full:
		err = ErrTooMuch
	case <-ctx.Done():
		err = ctx.Err()
	}
	exit := r.finish(ended, err != nil)
	if err == nil && closed(r.full) {
		err = ErrTooMuch
	}
	return r.stdout.Bytes(), exit, err
}

func (c Command) name() string {
	info, err := os.Stat(c.Path)
	if err != nil {
		return c.Path
	}
	return info.Name()
}

// once is a running Command.
type once struct {
	child  *child
	tree   tree
	out    *output
	stdout bytes.Buffer
	max    int
	full   chan struct{}
	pipes  [2]*os.File // stdout, stderr
	done   [2]chan struct{}
}

func (r *once) start(c Command) (err error) {
	stdin, err := inputFile(c.Stdin)
	if err != nil {
		return err
	}
	defer stdin.Close()
	ourOut, stdout, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdout.Close()
	ourErr, stderr, err := os.Pipe()
	if err != nil {
		_ = ourOut.Close()
		return err
	}
	defer stderr.Close()
	mark := MarkEnv + "=" + task.NewID(time.Now())
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(append([]string(nil), c.Env...), mark)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	r.tree.marks = marks{files: []fileID{fileIDOf(stdout), fileIDOf(stderr)}, word: mark}
	if r.child, err = startPatiently(cmd); err != nil {
		_, _ = ourOut.Close(), ourErr.Close()
		return err
	}
	r.tree.leader, r.tree.start = r.child.pid, r.child.start
	r.pipes = [2]*os.File{ourOut, ourErr}
	var lines splitter
	for i, feed := range []func([]byte){
		r.take,
		func(chunk []byte) { lines.feed(chunk, r.out.stderr) },
	} {
		r.done[i] = make(chan struct{})
		go func() {
			defer close(r.done[i])
			_ = readChunks(r.pipes[i], feed)
			if i == 1 {
				lines.flush(r.out.stderr)
			}
		}()
	}
	return nil
}

// take keeps stdout up to its bound, and reads on without keeping more.
func (r *once) take(chunk []byte) {
	if r.stdout.Len()+len(chunk) > r.max {
		if !closed(r.full) {
			close(r.full)
		}
		return
	}
	r.stdout.Write(chunk)
}

// finish ends what is left of the tree and lets go of everything.
func (r *once) finish(ended <-chan struct{}, kill bool) task.ExitCause {
	if kill {
		r.tree.note()
		r.child.killGroup()
	}
	<-ended
	r.child.killGroup()
	survivors := r.tree.end(treeBound, nil)
	state, _ := r.child.reap()
	for i, pipe := range r.pipes {
		_ = pipe.SetReadDeadline(time.Now().Add(drainPipes))
		<-r.done[i]
		_ = pipe.Close()
	}
	return exitCause(state, r.out, kill, survivors)
}

// inputFile holds what a command reads from stdin, so that nobody has to feed a pipe.
func inputFile(data []byte) (*os.File, error) {
	if len(data) == 0 {
		return os.Open(os.DevNull)
	}
	f, err := os.CreateTemp("", "taskhost-input-")
	if err != nil {
		return nil, fmt.Errorf("keep the input: %w", err)
	}
	_ = os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("keep the input: %w", err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("keep the input: %w", err)
	}
	return f, nil
}

// exitCause says how a process ended, from its exit status and what it wrote to stderr.
func exitCause(state *os.ProcessState, out *output, killed bool, survivors []int) task.ExitCause {
	e := task.ExitCause{Code: -1, Survivors: survivors, At: time.Now()}
	tail, crash := out.last()
	e.Stderr = tail
	if state == nil { // a debugger holds what is left of it
		if killed {
			e.Signal, e.ByHost = syscall.SIGKILL.String(), true
		}
		return e
	}
	e.Code = state.ExitCode()
	e.UserCPU, e.SystemCPU = state.UserTime(), state.SystemTime()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok && usage != nil {
		e.MaxRSS = maxRSS(usage)
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal().String()
		e.ByHost = killed && ws.Signal() == syscall.SIGKILL
	}
	// Text that looks like a crash counts only when the process ended as a crash does.
	if e.Code == 2 || e.Signal != "" && !e.ByHost {
		e.Panic = crash
	}
	return e
}
