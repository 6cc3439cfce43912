package metrics

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// counts are those of one task.
type counts struct {
	runs      tally[task.Outcome]
	slots     tally[task.SlotReason]
	starts    tally[string] // launches by result
	exits     tally[string] // ends of processes by reason
	lines     tally[string] // of the log by stream
	dropped   atomic.Uint64 // lines that a process wrote too fast
	durations *histogram

	cpu      atomic.Int64  // nanoseconds that ended processes took
	shownCPU time.Duration // never less than it was; for the scrape alone

	mu       sync.Mutex
	slot     string // id of the newest slot record
	recorded int    // of its slots, those that are counted
}

func newCounts() *counts { return &counts{durations: newHistogram(ofRuns)} }

// slotsOf counts what is new in a record that grows.
func (c *counts) slotsOf(r *task.SlotRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slot != r.ID {
		c.slot, c.recorded = r.ID, 0
	}
	if more := r.Count - c.recorded; more > 0 {
		c.slots.add(r.Reason, uint64(more))
		c.recorded = r.Count
	}
}

// tally counts by one of a few words.
type tally[K cmp.Ordered] struct {
	mu sync.RWMutex
	by map[K]*atomic.Uint64
}

func (t *tally[K]) add(k K, n uint64) {
	t.mu.RLock()
	c := t.by[k]
	t.mu.RUnlock()
	if c == nil {
		c = t.make(k)
	}
	c.Add(n)
}

func (t *tally[K]) make(k K) *atomic.Uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[K]*atomic.Uint64{}
	}
	if t.by[k] == nil {
		t.by[k] = new(atomic.Uint64)
	}
	return t.by[k]
}

// each calls f for every word, in order.
func (t *tally[K]) each(f func(k K, n float64)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var room [12]K
	words := room[:0]
	for k := range t.by {
		words = append(words, k)
	}
	slices.Sort(words)
	for _, k := range words {
		f(k, float64(t.by[k].Load()))
	}
}
