package api

import (
	"fmt"
	"testing"
	"time"
)

func TestABucketGivesItsRateAndNoMore(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	b := newBuckets(Rate{Number: 3, Per: 30 * time.Second})
	for i, c := range []struct {
		after time.Duration
		wait  time.Duration
	}{
		{0, 0}, {0, 0}, {0, 0}, {0, 10 * time.Second}, {9 * time.Second, time.Second}, {time.Second, 0}, {0, 10 * time.Second},
		{-time.Hour, 10 * time.Second}, {10 * time.Second, 0}, {time.Hour, 0}, {0, 0}, {0, 0}, {0, 10 * time.Second},
	} {
		start = start.Add(c.after)
		if got := b.take("a", start); got.Round(time.Millisecond) != c.wait {
			t.Errorf("step %d: wait %v, want %v", i, got, c.wait)
		}
	}
	if b.take("b", start) != 0 {
		t.Error("one caller's rate is another's")
	}
	if newBuckets(Rate{}).take("a", start) != 0 {
		t.Error("the zero rate is a bound")
	}
}

func TestBucketsOfManyCallersAreNotKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	b := newBuckets(Rate{Number: 2, Per: time.Second})
	b.take("busy", now)
	for i := range 3 * maxBuckets {
		b.take(fmt.Sprint(i), now)
		now = now.Add(time.Millisecond)
	}
	if len(b.held) > maxBuckets {
		t.Errorf("%d are kept", len(b.held))
	}
}

func TestSharesAreGivenBack(t *testing.T) {
	t.Parallel()
	var s shares
	if !s.take("a", 1) || s.take("a", 1) || !s.take("b", 1) {
		t.Error("one each")
	}
	s.give("a")
	if !s.take("a", 1) {
		t.Error("it was given back")
	}
	s.give("a")
	s.give("b")
	if len(s.held) != 0 {
		t.Errorf("left: %v", s.held)
	}
}
