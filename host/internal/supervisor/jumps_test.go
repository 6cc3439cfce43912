package supervisor

import (
	"testing"
	"time"
)

func TestAStepOfTheClockCountsOnceHoweverManySeeIt(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	f := &Fleet{jumps: newJumps(start, start)}
	step := time.Duration(0) // of the wall clock in all
	see := func(by, after time.Duration) {
		f.jumps.saw(by, start.Add(after+step), start.Add(after))
	}
	for i, tt := range []struct {
		by, total         time.Duration
		after             time.Duration
		forward, backward uint64
	}{
		{time.Hour, time.Hour, time.Minute, 1, 0},
		{time.Hour, time.Hour, 61 * time.Second, 1, 0},                // the next loop looks
		{-time.Hour, 10 * time.Millisecond, 62 * time.Second, 1, 1},   // back at once
		{-time.Hour, 20 * time.Millisecond, 80 * time.Second, 1, 1},   // and one that slept through the way up, while the clock is slewed
		{10 * time.Second, 10 * time.Second, 2 * time.Minute, 2, 1},   // a small one
		{20 * time.Second, 30 * time.Second, 121 * time.Second, 3, 1}, // and another, right after it
		{30 * time.Second, 30 * time.Second, 130 * time.Second, 3, 1}, // which a third loop sees as one
	} {
		step = tt.total
		see(tt.by, tt.after)
		if forward, backward := f.ClockJumps(); forward != tt.forward || backward != tt.backward {
			t.Errorf("step %d: %d forward, %d backward; want %d, %d", i, forward, backward, tt.forward, tt.backward)
		}
	}
}
