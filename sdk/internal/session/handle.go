package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// maxOps bounds one commit.
	maxOps = 1000
	// maxKey bounds the key of a value and the id of a message, in bytes.
	maxKey = 128
	// maxOrderKey bounds the ordering key of a message, in bytes.
	maxOrderKey = 256
)

var (
	errNoSession = errors.New("there is no session yet: state and checkpoint can be used once a run has begun, not in open")
	errEnded     = errors.New("the run has ended")
)

// unanswered is a request whose answer nobody waits for any more.
type unanswered struct{ cause error }

func (u *unanswered) Error() string {
	return "no answer came before the context ended, it may have been done all the same: " + u.cause.Error()
}

func (u *unanswered) Unwrap() error { return u.cause }

// Handle is what author code holds of its run, or of its instance where there is
// no run (in open and in methods). It is safe for concurrent use.
type Handle struct {
	inst     *instance
	task     string
	run      string           // "" of the instance's own handle
	Start    *taskv1.RunStart // nil of the instance's own handle
	ctx      context.Context
	cancel   context.CancelCauseFunc
	stopping chan struct{}

	mu       sync.Mutex
	log      hclog.Logger
	stopped  bool
	looked   bool // author code asked whether to stop, or waits for it
	over     bool
	timeout  time.Time // when the attempt's timeout ends; here and below, zero is never
	drainEnd time.Time // when the drain turns into a cancel
	killAt   time.Time // when the cancel turns into a kill
	values   map[string][]byte
	flush    []func(context.Context) error

	intake *intake       // of a run that consumes, otherwise nil
	ids    *ids          // of what it emits; nil where the type has no outputs
	saving chan struct{} // holds one token: of the commits that save, one is under way
}

// newRun makes the handle of one attempt.
func newRun(i *instance, q *taskv1.RunStart) *Handle {
	h := &Handle{inst: i, task: i.own.task, run: q.GetRun(), Start: q, stopping: make(chan struct{}), timeout: At(q.GetDeadline())}
	h.ctx, h.cancel = context.WithCancelCause(WithTraceParent(context.Background(), q.GetTraceparent()))
	if len(i.typ.Description.Outputs) > 0 {
		saves, _ := strconv.ParseUint(string(q.GetValues()[wire.SavesKey]), 10, 64) // none is 0
		h.ids = newIDs("run "+h.run, saves)
		h.saving = make(chan struct{}, 1)
	}
	h.intake = newIntake(h)
	return h
}

// execute is the goroutine of a run.
func (h *Handle) execute() {
	var result []byte
	err := errExited
	defer func() { h.finish(result, err, time.Now()) }()
	h.inst.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunEntered{RunEntered: &taskv1.RunEntered{Run: h.run, At: time.Now().UnixNano()}}})
	err = h.inst.author(func() error {
		switch {
		case h.intake != nil:
			return h.intake.run(h.ctx)
		case h.inst.typ.Handle != nil:
			return noConsume(h.Type())
		}
		var err error
		result, err = h.inst.typ.Run(h.ctx, h, h.inst.object, h.Start.GetInput())
		return err
	})
}

// finish sends what is buffered, ends the context and reports.
func (h *Handle) finish(result []byte, err error, at time.Time) {
	if keepsBuffered(err) {
		h.mu.Lock()
		flush := h.flush
		h.mu.Unlock()
		for _, f := range flush {
			if failed := f(h.ctx); failed != nil {
				err = errors.Join(err, failed)
			}
		}
	}
	if err == nil {
		if large := h.inst.fits("the run's result", len(result)); large != nil {
			err = &Verdict{Status: taskv1.RunStatus_RUN_STATUS_PERMANENT, Err: large}
		}
	}
	h.mu.Lock()
	h.over = true
	observed := h.looked && h.stopped
	h.mu.Unlock()
	r := resultOf(h.run, result, err, context.Cause(h.ctx), observed)
	r.At = at.UnixNano()
	if h.inst.fits("", proto.Size(r)) != nil {
		r.Result = nil // of a run that has failed or was cut: its text matters more
	}
	h.cancel(errEnded)
	h.inst.finish(h, r)
}

// keepsBuffered says whether a run that ends so has its buffers flushed: work
// that failed leaves nothing behind.
func keepsBuffered(err error) bool {
	return err == nil || judge(err).Status == taskv1.RunStatus_RUN_STATUS_INTERRUPTED
}

// stop closes Stopping; until is the end of the drain, zero when there is none.
func (h *Handle) stop(until time.Time, reason string) {
	h.mu.Lock()
	first := !h.stopped
	h.stopped, h.drainEnd = true, until
	h.mu.Unlock()
	if !first {
		return
	}
	if h.run != "" {
		h.Log().Debug("stopping", "reason", reason)
		close(h.stopping)
	}
}

// end cancels the run's context; until is when the process is killed.
func (h *Handle) end(cause error, until time.Time) {
	h.mu.Lock()
	h.killAt = until
	h.mu.Unlock()
	h.cancel(cause)
}

// Task, Run, Type, Mode, Pause and Watchdog say what the handle belongs to.
func (h *Handle) Task() string            { return h.task }
func (h *Handle) Run() string             { return h.run }
func (h *Handle) Type() string            { return h.inst.typ.Description.Name }
func (h *Handle) Mode() string            { return h.inst.mode }
func (h *Handle) Pause() time.Duration    { return h.inst.pause }
func (h *Handle) Watchdog() time.Duration { return h.inst.watchdog }

// Log is the logger of the run, or of the instance.
func (h *Handle) Log() hclog.Logger {
	if h.run == "" {
		return h.inst.log
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log == nil {
		h.log = h.inst.log.With("run", h.run)
	}
	return h.log
}

// Stopping is closed when the run, or the whole instance, drains.
func (h *Handle) Stopping() <-chan struct{} {
	h.mu.Lock()
	h.looked = true
	h.mu.Unlock()
	return h.stopping
}

// Stopped reports whether Stopping is closed.
func (h *Handle) Stopped() bool {
	select {
	case <-h.Stopping():
		return true
	default:
		return false
	}
}

// Draining is Stopped for the SDK's own use: it is no look of author code.
func (h *Handle) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// Deadline is when the stage that the run is in ends.
func (h *Handle) Deadline() (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := h.timeout
	switch {
	case h.ctx.Err() != nil:
		end = h.killAt
	case end.IsZero() || !h.drainEnd.IsZero() && h.drainEnd.Before(end):
		end = h.drainEnd
	}
	return end, !end.IsZero()
}

// Wait sleeps for d, or until the run drains or ctx ends.
func (h *Handle) Wait(ctx context.Context, d time.Duration) error {
	stopping := h.Stopping()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-stopping:
		return ErrStopping
	default:
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-stopping:
		return ErrStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ready says that the task is ready.
func (h *Handle) Ready(note string) {
	h.inst.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Ready{Ready: &taskv1.Ready{Note: clip(note, textLimit)}}})
}

// Beat is a sign of life.
func (h *Handle) Beat(note string) {
	h.inst.out.report("beat", &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Beat{Beat: &taskv1.Beat{Note: clip(note, textLimit)}}})
}

// Progress says how far the run has come.
func (h *Handle) Progress(done, total int64, note string) {
	if h.run == "" || h.isOver() {
		return
	}
	h.inst.out.report("progress", &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Progress{Progress: &taskv1.Progress{
		Run: h.run, Done: done, Total: total, Note: clip(note, textLimit),
	}}})
}

// Publish sets one value of the task's state.
func (h *Handle) Publish(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := h.inst.fits("the value", len(value)); err != nil {
		return err
	}
	ok := h.inst.out.report("publish "+key, &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Publish{Publish: &taskv1.Publish{Key: key, Value: value}}})
	if !ok {
		return errors.New("too many keys are published at once; the host does not keep up")
	}
	return nil
}

// Extend asks the host to move the deadline of the stage that the run is in.
func (h *Handle) Extend(d time.Duration) bool {
	if h.run == "" || d <= 0 || h.isOver() {
		return false
	}
	r, err := h.inst.ask(h.ctx, func(id uint64) *taskv1.PluginFrame {
		return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Extend{Extend: &taskv1.Extend{Id: id, Run: h.run, By: int64(d)}}}
	})
	if err != nil || !r.GetFound() || r.GetError() != "" {
		return false
	}
	h.mu.Lock()
	if end := &h.timeout; !h.stopped && !end.IsZero() {
		*end = end.Add(d)
	} else if end := &h.drainEnd; h.stopped && !end.IsZero() {
		*end = end.Add(d)
	}
	h.mu.Unlock()
	return true
}

// Commit applies all of ops or none; they are durable when it returns nil.
func (h *Handle) Commit(ctx context.Context, ops []*taskv1.Op) error {
	if h.ids == nil || h.run == "" || !isSaving(ops) {
		return h.commit(ctx, ops, h.ids)
	}
	// One after the other: the number of those before must be exact, or a message could be taken for another.
	select {
	case h.saving <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.saving }()
	saves := strconv.AppendUint(nil, h.ids.saves()+1, 10)
	count := &taskv1.Op{Op: &taskv1.Op_SaveRun{SaveRun: &taskv1.Save{Key: wire.SavesKey, Value: saves}}}
	if err := h.commit(ctx, ops, h.ids, count); err != nil {
		return err
	}
	h.ids.saved()
	return nil
}

// commit applies the author's ops, whose emits get ids from names, and more beside them.
func (h *Handle) commit(ctx context.Context, ops []*taskv1.Op, names *ids, more ...*taskv1.Op) error {
	if len(ops) == 0 {
		return nil
	}
	if err := h.checkOps(ops); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if names == nil {
		return h.apply(ctx, ops)
	}
	named, taken := names.name(ops)
	if err := h.apply(ctx, append(slices.Clip(named), more...)); err != nil {
		names.giveBack(taken)
		return err
	}
	return nil
}

// apply sends a commit and waits for its answer.
func (h *Handle) apply(ctx context.Context, ops []*taskv1.Op) error {
	commit := &taskv1.Commit{Run: h.run, Ops: ops}
	if err := h.inst.fits("the commit", proto.Size(commit)); err != nil {
		return err
	}
	r, err := h.inst.ask(ctx, func(id uint64) *taskv1.PluginFrame {
		commit.Id = id
		return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Commit{Commit: commit}}
	})
	if err != nil {
		return err
	}
	if r.GetError() != "" {
		return errors.New(r.GetError())
	}
	h.noteSaved(ops)
	return nil
}

// checkOps refuses what the host would have to refuse.
func (h *Handle) checkOps(ops []*taskv1.Op) error {
	if h.isOver() {
		return errEnded
	}
	if err := checkCount(len(ops)); err != nil {
		return err
	}
	for _, op := range ops {
		switch op := op.GetOp().(type) {
		case *taskv1.Op_Save:
			if err := checkKey(op.Save.GetKey()); err != nil {
				return err
			}
		case *taskv1.Op_SaveRun:
			if err := checkKey(op.SaveRun.GetKey()); err != nil {
				return err
			}
			if op.SaveRun.GetKey() == wire.SavesKey {
				return fmt.Errorf("the key %q is used by the SDK: take another", wire.SavesKey)
			}
			if h.run == "" {
				return errors.New("a run-scoped value needs a run")
			}
		case *taskv1.Op_Delete:
			if err := checkKey(op.Delete); err != nil {
				return err
			}
		case *taskv1.Op_Emit:
			if err := h.checkEmit(op.Emit); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkCount(ops int) error {
	if ops > maxOps {
		return fmt.Errorf("%d operations are too many for one commit, the limit is %d", ops, maxOps)
	}
	return nil
}

// checkEmit finds an output that the type does not declare, which is a mistake of
// its author that no wiring can mend.
func (h *Handle) checkEmit(e *taskv1.Emit) error {
	if !utf8.ValidString(e.GetId()) || !utf8.ValidString(e.GetKey()) || len(e.GetId()) > maxKey || len(e.GetKey()) > maxOrderKey {
		return fmt.Errorf("a message has an id of at most %d bytes and a key of at most %d, both UTF-8", maxKey, maxOrderKey)
	}
	if strings.HasPrefix(e.GetId(), derived) {
		return fmt.Errorf("the id %.40q begins with %q, as only those do that are derived for messages without one", e.GetId(), derived)
	}
	var names []string
	for _, o := range h.inst.typ.Description.Outputs {
		if o.Name == e.GetOutput() || o.Name == wire.AnyOutput && e.GetOutput() != "" && utf8.ValidString(e.GetOutput()) {
			return nil
		}
		names = append(names, o.Name)
	}
	text := fmt.Sprintf("type %q declares no output %q", h.Type(), clip(e.GetOutput(), maxKey))
	if near, ok := schema.Nearest(e.GetOutput(), names); ok {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return errors.New(text)
}

// noteSaved keeps run-scoped values readable within the attempt that saved them.
func (h *Handle) noteSaved(ops []*taskv1.Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range ops {
		if save := op.GetSaveRun(); save != nil && save.GetKey() != wire.SavesKey {
			if h.values == nil {
				h.values = make(map[string][]byte)
			}
			h.values[save.GetKey()] = save.GetValue()
		}
	}
}

// Load reads one value of the task's checkpoint.
func (h *Handle) Load(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	r, err := h.inst.ask(ctx, func(id uint64) *taskv1.PluginFrame {
		return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Load{Load: &taskv1.Load{Id: id, Key: key}}}
	})
	if err != nil {
		return nil, false, err
	}
	if r.GetError() != "" {
		return nil, false, errors.New(r.GetError())
	}
	return r.GetValue(), r.GetFound(), nil
}

// LoadRun reads one value that this run saved, in this attempt or an earlier one.
func (h *Handle) LoadRun(key string) (value []byte, found bool, err error) {
	if h.run == "" {
		return nil, false, errors.New("a run-scoped value needs a run")
	}
	if key == wire.SavesKey {
		return nil, false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if v, ok := h.values[key]; ok {
		return v, true, nil
	}
	v, ok := h.Start.GetValues()[key]
	return v, ok, nil
}

// AtEnd has flush called when the run returns without a failure.
func (h *Handle) AtEnd(flush func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flush = append(slices.Clip(h.flush), flush)
}

// Context is the run's context, or the instance's.
func (h *Handle) Context() context.Context { return h.ctx }

// commitSlack is what a commit needs beside the ops of its author, in bytes: its run, and the count of what was saved.
const commitSlack = 256

// MaxOpBytes is the number of bytes that the ops of one commit may have together.
func (h *Handle) MaxOpBytes() int { return h.inst.maxFrame - frameSlack - commitSlack }

func (h *Handle) isOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// checkKey accepts the keys that can be read everywhere they are shown.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) {
		return fmt.Errorf("a key has 1 to %d bytes of UTF-8, not %d", maxKey, len(key))
	}
	for _, r := range key {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the key %q holds the unprintable character %U", key, r)
		}
	}
	return nil
}

// At turns the wire's unix nanoseconds into a time; 0 is the zero time.
func At(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// deadlineAfter is the end of a stage; zero when the stage has none.
func deadlineAfter(d time.Duration) time.Time {
	if d <= 0 || d == math.MaxInt64 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
