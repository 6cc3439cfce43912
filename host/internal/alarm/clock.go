package alarm

import (
	"container/heap"
	"sync"
	"time"
)

// Clock rings the timers that it has made. It is safe for concurrent use.
type Clock struct {
	waker waker
	done  sync.WaitGroup

	mu   sync.Mutex // also orders the calls of waker.arm
	next timers     // those that are set, the earliest first
}

// waker is the one thing that a Clock waits for.
type waker interface {
	// run calls ring at once, and then each time when what is armed is over, until close. It
	// may call ring once too often.
	run(ring func())
	// arm makes run call ring after d, which is positive, in place of what was armed before.
	arm(d time.Duration)
	close()
}

// New starts a clock. Close ends it.
func New() *Clock {
	c := &Clock{waker: newWaker()}
	c.done.Go(func() { c.waker.run(c.ring) })
	return c
}

// Close ends the clock; its timers ring no more. It may be called again.
func (c *Clock) Close() {
	c.waker.close()
	c.done.Wait()
}

// ring rings what is due and waits for the next.
func (c *Clock) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.next) > 0 && !c.next[0].at.After(now) {
		t := heap.Pop(&c.next).(*Timer)
		t.rings <- now // has room: it was emptied when the timer was set
	}
	c.arm(now)
}

func (c *Clock) arm(now time.Time) {
	if len(c.next) > 0 {
		c.waker.arm(max(c.next[0].at.Sub(now), 1))
	}
}

// Timer is one timer of a clock, for one goroutine.
type Timer struct {
	clock *Clock
	at    time.Time
	place int // in the clock's heap; -1 while it is not set
	rings chan time.Time
}

// Timer makes a timer that is not set.
func (c *Clock) Timer() *Timer {
	return &Timer{clock: c, place: -1, rings: make(chan time.Time, 1)}
}

// C gets a value each time when the timer rings.
func (t *Timer) C() <-chan time.Time { return t.rings }

// Reset sets the timer to ring once after d. A ring of before that was not taken is gone.
func (t *Timer) Reset(d time.Duration) {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	t.empty()
	t.at = now.Add(d)
	if t.place < 0 {
		heap.Push(&c.next, t)
	} else {
		heap.Fix(&c.next, t.place)
	}
	// When another is the earliest now, the clock wakes for nothing, once, and looks again.
	if c.next[0] == t {
		c.arm(now)
	}
}

// Stop sets the timer to ring no more, until it is set again. It may be called again.
func (t *Timer) Stop() {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	t.empty()
	if t.place >= 0 {
		heap.Remove(&c.next, t.place)
	}
}

// empty takes back a ring that nobody has taken. The clock's lock is held.
func (t *Timer) empty() {
	select {
	case <-t.rings:
	default:
	}
}

// timers is a heap by time.
type timers []*Timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push and Pop are for package heap.
func (h *timers) Push(x any) {
	t := x.(*Timer)
	t.place = len(*h)
	*h = append(*h, t)
}

func (h *timers) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.place = -1
	return t
}
