package app

import (
	"os"
	"runtime/debug"
)

// spareMemory lets the garbage collector begin at half the growth that is usual. A host lives long
// and mostly holds what it needs: the stacks and connections of its processes, and history. With
// 1,000 processes at 1 Hz that saves a sixth of its memory (docs/speed.md). GOGC in the environment wins.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
