package metrics

import (
	"math"
	"sync/atomic"
	"time"
)

// histogram counts observations by upper bounds. Observing takes no lock and no memory.
type histogram struct {
	*scale
	counts []atomic.Uint64 // by bound, and one for what is above all of them
	sum    atomic.Uint64   // bits of a float64
}

// scale is the bounds that histograms of a family share.
type scale struct {
	bounds []float64
	texts  []string
}

func newScale(bounds ...float64) *scale {
	s := &scale{bounds: bounds}
	for _, b := range bounds {
		s.texts = append(s.texts, textOf(b))
	}
	return s
}

var (
	ofLateness = newScale(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60)
	ofRuns     = newScale(.01, .05, .25, 1, 5, 15, 60, 300, 1800, 7200)
	ofWaits    = newScale(.001, .005, .025, .1, .5, 1, 5, 30, 120, 600, 3600)
	ofCommits  = newScale(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5)
	ofWrites   = newScale(1, 4, 16, 64, 256, 1024, 4096)
	ofRequests = newScale(.0005, .001, .005, .025, .1, .5, 1, 5, 30)
)

func newHistogram(s *scale) *histogram {
	return &histogram{scale: s, counts: make([]atomic.Uint64, len(s.bounds)+1)}
}

func (h *histogram) observe(v float64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// took observes a duration in seconds; a negative one, which a clock that went back makes, is none.
func (h *histogram) took(d time.Duration) { h.observe(max(0, d).Seconds()) }

func (h *histogram) read() (counts []uint64, sum float64) {
	counts = make([]uint64, len(h.counts))
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	return counts, math.Float64frombits(h.sum.Load())
}
