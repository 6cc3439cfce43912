package session

import (
	"context"
	"sync"
	"time"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// outboxRequests bounds the author's requests that wait to be sent: a caller
	// beyond it waits.
	outboxRequests = 256
	// outboxKeys bounds the keys of the reports that wait to be sent.
	outboxKeys = 1024
	// outboxKept bounds the frames that are kept until the host has acknowledged
	// them. A session whose host is further behind cannot be resumed.
	outboxKept = 256
)

// looseEvery is how often reports of which only the latest counts are sent: an author
// may publish in the tightest loop without flooding the host.
const looseEvery = 20 * time.Millisecond

// outbox holds what an instance sends, in order, whether or not a stream is
// there to take it. Its methods never run author code and, except request, never
// block, so that the reader and a busy author can always use it.
//
// There are two kinds of frames. Those of queue are all sent, at once. Loose ones
// are reports that a newer value replaces; they are sent every looseEvery, and before
// any frame of the queue that was added after them.
type outbox struct {
	mu        sync.Mutex
	queue     []*frame // not sent yet, from head on
	head      int
	added     uint64 // to queue, ever
	taken     uint64 // from queue, ever
	loose     []*frame
	latest    map[string]*frame       // those of loose by their key
	burst     int                     // how many of loose may be sent now
	flushed   time.Time               // when the last burst began
	requests  int                     // those of queue that count against outboxRequests
	entered   *taskv1.MessagesEntered // the last of queue, while it may grow
	settled   *taskv1.MessagesHandled // the last of queue after entered, while it may grow
	kept      []*taskv1.PluginFrame   // from keptHead on
	keptHead  int
	seq       uint64 // of the last frame sent
	forgotten uint64 // highest seq that was dropped from kept without an acknowledgement
	finished  bool
	wake      chan struct{} // holds one token while there may be work
	space     chan struct{} // closed when a request has left a full queue
}

// frame is one entry.
type frame struct {
	body    *taskv1.PluginFrame
	key     string // of a loose frame
	after   uint64 // a loose frame is sent after this many of the queue
	request bool
}

func newOutbox() *outbox {
	return &outbox{latest: make(map[string]*frame), wake: make(chan struct{}, 1), space: make(chan struct{})}
}

// add appends a frame.
func (o *outbox) add(body *taskv1.PluginFrame) {
	o.mu.Lock()
	o.push(&frame{body: body})
	o.mu.Unlock()
	o.signal()
}

// push appends to queue, with mu held.
func (o *outbox) push(f *frame) {
	o.queue = append(o.queue, f)
	o.added++
}

// maxTags bounds the messages of one frame that others may join.
const maxTags = 1000

// enter says that a handler is entered with messages. What waits to be sent of that kind grows: a host that is behind
// gets few frames with much in them.
func (o *outbox) enter(run string, messages []*taskv1.Delivery) {
	o.mu.Lock()
	e := o.entered
	grows := e != nil && e.Run == run && len(e.Tags)+len(messages) <= maxTags
	if !grows {
		e = &taskv1.MessagesEntered{Run: run}
		o.push(&frame{body: &taskv1.PluginFrame{Body: &taskv1.PluginFrame_MessagesEntered{MessagesEntered: e}}})
		// What is settled from here on may not come before this.
		o.entered, o.settled = e, nil
	}
	for _, m := range messages {
		e.Tags = append(e.Tags, m.GetTag())
	}
	o.mu.Unlock()
	if !grows {
		o.signal()
	}
}

// settle says what became of messages. Those that nothing is said or committed of travel together.
func (o *outbox) settle(m *taskv1.MessagesHandled) {
	plain := len(m.GetOps()) == 0 && len(m.GetMessages()) == 1 && m.Messages[0].GetMessage() == "" && m.Messages[0].GetStack() == ""
	o.mu.Lock()
	s := o.settled
	grows := plain && s != nil && s.Run == m.Run && len(s.Messages) < maxTags
	if grows {
		s.Messages = append(s.Messages, m.Messages[0])
	} else {
		o.push(&frame{body: &taskv1.PluginFrame{Body: &taskv1.PluginFrame_MessagesHandled{MessagesHandled: m}}})
		if plain {
			o.settled = m
		}
	}
	o.mu.Unlock()
	if !grows {
		o.signal()
	}
}

// report adds a loose frame, or replaces the value of the one with the same key. It
// reports whether there was room for one more key.
func (o *outbox) report(key string, body *taskv1.PluginFrame) bool {
	o.mu.Lock()
	if old := o.latest[key]; old != nil {
		old.body = body
		o.mu.Unlock()
		return true
	}
	if len(o.latest) >= outboxKeys {
		o.mu.Unlock()
		return false
	}
	f := &frame{body: body, key: key, after: o.added}
	o.latest[key] = f
	o.loose = append(o.loose, f)
	o.mu.Unlock()
	o.signal()
	return true
}

// request appends a frame that its author waits for. It blocks while too many
// wait already, and fails with the cause of ctx.
func (o *outbox) request(ctx context.Context, body *taskv1.PluginFrame) error {
	for {
		o.mu.Lock()
		if o.requests < outboxRequests {
			o.requests++
			o.push(&frame{body: body, request: true})
			o.mu.Unlock()
			o.signal()
			return nil
		}
		space := o.space
		o.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// finish says that nothing follows: the pump ends when the queue is sent.
func (o *outbox) finish() {
	o.mu.Lock()
	o.finished = true
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// acknowledge forgets the frames that the host has seen.
func (o *outbox) acknowledge(seq uint64) {
	o.mu.Lock()
	n := 0
	for n < len(o.kept)-o.keptHead && o.kept[o.keptHead+n].Seq <= seq {
		n++
	}
	o.forget(n)
	o.mu.Unlock()
}

// forget lets go of the oldest n of kept, with mu held.
func (o *outbox) forget(n int) {
	clear(o.kept[o.keptHead : o.keptHead+n])
	if o.keptHead += n; o.keptHead >= outboxKept {
		rest := copy(o.kept, o.kept[o.keptHead:])
		clear(o.kept[rest:])
		o.kept, o.keptHead = o.kept[:rest], 0
	}
}

// begin prepares a new session: numbers start again, what was sent is forgotten.
func (o *outbox) begin() {
	o.mu.Lock()
	o.kept, o.keptHead, o.seq, o.forgotten = nil, 0, 0, 0
	o.mu.Unlock()
}

// since returns the frames after seq that must be sent again on a resumed
// session; ok is false when some of them are no longer there.
func (o *outbox) since(seq uint64) (again []*taskv1.PluginFrame, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seq < o.forgotten || seq > o.seq {
		return nil, false
	}
	for _, f := range o.kept[o.keptHead:] {
		if f.Seq > seq {
			again = append(again, f)
		}
	}
	return again, true
}

// next is what the pump does next.
type next struct {
	frame *taskv1.PluginFrame // to be sent; nil: nothing yet
	wait  time.Duration       // until a loose frame may be sent; 0: until there is more
	last  bool                // nothing will follow
}

// take removes the frame that is to be sent now and gives it its number.
func (o *outbox) take(now time.Time) next {
	o.mu.Lock()
	defer o.mu.Unlock()
	queued := o.head < len(o.queue)
	if len(o.loose) > 0 && o.loose[0].after <= o.taken {
		if o.burst == 0 && !queued && !o.finished {
			if wait := looseEvery - now.Sub(o.flushed); wait > 0 {
				return next{wait: wait}
			}
			// What is added from here on has to wait for the next burst.
			o.burst, o.flushed = len(o.loose), now
		}
		return next{frame: o.number(o.takeLoose().body)}
	}
	if !queued {
		return next{last: o.finished}
	}
	return next{frame: o.number(o.takeQueued().body)}
}

// takeLoose, takeQueued and number are called with mu held.
func (o *outbox) takeLoose() *frame {
	f := o.loose[0]
	o.loose[0] = nil
	if o.loose = o.loose[1:]; len(o.loose) == 0 {
		o.loose = nil
	}
	o.burst = max(o.burst-1, 0)
	delete(o.latest, f.key)
	return f
}

func (o *outbox) takeQueued() *frame {
	f := o.queue[o.head]
	o.queue[o.head] = nil
	o.head++
	o.taken++
	if o.head == len(o.queue) {
		o.queue, o.head = o.queue[:0], 0
	}
	switch body := f.body.Body.(type) { // what is on its way does not grow any more
	case *taskv1.PluginFrame_MessagesEntered:
		if body.MessagesEntered == o.entered {
			o.entered = nil
		}
	case *taskv1.PluginFrame_MessagesHandled:
		if body.MessagesHandled == o.settled {
			o.settled = nil
		}
	}
	if f.request {
		o.requests--
		if o.requests == outboxRequests-1 {
			close(o.space)
			o.space = make(chan struct{})
		}
	}
	return f
}

func (o *outbox) number(f *taskv1.PluginFrame) *taskv1.PluginFrame {
	o.seq++
	f.Seq = o.seq
	if len(o.kept)-o.keptHead == outboxKept {
		o.forgotten = o.kept[o.keptHead].Seq
		o.forget(1)
	}
	o.kept = append(o.kept, f)
	return f
}

// pump sends what is in the outbox until ctx ends, a send fails (its error) or
// everything is sent after finish (nil). ack is what each frame acknowledges.
func (o *outbox) pump(ctx context.Context, ack func() uint64, send func(*taskv1.PluginFrame) error) error {
	for ctx.Err() == nil {
		n := o.take(time.Now())
		switch {
		case n.frame != nil:
			n.frame.Ack = ack()
			if err := send(n.frame); err != nil {
				return err // the frame is kept: a resumed session sends it again
			}
		case n.last:
			return nil
		default:
			o.sleep(ctx, n.wait)
		}
	}
	return ctx.Err()
}

// sleep waits for more to send, for d if that is not 0.
func (o *outbox) sleep(ctx context.Context, d time.Duration) {
	var due <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-o.wake:
	case <-due:
	case <-ctx.Done():
	}
}
