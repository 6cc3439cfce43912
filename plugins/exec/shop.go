package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

const (
	cancelGrace = 5 * time.Second // from cancel to kill, when the host names no time
	pipeGrace   = time.Second     // for the rest of the output, after everything has ended
	beatEvery   = time.Second
)

// shop runs the commands of one task.
type shop struct {
	program Program
	nest    *nest
	place   *place
}

func newShop(p Program) (*shop, error) {
	at, err := newPlace(socketBase)
	if err != nil {
		return nil, err
	}
	return &shop{program: p, nest: newNest(), place: at}, nil
}

// close ends what newShop began. No command is running any more.
func (s *shop) close() error {
	s.nest.close()
	return s.place.remove()
}

// errand is what one command is run for.
type errand struct {
	stdin []byte
	env   []string       // beside that of the program
	json  bool           // the last line of standard output is the result
	stop  syscall.Signal // sent when the task drains
	ready *Ready         // nil: it is ready once it is started
	kept  *held          // nil: what it saves and emits takes effect at once
}

// done is how a command ended.
type done struct {
	end       ending
	stopped   syscall.Signal // that a drain has sent
	cancelled error          // why it was cancelled, nil if it was not
	out       *output
	complaint string // of its own
}

// verdict turns the ending into the error of the run, or of the message; well says that what the command saved and
// emitted is to be kept.
func (d done) verdict(codes ExitCodes) (well bool, err error) {
	if d.cancelled != nil {
		return false, fmt.Errorf("the command was stopped, %s: %w", d.end, d.cancelled)
	}
	err = codes.judge(d.end, d.stopped, d.complaint+d.out.lastLines())
	return err == nil || codes.skips(d.end), err
}

// cut reports whether a drain has ended the command before its work was done.
func (d done) cut(verdict error) bool {
	return d.stopped != noSignal && (verdict != nil || d.end.by(d.stopped))
}

// run runs the command. The error says why it could not be started.
func (s *shop) run(ctx context.Context, h *task.Host, e errand) (done, error) {
	if h.Stopped() {
		return done{}, task.ErrStopping
	}
	life, end := context.WithCancel(ctx)
	defer end()
	ready := sayOnce(h)
	l := &listener{ctx: ctx, host: h, kept: e.kept, ready: func(string) {}, trigger: make(chan struct{})}
	if e.ready != nil && e.ready.Notify {
		l.ready = ready
	}
	out := &output{log: lineLogger(h, l, e.ready.pattern(), ready), result: e.json}
	p, err := s.start(h, e, out, l)
	if err != nil {
		return done{}, err
	}
	if e.ready == nil {
		ready("started")
	}
	var probing sync.WaitGroup
	if try := e.ready.probe(); try != nil {
		probing.Go(func() { await(life, try, func() { ready("it answers") }) })
	}
	d := done{out: out}
	d.stopped, d.cancelled = s.follow(ctx, h, p, e.stop)
	end()
	probing.Wait()
	d.end = p.finish(h)
	d.complaint = l.complaint()
	return d, nil
}

// sayOnce says that the task is ready, the first time that it is called.
func sayOnce(h *task.Host) func(note string) {
	var once sync.Once
	return func(note string) { once.Do(func() { h.Ready(note) }) }
}

// follow passes a drain and a cancel on until the command has ended. It returns the signal
// that a drain has sent, and why a cancel has reached the command.
func (s *shop) follow(ctx context.Context, h *task.Host, p *process, stop syscall.Signal) (stopped syscall.Signal, cancelled error) {
	stopping, cancel, ill := h.Stopping(), ctx.Done(), p.listener.trigger
	var kill <-chan time.Time
	for {
		select {
		case <-p.exited:
			return stopped, cancelled
		case <-stopping:
			stopping = nil
			if stop != noSignal {
				h.Log().Info("stopping the command", "signal", signalText(stop))
				stopped = stop
				p.signal(stop)
			}
		case <-ill:
			ill = nil
			h.Log().Warn("the command's own watchdog found it ill, ending it", "signal", "SIGABRT")
			p.signal(syscall.SIGABRT)
			kill = time.After(cancelGrace / 2)
		case <-cancel:
			cancel, cancelled = nil, context.Cause(ctx)
			grace := cancelGrace
			if at, ok := h.Deadline(); ok {
				grace = max(time.Until(at), 0)
			}
			h.Log().Info("cancelling the command", "signal", signalText(s.program.cancelSignal()), "cause", cancelled)
			p.signal(s.program.cancelSignal())
			kill = time.After(grace / 2)
		case <-kill:
			h.Log().Warn("the command did not end in time, killing it")
			p.signal(syscall.SIGKILL)
			kill = time.After(100 * time.Millisecond) // it may have forked meanwhile
		}
	}
}

// lineLogger writes lines to the task's log. They are signs of life, as long as the command gives none by itself, and the
// first that matches says that it is ready.
func lineLogger(h *task.Host, l *listener, match *regexp.Regexp, ready func(string)) func(stream, line string) {
	var beat atomic.Int64
	log := h.Log()
	return func(stream, line string) {
		log.Info(line, "stream", stream)
		if match != nil && match.MatchString(line) {
			ready("its output says so")
		}
		now, last := time.Now().UnixNano(), beat.Load()
		if now-last >= int64(beatEvery) && !l.beating() && beat.CompareAndSwap(last, now) {
			h.Beat("")
		}
	}
}

// startError says whether another try can help: a program that is not there stays away.
func startError(err error) error {
	err = fmt.Errorf("cannot start the command: %w", err)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ETXTBSY) {
		return err
	}
	return task.Permanent(err)
}
