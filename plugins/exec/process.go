package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// process is one running command.
type process struct {
	cmd      *exec.Cmd
	nest     *nest
	mark     string
	desk     *desk
	listener *listener
	heir     int           // the main process after the one that was started; 0 is none. Set before exited is closed
	started  chan struct{} // closed when cmd.Process is set, or never will be
	exited   chan struct{} // closed when the command has ended; it is not reaped yet
	pipes    []*os.File
	read     chan struct{} // closed when both streams have ended
}

// start starts the command as the leader of a process group of its own, within the
// plugin's session.
func (s *shop) start(h *task.Host, e errand, out *output, l *listener) (*process, error) {
	p := &process{nest: s.nest, mark: newMark(), listener: l, started: make(chan struct{}), exited: make(chan struct{}), read: make(chan struct{})}
	l.owns = p.owns
	var err error
	if p.desk, err = openDesk(s.place, l); err != nil {
		return nil, err
	}
	err = s.launch(p, h, e)
	close(p.started)
	if err != nil {
		p.desk.close()
		return nil, err
	}
	go p.watch()
	go p.readAll(out)
	return p, nil
}

// launch makes the command and starts it.
func (s *shop) launch(p *process, h *task.Host, e errand) error {
	argv := s.program.argv()
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir = s.program.Dir
	p.cmd.WaitDelay = pipeGrace
	p.cmd.Stdin = bytes.NewReader(e.stdin)
	var err error
	if p.cmd.Env, err = s.program.environ(h.Info(), p.mark, append(p.desk.env, e.env...)); err != nil {
		return err
	}
	var theirs []*os.File
	for _, to := range []*io.Writer{&p.cmd.Stdout, &p.cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(theirs, p.pipes...))
			return fmt.Errorf("make a pipe for the output: %w", err)
		}
		*to, p.pipes, theirs = w, append(p.pipes, r), append(theirs, w)
	}
	err = s.nest.start(p, s.program.umask())
	closeAll(theirs)
	if err != nil {
		closeAll(p.pipes)
		return startError(err)
	}
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// watch waits for the command without reaping it: until then nobody can get its pid. One that has named another process
// as its main one has ended with that.
func (p *process) watch() {
	defer close(p.exited)
	awaitExit(p.cmd)
	p.desk.flush()
	if main := p.listener.mainPID(); main > 0 && main != p.cmd.Process.Pid && awaitHeir(main) {
		p.heir = main
	}
}

// owns reports whether a process is the command or one of its descendants.
func (p *process) owns(pid int) bool {
	<-p.started
	return p.cmd.Process != nil && p.nest.owns(p, pid)
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

// finish sweeps what the command has left, reaps it, takes the rest of its output and of what it said.
func (p *process) finish(h *task.Host) ending {
	end, inherited := endingOfHeir(p.heir)
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
	p.desk.close()
	if inherited {
		return end
	}
	return endingOf(p.cmd.ProcessState)
}
