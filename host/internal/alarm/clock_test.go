package alarm

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const bound = 30 * time.Second

// each runs a test with the clock of this system, and with the one for others.
func each(t *testing.T, test func(t *testing.T, c *Clock)) {
	t.Parallel()
	for name, make := range map[string]func() waker{"here": newWaker, "elsewhere": func() waker { return newRuntimeWaker() }} {
		t.Run(name, func(t *testing.T) {
			c := &Clock{waker: make()}
			c.done.Go(func() { c.waker.run(c.ring) })
			t.Cleanup(c.Close)
			test(t, c)
		})
	}
}

func TestATimerRingsOnceAndNeverEarly(t *testing.T) {
	each(t, func(t *testing.T, c *Clock) {
		timer := c.Timer()
		for range 20 {
			began := time.Now()
			timer.Reset(2 * time.Millisecond)
			if !rings(timer, bound) {
				t.Fatal("it does not ring")
			}
			if early := 2*time.Millisecond - time.Since(began); early > 0 {
				t.Fatalf("it rang %v early", early)
			}
		}
		if rings(timer, 10*time.Millisecond) {
			t.Error("it rang again")
		}
	})
}

func TestTimersRingInTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, c *Clock) {
		var all sync.WaitGroup
		for n := range 100 {
			timer := c.Timer()
			all.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(n)))
				for range 20 {
					d := time.Duration(random.Int64N(int64(3 * time.Millisecond)))
					at := time.Now().Add(d)
					timer.Reset(d)
					if !rings(timer, bound) {
						t.Error("it does not ring")
						return
					}
					if time.Now().Before(at) {
						t.Error("it rang early")
					}
				}
			})
		}
		all.Wait()
	})
}

func TestResetReplacesWhatWasSet(t *testing.T) {
	each(t, func(t *testing.T, c *Clock) {
		timer := c.Timer()
		timer.Reset(0)
		other := c.Timer()
		other.Reset(time.Millisecond)
		if !rings(other, bound) { // by then the first has rung, and nobody has taken it
			t.Fatal("it does not ring")
		}
		timer.Reset(time.Hour)
		if rings(timer, 5*time.Millisecond) {
			t.Error("the ring of before is still there")
		}
		timer.Reset(time.Millisecond)
		if !rings(timer, bound) {
			t.Error("a shorter time does not take the place of a longer one")
		}
	})
}

func TestAStoppedTimerDoesNotRing(t *testing.T) {
	each(t, func(t *testing.T, c *Clock) {
		stopped, other := c.Timer(), c.Timer()
		stopped.Reset(time.Millisecond)
		other.Reset(2 * time.Millisecond)
		stopped.Stop()
		stopped.Stop()
		if !rings(other, bound) {
			t.Fatal("the other does not ring")
		}
		if rings(stopped, 5*time.Millisecond) {
			t.Error("it rang")
		}
	})
}

func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c := New()
	timer := c.Timer()
	timer.Reset(time.Hour)
	c.Close()
	c.Close()
	timer.Reset(0) // harmless
	if rings(timer, 5*time.Millisecond) {
		t.Error("a closed clock rang")
	}
}

func rings(t *Timer, within time.Duration) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-t.C():
		return true
	case <-limit.C:
		return false
	}
}

func BenchmarkReset(b *testing.B) {
	c := New()
	defer c.Close()
	all := make([]*Timer, 1000)
	for i := range all {
		all[i] = c.Timer()
		all[i].Reset(time.Hour + time.Duration(i))
	}
	for i := 0; b.Loop(); i++ {
		all[i%len(all)].Reset(time.Hour)
	}
}
