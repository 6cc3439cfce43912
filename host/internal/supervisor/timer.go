package supervisor

import "time"

// Timer wakes a loop. It is for one goroutine, and not set at first.
type Timer interface {
	// C gets a value each time when the timer rings.
	C() <-chan time.Time
	// Reset sets it to ring once after d, in place of what was set before.
	Reset(d time.Duration)
	Stop()
}

// runtimeTimer is a Timer of package time. It follows the virtual clock of tests.
type runtimeTimer struct{ timer *time.Timer }

var _ Timer = runtimeTimer{}

func newRuntimeTimer() Timer {
	t := time.NewTimer(recheck)
	t.Stop()
	return runtimeTimer{t}
}

func (t runtimeTimer) C() <-chan time.Time   { return t.timer.C }
func (t runtimeTimer) Reset(d time.Duration) { t.timer.Reset(d) }
func (t runtimeTimer) Stop()                 { t.timer.Stop() }
