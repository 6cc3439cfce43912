package supervisor

import (
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

// expire acts on every deadline that has passed.
func (st *state) expire(now time.Time) {
	passed := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if p := st.overrides.Paused; p != nil && passed(p.Until) {
		st.overrides.Paused, st.dirty = nil, true
		st.do(overridesEffect{overrides: st.overrides})
		st.tell("task", "resumed", "", "its pause is over", now)
	}
	if p := st.hostPause; p != nil && passed(p.Until) {
		st.hostPause, st.dirty = nil, true
	}
	st.expireAlarms(now)
	for _, p := range st.procs {
		st.processOverdue(p, now)
	}
	for _, r := range st.runs {
		if r.phase == live {
			st.expireRun(r, now, passed)
		}
	}
}

func (st *state) expireRun(r *run, now time.Time, passed func(time.Time) bool) {
	st.stopOverdue(r, now)
	if r.Stop == nil && passed(r.Deadline) {
		st.stopRun(r, stop{stage: task.StageCancel, why: whyTimeout, actor: hostActor, reason: "timeout"}, now)
	}
	if at := st.readyBy(r); passed(at) {
		st.stopRun(r, stop{stage: task.StageCancel, why: whyReady, actor: hostActor, reason: whyReady.text()}, now)
	}
	if at := st.signBy(r); passed(at) {
		if st.def.Continuous.Watchdog.Action == task.WatchdogAlarm {
			r.silent, st.dirty = true, true
			st.tell("run", "silent", r.ID, whyWatchdog.text(), now)
		} else {
			st.stopRun(r, stop{stage: task.StageCancel, why: whyWatchdog, actor: hostActor, reason: whyWatchdog.text()}, now)
		}
	}
	if at := st.steadyAt(r); passed(at) {
		st.steady(r, now)
	}
	if at := st.stuckAt(r); passed(at) {
		r.stuck, st.dirty = true, true
		st.tell("run", "stuck", r.ID, "at work for longer than stuck_after", now)
	}
}

// expectsReady reports whether the task is ready only when author code says so.
func (st *state) expectsReady() bool {
	ready := st.def.Continuous.Ready
	return st.def.Mode == task.Continuous && (ready.Called || ready.Timeout > 0)
}

// readyBy is when the live run must have become ready; zero is never.
func (st *state) readyBy(r *run) time.Time {
	limit := st.def.Continuous.Ready.Timeout
	if st.def.Mode != task.Continuous || limit == 0 || st.ready || r.Stop != nil {
		return time.Time{}
	}
	return r.began.Add(limit + r.excused)
}

// signBy is when the watchdog takes a silent run for hung; zero is never.
func (st *state) signBy(r *run) time.Time {
	limit := st.def.Continuous.Watchdog.Timeout
	if st.def.Mode != task.Continuous || limit == 0 || r.Stop != nil || r.silent || !r.entered {
		return time.Time{}
	}
	return r.sign.Add(limit)
}

// steadyAt is when the run of a continuous task that failed before has been well for long enough to count as a
// success; zero is never.
func (st *state) steadyAt(r *run) time.Time {
	limit := st.def.Continuous.Restart.ResetAfter
	if st.def.Mode != task.Continuous || limit == 0 || !r.entered || r.Stop != nil {
		return time.Time{}
	}
	if st.failures == 0 && !st.looping() && !st.alarms.failing.on {
		return time.Time{}
	}
	return r.began.Add(limit)
}

// steady forgets what was before the run.
func (st *state) steady(r *run, now time.Time) {
	st.failures, st.history, st.dirty = 0, backoff.History{}, true
	st.leaveLoop()
	st.alarms.failing = streak{}
	st.tell("run", "steady", r.ID, "it has been at work for "+st.def.Continuous.Restart.ResetAfter.String()+" without a failure", now)
}

// stuckAt is when a run has been at work for suspiciously long; zero is never.
func (st *state) stuckAt(r *run) time.Time {
	if st.def.Mode == task.Continuous || st.def.StuckAfter == 0 || r.stuck || !st.def.Alarm.Stuck {
		return time.Time{}
	}
	return r.began.Add(st.def.StuckAfter)
}

func (st *state) eachRunDeadline(r *run, by func(time.Time)) {
	switch r.phase {
	case live:
		if r.Stop != nil {
			by(r.Stop.Deadline)
		} else {
			by(r.Deadline)
		}
		by(st.readyBy(r))
		by(st.signBy(r))
		by(st.stuckAt(r))
		by(st.steadyAt(r))
	case waitDue:
		by(r.due)
	case waitRetry:
		if st.mayStart() {
			by(r.due)
		}
	}
}

func (st *state) becameReady(p *process, e task.BecameReady, now time.Time) {
	st.setReady(true)
	if r := p.run; r != nil {
		r.sign, r.silent = now, false
		r.moment("ready", e.Note, now)
	}
}

func (st *state) signOfLife(p *process, e task.Alive, now time.Time) {
	r := p.run
	if r == nil || e.Run != "" && e.Run != r.ID {
		return
	}
	if r.silent {
		st.dirty = true
	}
	r.sign, r.silent = now, false
	if e.Progress != nil {
		r.Progress, st.dirty = e.Progress, true
		st.tell("run", "progress", r.ID, e.Progress.Note, now)
		st.save(r)
	}
}

// health says what is wrong with the task although it may be running.
func (st *state) health(now time.Time) task.Health {
	var reasons []task.Reason
	add := func(code, text string) { reasons = append(reasons, task.Reason{Code: code, Text: text}) }
	if st.failed != nil {
		reasons = append(reasons, *st.failed)
	}
	if st.alarms.failing.on && st.failed == nil {
		add(task.ReasonFailing, st.failingText())
	}
	if st.looping() && st.def.Alarm.CrashLoop {
		add(task.ReasonCrashLoop, "it keeps failing and is tried again at the longest delay; its log says why, and taskhost task start "+st.def.Name+" tries at once")
	}
	if st.launchFails > 0 {
		text := "its process ended while it had no run"
		if st.launchErr != nil {
			text = st.launchErr.Error()
		}
		add(task.ReasonProcess, text)
	}
	st.countedReasons(add)
	for _, r := range st.runs {
		if r.stuck {
			add(task.ReasonStuck, fmt.Sprintf("run %s has been at work since %s; taskhost runs cancel %s ends it", r.ID, r.began.UTC().Format(time.RFC3339), r.ID))
		}
		if r.silent {
			add(task.ReasonWatchdog, fmt.Sprintf("run %s has given no sign of life since %s", r.ID, r.sign.UTC().Format(time.RFC3339)))
		}
		if r.Stop != nil && r.Stop.Stage == task.StageKill && now.Sub(r.Stop.KillAt) > task.KillBound {
			add(task.ReasonUnkillable, fmt.Sprintf("run %s was killed, but its process has not ended", r.ID))
		}
	}
	return task.Health{OK: len(reasons) == 0, Reasons: reasons}
}

func (st *state) failingText() string {
	switch {
	case st.failures == 0:
		return "its runs failed; it ends after more runs that succeed"
	case st.failures == 1:
		return "the last run " + pastTense(st.last)
	}
	return fmt.Sprintf("%d runs in a row failed; the last %s", st.failures, pastTense(st.last))
}

func pastTense(s *task.RunSummary) string {
	switch {
	case s == nil:
		return "failed"
	case s.Outcome == task.OutcomeTimedOut:
		return "timed out"
	case s.Outcome == task.OutcomeLost:
		return "was lost: the host ended under it"
	case s.Error != "":
		return "failed: " + s.Error
	}
	return "failed"
}
