package supervisor

import (
	"fmt"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
)

// move is one row of the table of transitions: from a state, for a cause, to a state.
type move struct {
	from  task.State
	cause string
	to    task.State
}

// moves is every way in which a task's state may change. What is not in it is a defect:
// the loop says so in the log, and the tests fail. docs/states.md shows the same table.
var moves = []move{
	{task.Stopped, "start, a process is needed", task.Starting},
	{task.Stopped, "start", task.Idle},
	{task.Stopped, "start, its process is at hand", task.Running},
	{task.Stopped, "start, the run before still ends", task.Stopping},

	{task.Starting, "nothing to do yet", task.Idle},
	{task.Starting, "the run began", task.Running},
	{task.Starting, "stop or restart", task.Stopping},
	{task.Starting, "stop, nothing was up", task.Stopped},
	{task.Starting, "launch failed", task.Backoff},
	{task.Starting, "launch failed too often", task.CrashLoop},
	{task.Starting, "no launch can succeed", task.FailedState},
	{task.Starting, "the run was cancelled", task.CompletedState},

	{task.Idle, "a run needs a process", task.Starting},
	{task.Idle, "a run began", task.Running},
	{task.Idle, "stop or restart", task.Stopping},
	{task.Idle, "stop, nothing was up", task.Stopped},
	{task.Idle, "no launch can succeed", task.FailedState},
	{task.Idle, "the run that was to go on was cancelled", task.CompletedState},
	{task.Idle, "resume, the wait goes on", task.Backoff},
	{task.Idle, "resume, the wait goes on at the longest delay", task.CrashLoop},

	{task.Running, "the last run ended", task.Idle},
	{task.Running, "the next run needs a process", task.Starting},
	{task.Running, "a ladder began", task.Stopping},
	{task.Running, "stop, nothing was up", task.Stopped},
	{task.Running, "the run failed", task.Backoff},
	{task.Running, "the run failed too often", task.CrashLoop},
	{task.Running, "it returned and is not started again", task.CompletedState},
	{task.Running, "it failed and is not started again", task.FailedState},

	{task.Stopping, "all of it is down", task.Stopped},
	{task.Stopping, "the ladder ended", task.Idle},
	{task.Stopping, "down, a new process is needed", task.Starting},
	{task.Stopping, "other runs are at work", task.Running},
	{task.Stopping, "timed out or silent", task.Backoff},
	{task.Stopping, "timed out or silent too often", task.CrashLoop},
	{task.Stopping, "cancelled and not started again", task.CompletedState},
	{task.Stopping, "timed out and not started again", task.FailedState},

	{task.Backoff, "the wait is over", task.Starting},
	{task.Backoff, "the wait is over, its process is at hand", task.Running},
	{task.Backoff, "pause or drain", task.Idle},
	{task.Backoff, "restart", task.Stopping},
	{task.Backoff, "stop", task.Stopped},

	{task.CrashLoop, "the wait is over", task.Starting},
	{task.CrashLoop, "the wait is over, its process is at hand", task.Running},
	{task.CrashLoop, "pause or drain", task.Idle},
	{task.CrashLoop, "restart", task.Stopping},
	{task.CrashLoop, "stop", task.Stopped},

	{task.CompletedState, "start or restart", task.Starting},
	{task.CompletedState, "start, its process is at hand", task.Running},
	{task.CompletedState, "start while paused", task.Idle},
	{task.CompletedState, "stop or restart while its process ends", task.Stopping},
	{task.CompletedState, "stop", task.Stopped},

	{task.FailedState, "start or restart", task.Starting},
	{task.FailedState, "start, a run waits for its retry", task.Running},
	{task.FailedState, "start, nothing to do yet", task.Idle},
	{task.FailedState, "stop or restart while its process ends", task.Stopping},
	{task.FailedState, "stop", task.Stopped},
}

// moved is what is told of each row of moves, by its states.
var moved = func() map[[2]task.State]string {
	m := make(map[[2]task.State]string, len(moves))
	for _, row := range moves {
		m[[2]task.State{row.from, row.to}] = moveText(row)
	}
	return m
}()

func moveText(m move) string { return fmt.Sprintf("%s → %s: %s", m.from, m.to, m.cause) }

// Diagram draws the table of transitions as a mermaid state diagram.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> stopped\n")
	for _, row := range moves {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", row.from, row.to, row.cause)
	}
	return b.String()
}

// stateNow is the task's state in one word.
func (st *state) stateNow() task.State {
	busy, stopping, waiting, retrying := 0, 0, 0, 0
	for _, r := range st.runs {
		switch {
		case r.phase == live && r.Stop != nil:
			stopping++
		case r.phase == live:
			busy++
		case r.phase == waitProcess:
			waiting++
		case r.phase == waitRetry:
			retrying++
		}
	}
	up := len(st.procs) > 0
	switch {
	case (st.closing != closingNone && !st.closed || !st.on) && (up || busy+stopping > 0):
		return task.Stopping
	case st.closed || !st.on:
		return task.Stopped
	case st.closing != closingNone:
		return task.Stopping
	case st.failed != nil && busy+stopping > 0:
		return task.Stopping
	case st.failed != nil:
		return task.FailedState
	case busy > 0 && !st.comingUp():
		return task.Running
	case stopping > 0:
		return task.Stopping
	case busy > 0 || waiting > 0:
		return task.Starting
	case st.draining:
		return task.Idle
	case !st.open:
		return task.Starting
	case retrying > 0:
		return task.Running
	case st.completed:
		return task.CompletedState
	case st.heldByPause():
		return task.Idle
	case st.def.Mode == task.Continuous && st.crashLoop:
		return task.CrashLoop
	case st.def.Mode == task.Continuous:
		if st.restartAt.IsZero() {
			return task.Starting
		}
		return task.Backoff
	}
	return task.Idle
}

// comingUp reports whether a continuous task's run has still to show that it works.
func (st *state) comingUp() bool {
	if st.def.Mode != task.Continuous {
		return false
	}
	for _, r := range st.runs {
		if r.phase == live && (!r.entered || st.expectsReady() && !st.ready) {
			return true
		}
	}
	return false
}
