package session

import (
	"context"
	"sync"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// outboxRequests bounds the author's requests that wait to be sent: a caller
	// beyond it waits.
	outboxRequests = 256
	// outboxKept bounds the frames that are kept until the host has acknowledged
	// them. A session whose host is further behind cannot be resumed.
	outboxKept = 256
)

// outbox holds what an instance sends, in order, whether or not a stream is
// there to take it. Its methods never run author code and, except request, never
// block, so that the reader and a busy author can always use it.
type outbox struct {
	mu        sync.Mutex
	queue     []*frame // not sent yet, from head on
	head      int
	latest    map[string]*frame // those of queue that a newer value replaces
	requests  int               // those of queue that count against outboxRequests
	kept      []*taskv1.PluginFrame
	seq       uint64 // of the last frame sent
	forgotten uint64 // highest seq that was dropped from kept without an acknowledgement
	finished  bool
	wake      chan struct{} // holds one token while queue may have work
	space     chan struct{} // closed when a request has left a full queue
}

// frame is one entry of the queue.
type frame struct {
	body    *taskv1.PluginFrame
	latest  string // key in latest; "" for a frame that nothing replaces
	request bool
}

func newOutbox() *outbox {
	return &outbox{latest: make(map[string]*frame), wake: make(chan struct{}, 1), space: make(chan struct{})}
}

// add appends a frame.
func (o *outbox) add(body *taskv1.PluginFrame) {
	o.mu.Lock()
	o.queue = append(o.queue, &frame{body: body})
	o.mu.Unlock()
	o.signal()
}

// replace appends a frame, or takes the place of the unsent one with the same
// key: only the latest value matters. It reports whether there was room for one
// more key.
func (o *outbox) replace(key string, body *taskv1.PluginFrame) bool {
	o.mu.Lock()
	if old := o.latest[key]; old != nil {
		old.body = body
		o.mu.Unlock()
		return true
	}
	if len(o.latest) >= outboxRequests*4 {
		o.mu.Unlock()
		return false
	}
	f := &frame{body: body, latest: key}
	o.latest[key] = f
	o.queue = append(o.queue, f)
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
			o.queue = append(o.queue, &frame{body: body, request: true})
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
	for n < len(o.kept) && o.kept[n].Seq <= seq {
		n++
	}
	if n > 0 {
		o.kept = append(o.kept[:0], o.kept[n:]...)
	}
	o.mu.Unlock()
}

// begin prepares a new session: numbers start again, what was sent is forgotten.
func (o *outbox) begin() {
	o.mu.Lock()
	o.kept, o.seq, o.forgotten = nil, 0, 0
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
	for _, f := range o.kept {
		if f.Seq > seq {
			again = append(again, f)
		}
	}
	return again, true
}

// take removes the next frame from the queue and gives it its number. The frame
// is nil when there is none; last says that none will follow.
func (o *outbox) take() (f *taskv1.PluginFrame, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.head == len(o.queue) {
		return nil, o.finished
	}
	next := o.queue[o.head]
	o.queue[o.head] = nil
	o.head++
	if o.head == len(o.queue) {
		o.queue, o.head = o.queue[:0], 0
	}
	if next.latest != "" {
		delete(o.latest, next.latest)
	}
	if next.request {
		o.requests--
		if o.requests == outboxRequests-1 {
			close(o.space)
			o.space = make(chan struct{})
		}
	}
	o.seq++
	next.body.Seq = o.seq
	if len(o.kept) == outboxKept {
		o.forgotten = o.kept[0].Seq
		o.kept = append(o.kept[:0], o.kept[1:]...)
	}
	o.kept = append(o.kept, next.body)
	return next.body, false
}

// pump sends what is in the outbox until ctx ends, a send fails (its error) or
// everything is sent after finish (nil). ack is what each frame acknowledges.
func (o *outbox) pump(ctx context.Context, ack func() uint64, send func(*taskv1.PluginFrame) error) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f, last := o.take()
		if f == nil {
			if last {
				return nil
			}
			select {
			case <-o.wake:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		f.Ack = ack()
		if err := send(f); err != nil {
			return err // the frame is kept: a resumed session sends it again
		}
	}
}
