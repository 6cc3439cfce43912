package api

import (
	"math"
	"strconv"
	"sync"
	"time"
)

// Rate is so many requests of one caller per time; the zero Rate is no bound. So many may come at once.
type Rate struct {
	Number int
	Per    time.Duration
	Unix   bool // it also counts for callers on a Unix socket
}

const maxBuckets = 10_000 // callers that are remembered

// buckets hold callers to a Rate. The zero Rate lets all through.
type buckets struct {
	Rate
	mu   sync.Mutex
	held map[string]*bucket
}

// bucket is what one caller has left.
type bucket struct {
	left float64
	at   time.Time // when that was so
}

func newBuckets(r Rate) *buckets { return &buckets{Rate: r, held: map[string]*bucket{}} }

// take takes one of the caller's, or returns how long until he has one.
func (b *buckets) take(caller string, now time.Time) time.Duration {
	if b.Number == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one, ok := b.held[caller]
	if !ok {
		b.makeRoom(now)
		one = &bucket{left: float64(b.Number), at: now}
		b.held[caller] = one
	}
	return one.take(b.Rate, now)
}

// take is the whole of the arithmetic.
func (b *bucket) take(r Rate, now time.Time) time.Duration {
	b.fill(r, now)
	if b.left >= 1 {
		b.left--
		return 0
	}
	return time.Duration(math.Ceil((1 - b.left) * float64(r.Per) / float64(r.Number)))
}

func (b *bucket) fill(r Rate, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(float64(r.Number), b.left+float64(passed)*float64(r.Number)/float64(r.Per))
	}
	b.at = now
}

// makeRoom forgets callers who have been quiet, and all when there are none such. The lock is held.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.held) < maxBuckets {
		return
	}
	for caller, one := range b.held {
		if one.fill(b.Rate, now); one.left >= float64(b.Number) {
			delete(b.held, caller)
		}
	}
	if len(b.held) >= maxBuckets {
		clear(b.held)
	}
}

// later is a refusal that says when to come again.
func later(r *refusal, wait time.Duration) *refusal {
	r.retryAfter = strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	return r
}

// shares count what each caller has of something at a time.
type shares struct {
	mu   sync.Mutex
	held map[string]int
}

// take takes one for the caller, unless he has most.
func (s *shares) take(caller string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[caller] >= most {
		return false
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.held[caller]++
	return true
}

func (s *shares) give(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[caller]--; s.held[caller] <= 0 {
		delete(s.held, caller)
	}
}
