package supervisor

import (
	"sync"
	"time"
)

// jumps counts the steps of the wall clock. Every loop sees each of them, so what is counted is where
// the clock stands against time itself.
type jumps struct {
	mu                sync.Mutex
	wall, elapsed     time.Time     // both clocks at one moment
	ahead             time.Duration // how far the wall clock has gone ahead of time since then, steps alone
	forward, backward uint64
}

func newJumps(wall, elapsed time.Time) *jumps { return &jumps{wall: wall, elapsed: elapsed} }

// saw takes note of a step that a loop saw, and of both clocks right after it.
func (j *jumps) saw(by time.Duration, wall, elapsed time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ahead := wall.Sub(j.wall) - elapsed.Sub(j.elapsed)
	if moved := ahead - j.ahead; moved <= stepLimit && moved >= -stepLimit {
		return // somebody else saw it before
	}
	j.ahead = ahead
	if by > 0 {
		j.forward++
	} else {
		j.backward++
	}
}

// ClockJumps counts how often the wall clock has stepped forward (also while the machine slept) and
// backward.
func (f *Fleet) ClockJumps() (forward, backward uint64) {
	f.jumps.mu.Lock()
	defer f.jumps.mu.Unlock()
	return f.jumps.forward, f.jumps.backward
}
