package metrics

import (
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/taskhost/taskhost/host/internal/usage"
)

// begun is about when the process began.
var begun = time.Now()

// self is what the host's own process takes.
type self struct {
	usage      usage.Usage
	known      bool // usage is
	open, most int  // descriptors
	counted    bool // they are
	goroutines int
	runtime    [len(runtimeNames)]float64
}

// runtimeNames are what is read of Go's runtime, by the places that they have in self.
var runtimeNames = [...]string{
	heapObjects:  "/memory/classes/heap/objects:bytes",
	heapAll:      "/memory/classes/total:bytes",
	heapReleased: "/memory/classes/heap/released:bytes",
	gcCycles:     "/gc/cycles/total:gc-cycles",
	allocated:    "/gc/heap/allocs:bytes",
	gcTime:       "/cpu/classes/gc/total:cpu-seconds",
}

const (
	heapObjects = iota
	heapAll
	heapReleased
	gcCycles
	allocated
	gcTime
)

func lookAtSelf() self {
	s := self{goroutines: runtime.NumGoroutine()}
	s.usage, s.known = usage.Of(os.Getpid())
	s.open, s.most, s.counted = descriptors()
	var samples [len(runtimeNames)]metrics.Sample
	for i, name := range runtimeNames {
		samples[i].Name = name
	}
	metrics.Read(samples[:])
	for i, one := range samples {
		switch one.Value.Kind() {
		case metrics.KindUint64:
			s.runtime[i] = float64(one.Value.Uint64())
		case metrics.KindFloat64:
			s.runtime[i] = one.Value.Float64()
		}
	}
	return s
}
