package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

const (
	cancelGrace = 5 * time.Second // from cancel to kill, when the host names no time
	pipeGrace   = time.Second     // for the rest of the output, after everything has ended
	beatEvery   = time.Second
)

// command runs the configured program, once per run.
type command struct {
	config Config
	nest   *nest
}

var _ task.JobRunner[json.RawMessage, json.RawMessage] = (*command)(nil)

func open(_ context.Context, _ *task.Host, c Config) (*command, error) {
	return &command{config: c, nest: newNest()}, nil
}

// Close ends what open began.
func (c *command) Close() error {
	c.nest.close()
	return nil
}

// Run runs the program and returns its result, if it gives one.
func (c *command) Run(ctx context.Context, h *task.Host, input json.RawMessage) (json.RawMessage, error) {
	if h.Stopped() {
		return nil, task.ErrStopping
	}
	out := &output{log: lineLogger(h), result: c.config.Result == "json"}
	p, err := c.start(h, input, out)
	if err != nil {
		return nil, err
	}
	h.Ready("started")
	stopped, cancelled := c.follow(ctx, h, p)
	end := p.finish(h)
	if err := h.Publish("exit_code", end.shellCode()); err != nil {
		h.Log().Warn("cannot publish the exit code", "err", err)
	}
	if cancelled {
		return nil, fmt.Errorf("the command was stopped, %s: %w", end, context.Cause(ctx))
	}
	if err := c.config.ExitCodes.judge(end, stopped, out.lastLines()); err != nil {
		return nil, err
	}
	if end.signal != 0 || stopped != noSignal && end.code != 0 {
		return nil, nil // it was stopped as it should be, and owes no result
	}
	return out.resultLine()
}

// follow passes a drain and a cancel on until the command has ended. It returns the signal
// that a drain has sent, and whether a cancel reached the command.
func (c *command) follow(ctx context.Context, h *task.Host, p *process) (stopped syscall.Signal, cancelled bool) {
	stopping, done := h.Stopping(), ctx.Done()
	var kill <-chan time.Time
	for {
		select {
		case <-p.exited:
			return stopped, cancelled
		case <-stopping:
			stopping = nil
			if s := c.config.stopSignal(h.Info().Mode); s != noSignal {
				h.Log().Info("stopping the command", "signal", signalText(s))
				stopped = s
				p.signal(s)
			}
		case <-done:
			done, cancelled = nil, true
			grace := cancelGrace
			if at, ok := h.Deadline(); ok {
				grace = max(time.Until(at), 0)
			}
			h.Log().Info("cancelling the command", "signal", signalText(c.config.cancelSignal()), "cause", context.Cause(ctx))
			p.signal(c.config.cancelSignal())
			kill = time.After(grace / 2)
		case <-kill:
			h.Log().Warn("the command did not end in time, killing it")
			p.signal(syscall.SIGKILL)
			kill = time.After(100 * time.Millisecond) // it may have forked meanwhile
		}
	}
}

// lineLogger writes lines to the task's log; they are signs of life, too.
func lineLogger(h *task.Host) func(stream, line string) {
	var mu sync.Mutex
	var beat time.Time
	log := h.Log()
	return func(stream, line string) {
		log.Info(line, "stream", stream)
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(beat) >= beatEvery {
			beat = now
			h.Beat("")
		}
	}
}

// process is one running command.
type process struct {
	cmd    *exec.Cmd
	nest   *nest
	mark   string
	exited chan struct{} // closed when the command has ended; it is not reaped yet
	pipes  []*os.File
	read   chan struct{} // closed when both streams have ended
}

// start starts the command as the leader of a process group of its own, within the
// plugin's session.
func (c *command) start(h *task.Host, input json.RawMessage, out *output) (*process, error) {
	argv := c.config.argv()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = c.config.Dir
	cmd.WaitDelay = pipeGrace
	p := &process{cmd: cmd, nest: c.nest, mark: newMark(), exited: make(chan struct{}), read: make(chan struct{})}
	var err error
	if cmd.Env, err = c.config.environ(h.Info(), p.mark); err != nil {
		return nil, err
	}
	if c.config.Input == "stdin" {
		cmd.Stdin = bytes.NewReader(append(bytes.Clone(input), '\n'))
		if len(input) == 0 {
			cmd.Stdin = bytes.NewReader(nil)
		}
	}
	var theirs []*os.File
	for _, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(theirs, p.pipes...))
			return nil, fmt.Errorf("make a pipe for the output: %w", err)
		}
		*to, p.pipes, theirs = w, append(p.pipes, r), append(theirs, w)
	}
	err = c.nest.start(cmd, c.config.umask())
	closeAll(theirs)
	if err != nil {
		closeAll(p.pipes)
		return nil, startError(err)
	}
	go p.watch()
	go p.readAll(out)
	return p, nil
}

// startError says whether another try can help: a program that is not there stays away.
func startError(err error) error {
	err = fmt.Errorf("cannot start the command: %w", err)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ETXTBSY) {
		return err
	}
	return task.Permanent(err)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// watch waits for the command without reaping it: until then nobody can get its pid.
func (p *process) watch() {
	defer close(p.exited)
	awaitExit(p.cmd)
}

func (p *process) readAll(out *output) {
	defer close(p.read)
	var streams sync.WaitGroup
	for i, name := range []string{"stdout", "stderr"} {
		streams.Go(func() { out.read(name, p.pipes[i]) })
	}
	streams.Wait()
}

// signal reaches the whole tree of the command.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s) // an empty group is no error worth a word
	for _, pid := range p.nest.strays(p) {
		_ = syscall.Kill(pid, s)
	}
}

// finish sweeps what the command has left, reaps it and takes the rest of its output.
func (p *process) finish(h *task.Host) ending {
	if n := p.nest.sweep(p); n > 0 {
		h.Log().Warn("killed what the command left behind", "processes", n)
	}
	_ = p.cmd.Wait() // the state says how it ended
	p.nest.forget(p)
	select {
	case <-p.read:
	case <-time.After(pipeGrace):
		h.Log().Warn("something outside of the command's tree holds its output, the rest is not read")
	}
	closeAll(p.pipes)
	<-p.read
	return endingOf(p.cmd.ProcessState)
}
