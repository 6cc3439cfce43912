package process

import "time"

// Limits of what one process may write to its log, in bytes. A line costs lineCost more
// than it is long, so that empty lines are not free.
const (
	floodRate  = 2 << 20 // per second
	floodBurst = 8 << 20
	lineCost   = 128
)

// bucket is a token bucket that, once dry, stays closed until it is a quarter full, so
// that a flood makes a few long gaps in the log and not thousands of short ones. It is
// pure: the time comes in.
type bucket struct {
	tokens float64
	last   time.Time
	dry    bool
	gap    gap
}

// gap counts what was dropped.
type gap struct{ lines, bytes int }

// take reports whether a line of n bytes may pass. When the first one passes after a
// gap, it also returns what the gap has swallowed.
func (b *bucket) take(n int, now time.Time) (ok bool, missed gap) {
	if b.last.IsZero() {
		b.tokens = floodBurst
	} else if d := now.Sub(b.last); d > 0 {
		b.tokens = min(floodBurst, b.tokens+d.Seconds()*floodRate)
	}
	b.last = now
	cost := float64(n + lineCost)
	if b.dry && b.tokens >= floodBurst/4 {
		b.dry = false
	}
	if b.dry || b.tokens < cost {
		b.dry = true
		b.gap.lines++
		b.gap.bytes += n
		return false, gap{}
	}
	b.tokens -= cost
	return true, b.close()
}

// close returns what was dropped since the last call.
func (b *bucket) close() gap {
	missed := b.gap
	b.gap = gap{}
	return missed
}
