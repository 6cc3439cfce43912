package config

import (
	"math"

	"github.com/taskhost/taskhost/host/internal/task"
)

// The least that a Go program can live with; less would only look like a broken plugin.
const (
	leastMemory = 16 << 20
	leastPIDs   = 16 // threads count
	leastFiles  = 32
	mostCPU     = 4096
)

// limits reads a limits block; zero is no limit.
func (s section) limits() task.Limits {
	block, _ := s.block("limits")
	return task.Limits{
		Memory: block.size("memory", 0, leastMemory, 1<<50),
		CPU:    block.number("cpu", 0, 0.01, mostCPU),
		PIDs:   block.integer("pids", 0, leastPIDs, 1<<22),
		Files:  block.integer("files", 0, leastFiles, 1<<24),
	}
}

// number reads a number that need not be whole.
func (s section) number(name string, def, least, most float64) float64 {
	v, out, ok := s.bigFloat(name)
	if !ok {
		return def
	}
	n, _ := out.Float64()
	if math.IsNaN(n) || n < least || n > most {
		s.find.errorf(v.at(), "", "%s: %s is not a number from %v to %v", name, out.Text('g', 12), least, most)
		return def
	}
	return n
}

// limitsOver takes from under what over leaves open.
func limitsOver(over, under task.Limits) task.Limits {
	if over.Memory == 0 {
		over.Memory = under.Memory
	}
	if over.CPU == 0 {
		over.CPU = under.CPU
	}
	if over.PIDs == 0 {
		over.PIDs = under.PIDs
	}
	if over.Files == 0 {
		over.Files = under.Files
	}
	return over
}
