package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// earlyKept bounds the stops and cancels that are remembered for runs whose
	// start has not arrived: control and session travel side by side.
	earlyKept = 16
	// maxCalls bounds the method calls that are at work at once.
	maxCalls = 256
)

// instance is one task in this process.
type instance struct {
	server   *Server
	typ      *Type
	name     string
	mode     string
	pause    time.Duration
	watchdog time.Duration
	maxFrame int
	log      hclog.Logger
	author   func(func() error) error // calls author code
	out      *outbox
	object   any             // set once by open
	own      *Handle         // what open and methods see: bound to no run
	ctx      context.Context // of method calls
	end      context.CancelCauseFunc
	stopping chan struct{} // closed when the whole instance drains
	orphan   chan struct{} // closed when the host is gone
	done     chan struct{} // closed when the instance is

	mu       sync.Mutex
	state    lifecycle
	live     *Handle // the run that is going
	returned string  // the run that has returned last
	early    []early
	calls    int            // method calls at work
	working  sync.WaitGroup // the same, to wait for
	requests map[uint64]chan *taskv1.Reply
	nextID   uint64
	link     link
}

// lifecycle is how far an instance has come. It only ever moves forward.
type lifecycle int

const (
	opening lifecycle = iota
	open
	draining // ends with its live run
	closing  // nothing new; methods at work are waited for
	closed
)

// early is a stop or a cancel that came before the start of its run.
type early struct {
	run      string
	cause    error // nil: a stop
	deadline time.Time
}

func newInstance(s *Server, t *Type, q *taskv1.ConfigureRequest, log hclog.Logger) *instance {
	i := &instance{
		server:   s,
		typ:      t,
		name:     q.GetInstance(),
		mode:     q.GetMode(),
		pause:    time.Duration(q.GetPause()),
		watchdog: time.Duration(q.GetWatchdog()),
		maxFrame: int(q.GetMaxFrame()),
		log:      log,
		author:   guard,
		out:      newOutbox(),
		stopping: make(chan struct{}),
		orphan:   make(chan struct{}),
		done:     make(chan struct{}),
		requests: make(map[uint64]chan *taskv1.Reply),
	}
	if i.maxFrame == 0 {
		i.maxFrame = wire.DefaultMaxFrame
	}
	i.maxFrame = max(i.maxFrame, wire.MinMaxFrame)
	i.ctx, i.end = context.WithCancelCause(context.Background())
	if q.GetShared() {
		i.log, i.author = log.With(wire.TaskKey, i.name), labelled(i.name)
	}
	i.own = &Handle{inst: i, task: q.GetTask(), ctx: i.ctx, stopping: i.stopping}
	if i.own.task == "" {
		i.own.task = i.name
	}
	if len(t.Description.Outputs) > 0 {
		i.own.ids = newIDs("process "+rand.Text(), 0) // what belongs to no run is never done again
	}
	return i
}

// open runs the author's open. It fails with what the host is told.
func (i *instance) open(ctx context.Context, config any) error {
	var object any
	err := apart(func() error {
		return i.author(func() error {
			var err error
			object, err = i.typ.Open(ctx, i.own, config)
			return err
		})
	})
	if err == nil && ctx.Err() != nil {
		// The host waits no longer: it will not learn that there is something to close.
		err = fmt.Errorf("open took too long: %w", context.Cause(ctx))
		i.closeObject(object)
	}
	if err != nil {
		var p *Panic
		if errors.As(err, &p) {
			i.log.Error("open panicked", "panic", fmt.Sprint(p.Value), "stack", p.Stack)
		}
		return err
	}
	i.mu.Lock()
	i.object = object
	if i.state == opening {
		i.state = open
	}
	stopped := i.state == draining
	i.mu.Unlock()
	if stopped { // while it opened
		go i.close()
	}
	return nil
}

// stop drains one run, or with run "" the whole instance; idle says that the instance
// has no run to wait for and is about to be closed.
func (i *instance) stop(run string, deadline time.Duration, reason string) (idle bool) {
	until := deadlineAfter(deadline)
	if run != "" {
		i.stopRun(run, until, reason)
		return false
	}
	i.mu.Lock()
	before, live := i.state, i.live
	if before >= closing {
		i.mu.Unlock()
		return true
	}
	i.state = draining
	if before < draining {
		close(i.stopping)
	}
	i.mu.Unlock()
	if live != nil {
		live.stop(until, reason)
	}
	if live == nil && before == open {
		go i.close()
	}
	return live == nil
}

func (i *instance) stopRun(run string, until time.Time, reason string) {
	i.mu.Lock()
	h := i.live
	if h == nil || h.run != run {
		i.remember(early{run: run, deadline: until})
		i.mu.Unlock()
		return
	}
	i.mu.Unlock()
	h.stop(until, reason)
}

// cancelRun ends the context of a run; run "" is the one that is going.
func (i *instance) cancelRun(run string, cause error, deadline time.Duration) {
	until := deadlineAfter(deadline)
	i.mu.Lock()
	h := i.live
	if h == nil || (run != "" && h.run != run) {
		if run != "" {
			i.remember(early{run: run, cause: cause, deadline: until})
		}
		i.mu.Unlock()
		return
	}
	i.mu.Unlock()
	h.end(cause, until)
}

// abandon ends everything because the host is gone. It is called once.
func (i *instance) abandon() {
	close(i.orphan)
	i.stop("", 0, "the host is gone")
	i.cancelRun("", ErrHostGone, 0)
	i.end(ErrHostGone)
}

// remember keeps an early command, with mu held; the oldest makes room. One for the run that has just returned is not early
// but late: it must not meet the next attempt of that run.
func (i *instance) remember(e early) {
	if e.run == i.returned {
		return
	}
	if len(i.early) == earlyKept {
		i.early = append(i.early[:0], i.early[1:]...)
	}
	i.early = append(i.early, e)
}

// start begins a run that the host has sent. It does not block.
func (i *instance) start(q *taskv1.RunStart) {
	h := newRun(i, q)
	i.mu.Lock()
	var refusal *taskv1.RunResult
	switch {
	case i.state != open:
		refusal = &taskv1.RunResult{Run: h.run, Status: taskv1.RunStatus_RUN_STATUS_INTERRUPTED, Message: "the task is stopping"}
	case i.live != nil:
		refusal = &taskv1.RunResult{Run: h.run, Status: taskv1.RunStatus_RUN_STATUS_FAILED,
			Message: fmt.Sprintf("run %s is still going in this process", i.live.run)}
	}
	if refusal != nil {
		i.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunResult{RunResult: refusal}})
		i.mu.Unlock()
		h.cancel(errClosed)
		return
	}
	i.live = h
	var before []early
	if len(i.early) > 0 {
		rest := i.early[:0]
		for _, e := range i.early {
			if e.run == h.run {
				before = append(before, e)
			} else {
				rest = append(rest, e)
			}
		}
		i.early = rest
	}
	i.mu.Unlock()
	for _, e := range before {
		if e.cause == nil {
			h.stop(e.deadline, "")
		} else {
			h.end(e.cause, e.deadline)
		}
	}
	go h.execute()
}

// deliver hands messages to the run that they are for. When it has ended, the host has taken them back.
func (i *instance) deliver(q *taskv1.Deliver) {
	i.mu.Lock()
	h := i.live
	i.mu.Unlock()
	if h != nil && h.run == q.GetRun() && h.intake != nil {
		h.intake.deliver(q.GetMessages())
	}
}

// finish reports a run. The result follows everything that the run has sent.
func (i *instance) finish(h *Handle, r *taskv1.RunResult) {
	i.mu.Lock()
	i.live, i.returned = nil, h.run
	i.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunResult{RunResult: r}})
	last := i.state == draining
	i.mu.Unlock()
	if last {
		i.close()
	}
}

// call serves a method call beside whatever else goes on. It does not block.
func (i *instance) call(q *taskv1.MethodCall) {
	method := i.typ.Methods[q.GetMethod()]
	i.mu.Lock()
	refusal := ""
	switch {
	case method == nil:
		refusal = fmt.Sprintf("type %q has no method %q", i.typ.Description.Name, q.GetMethod())
	case i.state != open && i.state != draining:
		refusal = "the task is closing"
	case i.calls >= maxCalls:
		refusal = fmt.Sprintf("%d calls are at work already", maxCalls)
	default:
		i.calls++
		i.working.Add(1)
	}
	i.mu.Unlock()
	if refusal != "" {
		i.reply(&taskv1.MethodReply{Id: q.GetId(), Error: refusal})
		return
	}
	go i.answer(method, q)
}

// answer runs one method call and sends its reply.
func (i *instance) answer(method MethodFunc, q *taskv1.MethodCall) {
	var result []byte
	err := errExited
	ctx, cancel := WithTraceParent(i.ctx, q.GetTraceparent()), context.CancelFunc(func() {})
	if q.GetTimeout() > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(q.GetTimeout()), ErrTimeout)
	}
	defer func() {
		r := replyOf(q.GetId(), result, err)
		r.TimedOut = err != nil && errors.Is(context.Cause(ctx), ErrTimeout)
		cancel()
		i.reply(r)
		i.mu.Lock()
		i.calls--
		i.mu.Unlock()
		i.working.Done()
	}()
	err = i.author(func() error {
		var err error
		result, err = method(ctx, i.object, q.GetInput())
		return err
	})
}

func replyOf(id uint64, result []byte, err error) *taskv1.MethodReply {
	if err == nil {
		return &taskv1.MethodReply{Id: id, Result: result}
	}
	r := &taskv1.MethodReply{Id: id, Error: clip(err.Error(), textLimit)}
	var p *Panic
	if errors.As(err, &p) {
		r.Stack = p.Stack
	}
	if r.Error == "" {
		r.Error = "the method failed without a text"
	}
	return r
}

// reply sends a method's reply, if it fits into a frame.
func (i *instance) reply(r *taskv1.MethodReply) {
	if err := i.fits("the method's result", len(r.Result)); err != nil {
		r = &taskv1.MethodReply{Id: r.Id, Error: err.Error()}
	}
	i.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_MethodReply{MethodReply: r}})
}

// frameSlack is what a frame needs beside the value that it carries, in bytes.
const frameSlack = 1 << 10

// fits checks the size of a value against the frame that must carry it.
func (i *instance) fits(what string, size int) error {
	if size+frameSlack <= i.maxFrame {
		return nil
	}
	return fmt.Errorf("%s is too large for one frame: %s, the limit is %s",
		what, schema.FormatBytes(int64(size)), schema.FormatBytes(int64(i.maxFrame-frameSlack)))
}

// close ends the instance: methods at work are waited for, the object is closed,
// and the session ends when everything is sent. It is called once, with no run going.
func (i *instance) close() {
	i.mu.Lock()
	if i.state >= closing {
		i.mu.Unlock()
		return
	}
	i.state = closing
	i.mu.Unlock()
	i.end(errClosed)
	i.working.Wait()
	i.closeObject(i.object)
	i.mu.Lock()
	i.state = closed
	attached := i.link.end != nil
	i.mu.Unlock()
	close(i.done)
	i.out.finish()
	if !attached {
		i.server.closed(i) // otherwise detach does, when the last frame is sent
	}
}

// closeObject closes what open made, when it can be closed.
func (i *instance) closeObject(object any) {
	c, ok := object.(io.Closer)
	if !ok {
		return
	}
	if err := apart(func() error { return i.author(c.Close) }); err != nil {
		i.log.Error("close", "error", err.Error())
	}
}
