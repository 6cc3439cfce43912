package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// usualGrowth is how much the heap of a large host grows between two collections, in percent. A host lives long
	// and mostly holds what it needs: the stacks and connections of its processes, and history. With 1,000 processes
	// at 1 Hz half the runtime's own growth saves a sixth of the memory (docs/speed.md).
	usualGrowth = 50
	// leastGrowth is what the heap of a small host may grow by in any case: with some megabytes in use, a queue
	// under load would have it collected all the time.
	leastGrowth = 16 << 20
	mostGrowth  = 400
)

// spareMemory sets when the garbage collector begins, now and after each collection. GOGC in the environment wins.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		new(collector).follow()
	}
}

// collector follows the collections of the heap.
type collector struct{ now int } // percent; 0 at first

// follow sets the growth for the heap that is in use, and does so again after the next collection.
func (c *collector) follow() {
	want := growth(inUse())
	if near := want*5 <= c.now*6 && c.now*5 <= want*6; want != c.now && (!near || want == usualGrowth) {
		debug.SetGCPercent(want) // it stops the world for a moment
		c.now = want
	}
	runtime.AddCleanup(new([16]byte), func(c *collector) { c.follow() }, c)
}

// growth is how much a heap with so many bytes in use may grow, in percent.
func growth(used uint64) int {
	return int(min(max(leastGrowth*100/max(used, 1), usualGrowth), mostGrowth))
}

// inUse is what the last collection found in use: the heap, and the stacks and globals that count like it.
func inUse() uint64 {
	all := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(all)
	sum := uint64(0)
	for _, s := range all {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
