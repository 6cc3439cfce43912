package supervisor

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// BenchmarkSlot is all that is decided for one slot of a resident task: due, entered, returned.
func BenchmarkSlot(b *testing.B) {
	d := periodicTask()
	d.Schedule.Every = time.Second
	s := newSim(b, d)
	s.behave = working(10 * time.Millisecond)
	s.boot(task.Memory{})
	s.advance(1500 * time.Millisecond)
	for s.st.stateNow() != task.Idle || len(s.st.procs) == 0 {
		s.advance(10 * time.Millisecond)
	}
	st, now := s.st, s.now
	id := st.procs[0].id
	b.ReportAllocs()
	for b.Loop() {
		now = st.nextSlot
		decide(st, ticked{}, now)
		run := st.runs[0].ID
		now = now.Add(time.Millisecond)
		decide(st, reported{task.RunEntered{ID: id, Run: run}}, now)
		now = now.Add(time.Millisecond)
		decide(st, reported{task.RunReturned{ID: id, Result: task.RunResult{Run: run, Status: task.StatusSucceeded}}}, now)
	}
}
