package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// intakeBeat is how often a run that waits for messages gives a sign of life.
const intakeBeat = 2 * time.Second

// intake is the messages of one run that consumes: those that the host has delivered and no handler was entered
// with yet, and the goroutines that handle them.
type intake struct {
	handle *Handle
	width  int           // handlers at work at a time
	size   int           // of a batch; 1 without batches
	wait   time.Duration // of the first message of a batch for others
	limit  time.Duration // for one call of the handler

	mu      sync.Mutex
	turn    *sync.Cond // of idle workers
	waiting []pending  // from head on
	head    int
	workers int
	idle    int
	early   int // calls that still have to wait until the host has taken note of them
	due     *time.Timer
	closed  bool
	working sync.WaitGroup // workers
}

// pending is a message that waits for a handler.
type pending struct {
	message *taskv1.Delivery
	at      time.Time // of its arrival
}

// newIntake makes the intake of a run; nil for one that handles no messages.
func newIntake(h *Handle) *intake {
	q := h.Start.GetConsume()
	if h.inst.typ.Handle == nil || q == nil {
		return nil
	}
	in := &intake{
		handle: h, width: max(int(q.GetConcurrency()), 1), size: 1, limit: time.Duration(q.GetTimeout()),
	}
	if h.inst.typ.Description.Batch {
		in.size, in.wait = max(int(q.GetBatchSize()), 1), time.Duration(q.GetBatchWait())
	}
	in.early = 2 * in.width
	in.turn = sync.NewCond(&in.mu)
	return in
}

// window is how many messages the host may have under way: as many again as are at work, so that no handler waits
// for the wire.
func (in *intake) window() uint32 { return uint32(min(2*in.width*in.size, 1<<20)) }

// run is the run of a consumer: it goes on until the task stops or the context ends, and returns when every handler has.
func (in *intake) run(ctx context.Context) error {
	stopping := in.handle.Stopping()
	ticker := time.NewTicker(intakeBeat)
	defer ticker.Stop()
	if !in.handle.Stopped() && ctx.Err() == nil {
		in.credit(in.window())
	}
	for {
		select {
		case <-stopping:
		case <-ctx.Done():
		case <-ticker.C:
			if in.resting() {
				in.handle.Beat("")
			}
			continue
		}
		break
	}
	in.close()
	in.working.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (in *intake) credit(n uint32) {
	in.handle.inst.out.add(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Credit{Credit: &taskv1.Credit{Run: in.handle.run, Window: n}}})
}

// resting says that no handler is at work: whoever waits for messages is alive.
func (in *intake) resting() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.idle == in.workers
}

// close takes nothing more and gives back what no handler was entered with.
func (in *intake) close() {
	in.mu.Lock()
	in.closed = true
	rest := in.waiting[in.head:]
	in.waiting, in.head = nil, 0
	if in.due != nil {
		in.due.Stop()
	}
	in.turn.Broadcast()
	in.mu.Unlock()
	in.credit(0)
	messages := make([]*taskv1.Delivery, len(rest))
	for i, p := range rest {
		messages[i] = p.message
	}
	in.giveBack(messages)
}

// giveBack returns messages to their queue as they came.
func (in *intake) giveBack(messages []*taskv1.Delivery) {
	for _, m := range messages {
		in.handle.inst.out.settle(&taskv1.MessagesHandled{Run: in.handle.run, Messages: []*taskv1.Handled{
			{Tag: m.GetTag(), Status: taskv1.RunStatus_RUN_STATUS_INTERRUPTED},
		}})
	}
}

// deliver takes messages from the host. It does not block.
func (in *intake) deliver(messages []*taskv1.Delivery) {
	now := time.Now()
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		in.giveBack(messages)
		return
	}
	for _, m := range messages {
		in.waiting = append(in.waiting, pending{m, now})
	}
	in.rouse((len(messages) + in.size - 1) / in.size)
	in.mu.Unlock()
}

// rouse sees to it that up to n more workers look for messages, with mu held.
func (in *intake) rouse(n int) {
	if in.closed {
		return
	}
	for ; n > 0 && in.idle > 0; n-- {
		in.idle--
		in.turn.Signal()
	}
	for ; n > 0 && in.workers < in.width; n-- {
		in.workers++
		in.working.Add(1)
		go in.work()
	}
}

// work is a goroutine that handles one message or batch after the other.
func (in *intake) work() {
	defer in.working.Done()
	defer func() { // here, too, when a handler has ended its goroutine
		in.mu.Lock()
		in.workers--
		if in.head < len(in.waiting) {
			in.rouse(1)
		}
		in.mu.Unlock()
	}()
	var room [1]*taskv1.Delivery
	for {
		messages, early := in.take(room[:0])
		if len(messages) == 0 {
			return
		}
		in.handleAll(messages, early)
	}
}

// take waits for messages for one call of the handler; none means that there is nothing more to do. early says that the
// call begins only when the host has taken note of it.
func (in *intake) take(room []*taskv1.Delivery) (messages []*taskv1.Delivery, early bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.closed {
		n, later := cut(in.waiting[in.head:], in.size, in.wait, time.Now())
		if n > 0 {
			for i := range in.waiting[in.head : in.head+n] {
				room = append(room, in.waiting[in.head+i].message)
				in.waiting[in.head+i].message = nil
			}
			in.drop(n)
			early = in.early > 0
			in.early = max(in.early-1, 0)
			if in.size > 1 && in.head < len(in.waiting) {
				in.rouse(1) // somebody has to wait with those that are left
			}
			return room, early
		}
		if later > 0 {
			in.ringIn(later)
		}
		in.idle++ // until it is roused
		in.turn.Wait()
	}
	return nil, false
}

// drop moves head on; what is behind it is let go of from time to time.
func (in *intake) drop(n int) {
	in.head += n
	if in.head == len(in.waiting) {
		in.waiting, in.head = in.waiting[:0], 0
	} else if in.head > 2*(len(in.waiting)-in.head) {
		in.waiting = in.waiting[:copy(in.waiting, in.waiting[in.head:])]
		in.head = 0
	}
}

// ringIn wakes a worker when a batch has waited long enough, with mu held.
func (in *intake) ringIn(d time.Duration) {
	if in.due != nil {
		in.due.Stop()
	}
	in.due = time.AfterFunc(d, func() {
		in.mu.Lock()
		in.rouse(1)
		in.mu.Unlock()
	})
}

// cut says how many of the first messages that wait are for the next call: n of them now, or none before later has
// passed. A message that is to be alone is, and nothing follows it into a batch.
func cut(waiting []pending, size int, wait time.Duration, now time.Time) (n int, later time.Duration) {
	if len(waiting) == 0 {
		return 0, 0
	}
	if waiting[0].message.GetAlone() {
		return 1, 0
	}
	for n < min(len(waiting), size) && !waiting[n].message.GetAlone() {
		n++
	}
	if left := wait - now.Sub(waiting[0].at); left > 0 && n < size && n == len(waiting) {
		return 0, left
	}
	return n, 0
}

// handleAll is one call of the handler, from its announcement to the fates of its messages.
func (in *intake) handleAll(messages []*taskv1.Delivery, early bool) {
	h := in.handle
	w := newWork(h, messages, in.limit)
	h.inst.out.enter(h.run, messages)
	if early && !in.announced(w.ctx) {
		w.abandon()
		in.giveBack(messages)
		return
	}
	err := errExited
	defer func() { h.inst.out.settle(w.settle(err)) }()
	err = h.inst.author(func() error { return h.inst.typ.Handle(w.ctx, w, h.inst.object) })
}

// announced waits until the host has taken note of all that was sent before. A handler that ends its process at once
// takes along what was not sent yet: its message would come again as if nobody had been entered with it, for ever. After
// such an end its messages are among the first of the next process, so the first calls of a run wait, and no others.
func (in *intake) announced(ctx context.Context) bool {
	_, err := in.handle.inst.ask(ctx, func(id uint64) *taskv1.PluginFrame {
		return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Load{Load: &taskv1.Load{Id: id, Key: wire.SavesKey}}}
	})
	return err == nil
}

// noConsume is the error of a run that was started without saying how to consume.
func noConsume(typ string) error {
	return &Verdict{Status: taskv1.RunStatus_RUN_STATUS_PERMANENT, Err: fmt.Errorf("type %q handles messages: its task needs a consume block", typ)}
}
