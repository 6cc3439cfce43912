// Package feed fans committed events out to live readers. It never blocks the writer:
// a reader that falls behind is cut, is told so, and reads the whole anew. The store
// publishes; the API's streams and waits subscribe. It remembers nothing: what a reader
// missed before it came is the store's to replay.
package feed

import (
	"context"
	"errors"
	"sync"

	"github.com/taskhost/taskhost/host/internal/task"
)

var (
	// ErrLagged says that the reader fell behind and was cut: events are missing after the
	// last one that it got.
	ErrLagged = errors.New("feed: the reader fell behind")
	// ErrClosed says that the reader or the feed was closed.
	ErrClosed = errors.New("feed: closed")
)

// Feed hands every published event to every reader that wants it. It is safe for
// concurrent use. Make one with New.
type Feed struct {
	mu      sync.Mutex
	readers map[*Reader]struct{}
	closed  bool
	cut     uint64
}

// New makes a feed without readers.
func New() *Feed { return &Feed{readers: map[*Reader]struct{}{}} }

// Publish hands the events over, in order, and never waits.
func (f *Feed) Publish(events []task.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		if !r.offer(events) {
			f.cut++
			f.end(r, ErrLagged)
		}
	}
}

// Subscribe adds a reader for the events that filter wants, all when it is nil, with room
// for buffer events that it has not yet taken (at least one). The filter runs while
// somebody publishes: it must be quick, and call neither the feed nor the store.
func (f *Feed) Subscribe(filter func(task.Event) bool, buffer int) *Reader {
	r := &Reader{feed: f, filter: filter, most: max(buffer, 1), wake: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[r] = struct{}{}
	if f.closed {
		f.end(r, ErrClosed)
	}
	return r
}

// Wait returns nil once cond holds: it looks at once, and again at every event that
// filter wants. It returns ctx's error when that comes first, ErrClosed when the feed ends.
func (f *Feed) Wait(ctx context.Context, filter func(task.Event) bool, cond func() bool) error {
	for {
		err := f.wait(ctx, filter, cond)
		if !errors.Is(err, ErrLagged) {
			return err
		}
	}
}

func (f *Feed) wait(ctx context.Context, filter func(task.Event) bool, cond func() bool) error {
	r := f.Subscribe(filter, 16)
	defer r.Close()
	for !cond() {
		if _, err := r.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every reader, now and later, with ErrClosed.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for r := range f.readers {
		f.end(r, ErrClosed)
	}
}

// Readers is how many there are.
func (f *Feed) Readers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

// Cut is how many readers fell behind and were cut.
func (f *Feed) Cut() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut
}

// end cuts a reader; what it has not taken yet stays for it. The lock is held.
func (f *Feed) end(r *Reader, why error) {
	if _, there := f.readers[r]; !there {
		return
	}
	delete(f.readers, r)
	r.cut(why)
}

// Reader is one subscription, for one goroutine. What it has not taken grows with what comes, up to its buffer: a
// thousand readers that keep up take little.
type Reader struct {
	feed   *Feed
	filter func(task.Event) bool
	most   int
	wake   chan struct{} // holds one token while there may be something to take

	mu    sync.Mutex
	queue []task.Event
	head  int   // of queue, what was taken
	why   error // set when nothing more comes
}

// spare is how many events of room a reader keeps while it has nothing to take.
const spare = 16

// offer reports whether all events that the reader wants had room.
func (r *Reader) offer(events []task.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	came := false
	for _, e := range events {
		if r.filter != nil && !r.filter(e) {
			continue
		}
		if len(r.queue)-r.head >= r.most {
			return false
		}
		if len(r.queue) == cap(r.queue) && r.head > 0 {
			r.queue, r.head = r.queue[:copy(r.queue, r.queue[r.head:])], 0
		}
		r.queue, came = append(r.queue, e), true
	}
	if came {
		r.rouse()
	}
	return true
}

// cut says that nothing more comes.
func (r *Reader) cut(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why = why
	r.rouse()
}

func (r *Reader) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take takes the next event; none is there when both results are zero.
func (r *Reader) take() (e task.Event, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == len(r.queue) {
		return task.Event{}, false, r.why
	}
	e = r.queue[r.head]
	r.queue[r.head] = task.Event{}
	if r.head++; r.head == len(r.queue) {
		if r.queue, r.head = r.queue[:0], 0; cap(r.queue) > spare {
			r.queue = nil
		}
	}
	return e, true, nil
}

// Next waits for the next event. After the last one before a cut it returns ErrLagged, after
// Close ErrClosed, and ctx's error when that ends.
func (r *Reader) Next(ctx context.Context) (task.Event, error) {
	for {
		if e, ok, err := r.take(); ok || err != nil {
			return e, err
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return task.Event{}, ctx.Err()
		}
	}
}

// Waiting returns the next event if one has come already.
func (r *Reader) Waiting() (task.Event, bool) {
	e, ok, _ := r.take()
	return e, ok
}

// Close ends the subscription. It may be called again, and by any goroutine.
func (r *Reader) Close() {
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	r.feed.end(r, ErrClosed)
}
