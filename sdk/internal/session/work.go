package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

var errSettled = errors.New("the handler has returned: what it does now belongs to no message")

// Work is one call of a handler: a message, or those of a batch. What the handler commits with them is collected here
// and sent with their fates. It is safe for concurrent use.
type Work struct {
	Messages []*taskv1.Delivery
	handle   *Handle
	limit    time.Duration // 0 is none
	ctx      context.Context
	cancel   context.CancelCauseFunc
	single   [1]*taskv1.Delivery // Messages of most

	mu    sync.Mutex
	ops   []workOp
	err   error   // of an op that cannot be committed
	fates []error // by message; nil while none has failed by itself
	named []*ids  // by message, and one of the whole behind them; made when needed
	flush []func(context.Context) error
	log   hclog.Logger
	timer *time.Timer
	until time.Time
	over  bool
}

// workOp is an op of one message of a batch, or of the whole.
type workOp struct {
	op *taskv1.Op
	of int // index of the message; whole
}

// Whole stands for all messages of a batch, where an index is wanted.
const Whole = -1

func newWork(h *Handle, messages []*taskv1.Delivery, limit time.Duration) *Work {
	w := &Work{handle: h, limit: limit}
	w.Messages = append(w.single[:0], messages...)
	w.ctx, w.cancel = context.WithCancelCause(WithTraceParent(h.ctx, w.TraceParent()))
	if limit > 0 {
		w.until = time.Now().Add(limit)
		w.timer = time.AfterFunc(limit, func() { w.cancel(ErrTimeout) })
	}
	return w
}

// Handle is the run's handle.
func (w *Work) Handle() *Handle { return w.handle }

// Context is the context of the call.
func (w *Work) Context() context.Context { return w.ctx }

// TraceParent is the trace context of the message; a batch has none.
func (w *Work) TraceParent() string {
	if len(w.Messages) != 1 {
		return ""
	}
	return w.Messages[0].GetTraceparent()
}

// Log is the run's log; of a single message, lines carry its id.
func (w *Work) Log() hclog.Logger {
	if len(w.Messages) != 1 {
		return w.handle.Log()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		w.log = w.handle.Log().With("message", w.Messages[0].GetId())
	}
	return w.log
}

// Add collects an op of a message, or of the whole. A mistake is remembered and fails what it belongs to.
func (w *Work) Add(of int, op *taskv1.Op, err error) {
	if err == nil {
		err = w.handle.checkOps([]*taskv1.Op{op})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case err != nil && of != Whole && len(w.Messages) > 1:
		w.fail(of, err)
	case err != nil:
		w.err = errors.Join(w.err, err)
	default:
		w.ops = append(w.ops, workOp{op, of})
	}
}

// Fail says that one message has failed. The last error counts; nil is none.
func (w *Work) Fail(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i < 0 || i >= len(w.Messages) {
		panic(fmt.Sprintf("the batch has %d messages and none with index %d", len(w.Messages), i))
	}
	if err != nil && !w.over {
		w.fail(i, err)
	}
}

// fail is Fail with mu held.
func (w *Work) fail(i int, err error) {
	if w.fates == nil {
		w.fates = make([]error, len(w.Messages))
	}
	w.fates[i] = err
}

// AtEnd has flush called when the handler returns without a failure.
func (w *Work) AtEnd(flush func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush = append(w.flush, flush)
}

// Commit is a commit of its own, before the handler returns.
func (w *Work) Commit(ctx context.Context, ops []*taskv1.Op) error {
	w.mu.Lock()
	over, names := w.over, w.idsOf(Whole)
	w.mu.Unlock()
	if over {
		return errSettled
	}
	return w.handle.commit(ctx, ops, names)
}

// idsOf makes the ids of what a message emits, or the whole; with mu held. They come from the message, whatever
// process or run handles it.
func (w *Work) idsOf(of int) *ids {
	if len(w.Messages) == 1 {
		of = Whole
	}
	if w.named == nil {
		w.named = make([]*ids, len(w.Messages)+1)
	}
	at := &w.named[(of+len(w.named))%len(w.named)] // the whole is the last
	if *at == nil {
		from := w.Messages
		if of != Whole {
			from = w.Messages[of : of+1]
		}
		*at = newIDs(sourceOf(from), 0)
	}
	return *at
}

// sourceOf names messages. The time tells a message from a later one to which its producer gave the same id.
func sourceOf(messages []*taskv1.Delivery) string {
	text := []byte("message")
	for _, m := range messages {
		text = strconv.AppendQuote(append(text, ' '), m.GetQueue())
		text = strconv.AppendQuote(append(text, ' '), m.GetId())
		text = strconv.AppendInt(append(text, ' '), m.GetPosted()/int64(time.Millisecond), 10)
	}
	return string(text)
}

// Extend moves the end of the call. Without a timeout there is nothing to move.
func (w *Work) Extend(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d <= 0 || w.over || w.ctx.Err() != nil {
		return false
	}
	if w.timer == nil {
		return true
	}
	if !w.timer.Stop() {
		return false
	}
	w.until = w.until.Add(d)
	w.timer.Reset(time.Until(w.until))
	for _, m := range w.Messages {
		w.handle.inst.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_MessageExtend{MessageExtend: &taskv1.MessageExtend{
			Run: w.handle.run, Tag: m.GetTag(), By: int64(d),
		}}})
	}
	return true
}

// Deadline is when the call's context ends, as far as that is known.
func (w *Work) Deadline() (time.Time, bool) {
	end, ok := w.handle.Deadline()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil && w.handle.ctx.Err() == nil && (!ok || w.until.Before(end)) {
		return w.until, true
	}
	return end, ok
}

// abandon ends a call whose handler was not entered.
func (w *Work) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

// end lets nothing more be collected, and is why the context ended before that; with mu held.
func (w *Work) end() (cause error) {
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
	cause = context.Cause(w.ctx)
	w.cancel(errEnded)
	return cause
}

// settle ends the call with the handler's error and says what is to be sent.
func (w *Work) settle(err error) *taskv1.MessagesHandled {
	if keeps(err) {
		w.mu.Lock()
		flush := w.flush
		w.mu.Unlock()
		for _, f := range flush {
			if failed := f(w.ctx); failed != nil {
				err = errors.Join(err, failed)
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ended := w.end()
	if keeps(err) && w.err != nil {
		err = w.err
	}
	out := w.fatesOf(err, ended)
	if !keeps(err) {
		return out
	}
	out.Ops = w.commits(out.GetMessages())
	if err := w.checkSize(out); err != nil {
		return w.fatesOf(err, ended)
	}
	return out
}

// keeps says whether a handler that ends so has its messages acknowledged, and what it has collected committed.
func keeps(err error) bool {
	return err == nil || judge(err).Status == taskv1.RunStatus_RUN_STATUS_SKIPPED
}

// fatesOf is what becomes of the messages when the handler has returned err.
func (w *Work) fatesOf(err, ended error) *taskv1.MessagesHandled {
	out := &taskv1.MessagesHandled{Run: w.handle.run, Messages: make([]*taskv1.Handled, len(w.Messages))}
	// The texts of a whole batch must fit into one frame.
	limit := min(textLimit, w.handle.inst.maxFrame/4/len(w.Messages))
	stopping := w.handle.Draining()
	whole := handledOf(err, ended, stopping, limit, w.limit)
	for i, m := range w.Messages {
		var one *taskv1.Handled
		switch {
		case w.fates != nil && w.fates[i] != nil:
			one = handledOf(w.fates[i], ended, stopping, limit, w.limit)
		case whole.Tag == 0:
			one = whole
		default: // the stack is the same for all
			one = &taskv1.Handled{Status: whole.Status, Message: whole.Message, RetryAfter: whole.RetryAfter}
		}
		one.Tag = m.GetTag()
		out.Messages[i] = one
	}
	return out
}

// commits are the ops that were collected, without those of messages that have failed; none when all have.
func (w *Work) commits(fates []*taskv1.Handled) []*taskv1.Op {
	done := func(i int) bool {
		s := fates[i].GetStatus()
		return s == taskv1.RunStatus_RUN_STATUS_SUCCEEDED || s == taskv1.RunStatus_RUN_STATUS_SKIPPED
	}
	some := false
	for i := range fates {
		some = some || done(i)
	}
	if !some || len(w.ops) == 0 {
		return nil
	}
	ops := make([]*taskv1.Op, 0, len(w.ops))
	for _, o := range w.ops {
		if o.of != Whole && !done(o.of) {
			continue
		}
		op := o.op
		if e := op.GetEmit(); e != nil && e.GetId() == "" {
			id, _ := w.idsOf(o.of).id(e)
			op = withID(e, id)
		}
		ops = append(ops, op)
	}
	return ops
}

// checkSize finds what would not fit.
func (w *Work) checkSize(out *taskv1.MessagesHandled) error {
	if len(out.GetOps()) == 0 {
		return nil
	}
	if err := checkCount(len(out.GetOps())); err != nil {
		return err
	}
	return w.handle.inst.fits("what the handler commits", proto.Size(out))
}

// handledOf turns what a handler returned into the word for the host. ended is the cause of its context, nil while
// that is alive; stopping says that the run drains; limit bounds the text.
func handledOf(err, ended error, stopping bool, limit int, timeout time.Duration) *taskv1.Handled {
	if err == nil {
		return &taskv1.Handled{Status: taskv1.RunStatus_RUN_STATUS_SUCCEEDED}
	}
	v := judge(err)
	h := &taskv1.Handled{Status: v.Status, RetryAfter: int64(v.After), Message: clip(textOf(v, err), limit)}
	cut := ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Canceled))
	stopped := stopping || ended != nil && ended != ErrTimeout
	switch {
	case v.Status == taskv1.RunStatus_RUN_STATUS_INTERRUPTED && !stopped:
		// Nothing interrupts it. Given back uncounted, it would come again and again.
		h.Status = taskv1.RunStatus_RUN_STATUS_FAILED
	case v.Status == taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		h.Status = taskv1.RunStatus_RUN_STATUS_FAILED
	case v.Status == taskv1.RunStatus_RUN_STATUS_FAILED && cut && ended == ErrTimeout:
		h.Message = clip(fmt.Sprintf("the handler did not end within its timeout of %s: %v", timeout, err), limit)
	case v.Status == taskv1.RunStatus_RUN_STATUS_FAILED && cut:
		h.Status = taskv1.RunStatus_RUN_STATUS_INTERRUPTED
	}
	if p, ok := errors.AsType[*Panic](err); ok {
		h.Stack = clip(p.Stack, stackLimit)
	}
	return h
}
