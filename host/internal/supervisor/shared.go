package supervisor

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// resident reports whether a process is kept up for the task as long as it is on. One that is shared
// costs nothing to keep.
func (st *state) resident() bool {
	return (st.def.Process == task.ProcessTask || st.def.Process == task.ProcessShared) && !st.perRun()
}

// leaveProcess moves the task out of a process that will end because of a neighbour: at once when it
// is idle there, after its run when that ends by itself. A run that is kept going is drained, and
// begins anew elsewhere.
func (st *state) leaveProcess(p *process, e task.ProcessMoving, now time.Time) {
	p.tainted, st.again = true, true
	if r := p.run; r != nil && st.def.Mode == task.Continuous && r.Stop == nil {
		st.stopRun(r, stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: e.Reason}, now)
	}
}
