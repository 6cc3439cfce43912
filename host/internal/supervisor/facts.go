package supervisor

import "github.com/taskhost/taskhost/host/internal/task"

// facts is what others may depend on: what has happened since the task's own start.
type facts struct {
	Started   bool
	Ready     bool
	Completed bool
	Succeeded bool
}

// met reports whether a condition holds.
func (f facts) met(c task.Condition) bool {
	switch c {
	case task.Started:
		return f.Started
	case task.Ready:
		return f.Ready
	case task.Completed:
		return f.Completed
	case task.Succeeded:
		return f.Succeeded
	}
	return false
}

// tellFacts keeps the fleet's knowledge of the task true.
func (st *state) tellFacts() {
	if st.on && st.open {
		f := &st.facts
		if st.def.Mode != task.Continuous || st.anyEntered() {
			f.Started = true
		}
		// A task whose process need not be up is as ready as it can be once it is started.
		if st.def.Mode != task.Continuous && !st.resident() {
			f.Ready = true
		}
	}
	if st.facts != st.toldFacts {
		st.toldFacts = st.facts
		st.do(factsEffect{st.facts})
	}
}

func (st *state) anyEntered() bool {
	for _, r := range st.runs {
		if r.phase == live && r.entered {
			return true
		}
	}
	return false
}
