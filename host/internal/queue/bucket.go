package queue

import "time"

// bucket is the rate of a task, over all its processes.
type bucket struct {
	rate   int
	per    time.Duration
	tokens float64
	filled int64
}

// set takes over a rate. A new one begins with a full bucket, a changed one keeps what is in it.
func (b *bucket) set(rate int, per time.Duration, now int64) {
	if rate == b.rate && per == b.per {
		return
	}
	begun := b.rate > 0
	b.rate, b.per = rate, per
	if !begun {
		b.tokens, b.filled = b.burst(), now
	}
	b.tokens = min(b.tokens, b.burst())
}

// burst is how many may go at once: what a second brings, and at least one.
func (b *bucket) burst() float64 {
	if b.per <= 0 {
		return 1
	}
	return max(1, min(float64(b.rate), float64(b.rate)*float64(time.Second)/float64(b.per)))
}

// at is when the bucket holds a whole token: now when it does.
func (b *bucket) at(now int64) int64 {
	if b.rate <= 0 || b.per <= 0 {
		return now
	}
	perToken := float64(b.per) / float64(b.rate)
	if elapsed := now - b.filled; elapsed > 0 {
		b.tokens = min(b.burst(), b.tokens+float64(elapsed)/perToken)
	}
	b.filled = now // also when the clock was set back
	const rounding = 1e-6
	if b.tokens >= 1-rounding {
		return now
	}
	return now + int64((1-b.tokens)*perToken) + 1
}

func (b *bucket) take() {
	if b.rate > 0 && b.per > 0 {
		b.tokens--
	}
}
