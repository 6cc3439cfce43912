package main

import (
	"math"
	"slices"
	"time"
)

// figures are durations that were measured, in ascending order.
type figures []time.Duration

// newFigures sorts a copy of nanoseconds.
func newFigures[N ~int64](all []N) figures {
	f := make(figures, len(all))
	for i, n := range all {
		f[i] = time.Duration(n)
	}
	slices.Sort(f)
	return f
}

// percentile is the smallest figure that p percent of all do not exceed; 0 without figures.
func (f figures) percentile(p float64) time.Duration {
	if len(f) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(f))))
	return f[min(max(rank, 1), len(f))-1]
}

func (f figures) median() time.Duration { return f.percentile(50) }
func (f figures) p99() time.Duration    { return f.percentile(99) }
func (f figures) max() time.Duration    { return f.percentile(100) }
