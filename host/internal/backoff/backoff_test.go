package backoff

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

// middle is the random number that leaves a delay as it is.
const middle = 0.5

var (
	defaults = task.Restart{
		Policy: task.RestartOnFailure, Backoff: time.Second, MaxBackoff: time.Minute,
		ResetAfter: time.Minute, MaxFailures: 5, Window: 10 * time.Minute,
	}
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func TestRestartDoublesUpToTheCapAndThenLoops(t *testing.T) {
	t.Parallel()
	var h History
	now := start
	for i, want := range []Decision{
		{After: 1 * time.Second}, {After: 2 * time.Second}, {After: 4 * time.Second}, {After: 8 * time.Second}, {After: 16 * time.Second},
		{After: time.Minute, CrashLoop: true}, {After: time.Minute, CrashLoop: true},
	} {
		h = h.Failed(defaults, time.Second, now)
		if got := Next(defaults, h, now, middle); got != want {
			t.Errorf("after failure %d: %+v, want %+v", i+1, got, want)
		}
		now = now.Add(20 * time.Second)
	}
}

func TestRestartHistory(t *testing.T) {
	t.Parallel()
	seventh := func(gap, alive time.Duration) Decision {
		var h History
		now := start
		for range 7 {
			now = now.Add(gap)
			h = h.Failed(defaults, alive, now)
		}
		return Next(defaults, h, now, middle)
	}
	for _, c := range []struct {
		name string
		got  Decision
		want Decision
	}{
		{"a task that has not failed starts again after the first delay", Next(defaults, History{}, start, middle), Decision{After: time.Second}},
		{"health of a minute forgets earlier failures", seventh(61*time.Second, time.Minute), Decision{After: time.Second}},
		{"less health does not", seventh(60*time.Second, 59*time.Second), Decision{After: time.Minute, CrashLoop: true}},
		{"failures further apart than the window are no loop", seventh(3*time.Minute, 0), Decision{After: time.Minute}},
		{"a loop ends when the window has passed", func() Decision {
			var h History
			for range 9 {
				h = h.Failed(defaults, 0, start)
			}
			return Next(defaults, h, start.Add(10*time.Minute), middle)
		}(), Decision{After: time.Minute}},
		{"failures ahead of a clock that was set back do not count", func() Decision {
			var h History
			for range 9 {
				h = h.Failed(defaults, 0, start)
			}
			return Next(defaults, h.Failed(defaults, 0, start.Add(-time.Hour)), start.Add(-time.Hour), middle)
		}(), Decision{After: time.Minute}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, c.got, c.want)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	policy := task.Retry{Attempts: 4, Backoff: 5 * time.Second, MaxBackoff: 15 * time.Second}
	only := func(classes ...task.ErrorClass) task.Retry { r := policy; r.On = classes; return r }
	for _, c := range []struct {
		name    string
		policy  task.Retry
		attempt int
		class   task.ErrorClass
		asked   time.Duration
		after   time.Duration
		ok      bool
	}{
		{"first", policy, 1, task.ErrorPlain, 0, 5 * time.Second, true},
		{"second doubles", policy, 2, task.ErrorCrash, 0, 10 * time.Second, true},
		{"third meets the cap", policy, 3, task.ErrorTimeout, 0, 15 * time.Second, true},
		{"the last attempt has none", policy, 4, task.ErrorPlain, 0, 0, false},
		{"no policy", task.Retry{Attempts: 1}, 1, task.ErrorPlain, 0, 0, false},
		{"permanent", policy, 1, task.ErrorPermanent, 0, 0, false},
		{"unhealthy", policy, 1, task.ErrorUnhealthy, 0, 0, false},
		{"config", policy, 1, task.ErrorConfig, 0, 0, false},
		{"the author's wish is kept to, beyond the cap too", policy, 1, task.ErrorRetry, time.Hour, time.Hour, true},
		{"the author's wish gives no attempt more", policy, 4, task.ErrorRetry, time.Hour, 0, false},
		{"a listed class", only(task.ErrorUnhealthy), 1, task.ErrorUnhealthy, 0, 5 * time.Second, true},
		{"a class that is not listed", only(task.ErrorUnhealthy), 1, task.ErrorPlain, 0, 0, false},
		{"an error with a wish is an error", only(task.ErrorPlain), 1, task.ErrorRetry, time.Second, time.Second, true},
		{"no cap is no doubling", task.Retry{Attempts: 9, Backoff: time.Second}, 5, task.ErrorPlain, 0, time.Second, true},
	} {
		after, ok := Retry(c.policy, c.attempt, c.class, c.asked, middle)
		if after != c.after || ok != c.ok {
			t.Errorf("%s: %s, %v, want %s, %v", c.name, after, ok, c.after, c.ok)
		}
	}
}

func TestDelaysStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	duration := func(t *rapid.T, label string, most time.Duration) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, label))
	}
	rapid.Check(t, func(t *rapid.T) {
		p := task.Restart{
			Backoff:     duration(t, "backoff", time.Hour),
			ResetAfter:  duration(t, "reset", time.Hour),
			MaxFailures: rapid.IntRange(0, 10).Draw(t, "failures"),
			Window:      duration(t, "window", time.Hour),
		}
		p.MaxBackoff = p.Backoff + duration(t, "max", 1000*time.Hour)
		var h History
		now := start
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.Int64Range(int64(-time.Hour), int64(time.Hour)).Draw(t, "step")))
			before := h
			h = h.Failed(p, duration(t, "alive", 2*time.Hour), now)
			if len(h.Recent) > p.MaxFailures+1 || h.Streak < 1 || h.Streak > before.Streak+1 {
				t.Fatalf("history %+v after %+v", h, before)
			}
			d := Next(p, h, now, rapid.Float64Range(0, 0.999999).Draw(t, "rnd"))
			if low, high := float64(p.Backoff)*0.8-1, float64(p.MaxBackoff)*1.2+1; float64(d.After) < low || float64(d.After) > high {
				t.Fatalf("delay %s outside [%v, %v]", d.After, low, high)
			}
			if d.CrashLoop && (p.MaxFailures == 0 || h.Streak <= p.MaxFailures) {
				t.Fatalf("a crash loop after %d failures", h.Streak)
			}
		}
	})
}
