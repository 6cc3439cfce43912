package supervisor

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// tell announces something to those who follow events.
func (st *state) tell(topic, kind, run, text string, now time.Time) {
	st.told = append(st.told, task.Event{At: now, Topic: topic, Kind: kind, Task: st.def.Name, Run: run, Text: text})
}

// show moves the state's word and saves a new status when anything of it has changed.
func (st *state) show(now time.Time) {
	if !st.dirty {
		return
	}
	st.dirty = false
	if word := st.stateNow(); word != st.word {
		text, legal := moved[[2]task.State{st.word, word}]
		if !legal {
			text = moveText(move{st.word, "not foreseen", word})
		}
		st.tell("task", "state", "", text, now)
		st.word, st.since = word, now
	}
	st.shown = st.status(now)
	st.tellAlarms(st.shown.Health.Reasons, now)
	st.do(saveStatusEffect{&st.shown})
}

// status is a snapshot of the task for others to keep.
func (st *state) status(now time.Time) task.Status {
	s := task.Status{
		Task:            st.def.Name,
		Generation:      st.gen,
		State:           st.word,
		Since:           st.since,
		Reason:          st.explain(),
		Paused:          st.paused(),
		StoppedBy:       st.overrides.Stopped,
		Health:          st.health(now),
		LastSlot:        st.settledSlot(),
		Last:            st.last,
		LastSuccess:     st.lastSuccess,
		LastSuccessSlot: st.lastSuccessSlot,
		Failures:        st.failures,
		Restarts:        st.restarts,
		Ready:           st.ready,
	}
	if !st.slotHeld() {
		s.NextSlot = st.nextSlot
	}
	if len(st.runs) > 0 {
		s.Running = make([]task.Run, len(st.runs))
		for i, r := range st.runs {
			s.Running[i] = r.snapshot()
			if s.Waiting == nil && r.Waiting != nil {
				s.Waiting = r.Waiting
			}
		}
	}
	if s.Waiting == nil && st.on && !st.open && len(st.unmet) > 0 {
		s.Waiting = &task.Waiting{For: "dependency", On: st.unmet[0], Since: st.startedAt}
	}
	if len(st.procs) > 0 {
		s.Processes = make([]task.ProcessInfo, len(st.procs))
		for i, p := range st.procs {
			s.Processes[i] = p.info
		}
	}
	return s
}

// settledSlot is the high-water mark as the journal may keep it: it does not cover slots
// whose run is nowhere written down yet, so that after a crash of the host they are found due.
func (st *state) settledSlot() time.Time {
	mark := st.lastSlot
	for _, r := range st.runs {
		if !r.saved && !r.Slot.IsZero() && !r.Slot.After(mark) {
			mark = r.Slot.Add(-1)
		}
	}
	return mark
}

// explain says in words why the task is in its state.
func (st *state) explain() *task.Reason {
	switch {
	case st.failed != nil:
		return st.failed
	case st.word == task.Stopped || st.word == task.Stopping:
		switch o := st.overrides.Stopped; {
		case o != nil:
			return &task.Reason{Code: "stopped", Text: "stopped by " + o.By + because(o.Reason)}
		case !st.def.Enabled && !st.on:
			return &task.Reason{Code: "disabled", Text: "enabled = false in its declaration"}
		case st.closing == closingRestart:
			return &task.Reason{Code: "restart", Text: "it restarts"}
		}
	case st.draining:
		return &task.Reason{Code: "drain", Text: "the host drains and starts nothing new"}
	case st.word == task.Backoff || st.word == task.CrashLoop:
		return st.backoff
	case st.word == task.Starting && !st.open && len(st.unmet) > 0:
		return &task.Reason{Code: "dependency", Text: "it waits for " + st.unmet[0]}
	}
	return nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
