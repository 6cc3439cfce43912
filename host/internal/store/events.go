package store

import (
	"slices"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// ring holds the last events and hands each to the feed, in order.
type ring struct {
	mu      sync.Mutex
	events  []task.Event // a circle once it is full
	size    int
	first   uint64 // sequence before the first event that was ever given out
	last    uint64
	publish func([]task.Event)
	batch   [1]task.Event // for publish, which keeps nothing of it
}

// newRing begins after the sequence base. A base taken from the clock keeps sequences
// rising over several lives of a host that forgets them.
func newRing(size int, base uint64, publish func([]task.Event)) *ring {
	return &ring{size: size, first: base, last: base, publish: publish}
}

func (r *ring) add(e task.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e.Seq = r.last
	if len(r.events) < r.size {
		r.events = append(r.events, e)
	} else {
		r.events[r.at(e.Seq)] = e
	}
	r.batch[0] = e
	r.publish(r.batch[:]) // under the lock: readers see the order of the sequence
}

func (r *ring) at(seq uint64) int { return int((seq - r.first - 1) % uint64(r.size)) }

func (r *ring) since(seq uint64) ([]task.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.last - uint64(len(r.events)) // the newest that is no longer there
	if seq < oldest || seq > r.last {
		return nil, false
	}
	events := make([]task.Event, 0, r.last-seq)
	for s := seq + 1; s <= r.last; s++ {
		events = append(events, r.events[r.at(s)])
	}
	return events, true
}

func (r *ring) from(at time.Time) ([]task.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.last - uint64(len(r.events))
	var events []task.Event
	for s := r.last; s > oldest; s-- {
		e := r.events[r.at(s)]
		if e.At.Before(at.Add(-disorder)) {
			return inOrder(events), true
		}
		if !e.At.Before(at) {
			events = append(events, e)
		}
	}
	return inOrder(events), oldest == r.first
}

// disorder is how far the time of an event can lie before that of one with a lower sequence: some
// times are those of a plugin.
const disorder = time.Minute

// inOrder turns events that were read from the newest back.
func inOrder(events []task.Event) []task.Event {
	slices.Reverse(events)
	return events
}

func (r *ring) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
