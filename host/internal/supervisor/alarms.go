package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// streak counts what goes ill and well in a row. The alarm is on from so many ill ones in a row until as many in a
// row were well: what goes well now and then only does not end it.
type streak struct {
	ill, well int
	on        bool
}

// illBy counts some that went ill.
func (s *streak) illBy(n, limit int) {
	s.ill, s.well = s.ill+n, 0
	s.fit(limit)
}

// wellOnce counts one that went well.
func (s *streak) wellOnce(limit int) {
	s.ill, s.well = 0, s.well+1
	s.fit(limit)
}

// fit judges by the limit; 0 is off.
func (s *streak) fit(limit int) {
	switch {
	case limit == 0:
		s.on = false
	case s.ill >= limit:
		s.on = true
	case s.well >= limit:
		s.on = false
	}
}

// alarms is what the counted alarms of a task have seen.
type alarms struct {
	failing, overlap, missed, late streak
	lateBy                         time.Duration // of the newest late slot
	silent                         bool          // no success for too long
	waitsSince                     time.Time     // since when a success is waited for, at the earliest
	paused                         bool          // as of the last event
	looped                         bool          // an earlier life of the host told of a crash loop, and nothing has gone well since
	dead                           int           // dead letters of the queue that it consumes
	outside                        []task.Reason // those of dead letters and alerts as they were told, until they are told anew
	alerts                         []task.Reason
	told                           []task.Reason // for whose coming an event was told
}

// recallAlarms goes on where the life before ended: nothing that was told is told again, and nothing counts as well
// before it was seen to be.
func (st *state) recallAlarms(m task.Memory, now time.Time) {
	a := alarms{waitsSince: now}
	if m.Health != nil {
		a.told = m.Health.Reasons
	}
	a.failing.ill = m.Failures
	for _, r := range a.told {
		switch r.Code {
		case task.ReasonFailing:
			a.failing.on = true
		case task.ReasonOverlap:
			a.overlap.on = true
		case task.ReasonMissed:
			a.missed.on = true
		case task.ReasonLate:
			a.late.on = true
		case task.ReasonNoSuccess:
			a.silent = true
		case task.ReasonCrashLoop:
			a.looped = true
		case task.ReasonDeadLetters:
			a.outside = append(a.outside, r)
		}
		if strings.HasPrefix(r.Code, task.ReasonAlert) {
			a.outside = append(a.outside, r)
		}
	}
	st.alarms = a
	st.fitAlarms()
}

// fitAlarms follows a change of the limits.
func (st *state) fitAlarms() {
	limits, a := st.def.Alarm, &st.alarms
	a.failing.fit(limits.Failing)
	a.overlap.fit(limits.Overlap)
	a.missed.fit(limits.Missed)
	a.late.fit(limits.Late)
	a.silent = a.silent && limits.NoSuccess > 0
	a.looped = a.looped && st.def.Mode == task.Continuous
	st.crashLoop = st.crashLoop && st.def.Mode == task.Continuous
	if st.def.Consume == nil {
		a.dead = 0
		a.outside = slices.DeleteFunc(slices.Clone(a.outside), func(r task.Reason) bool { return r.Code == task.ReasonDeadLetters })
	}
}

// calmSlots forgets what slots have seen: the schedule was turned off, or begins anew.
func (st *state) calmSlots(now time.Time) {
	a := &st.alarms
	a.overlap, a.missed, a.late = streak{}, streak{}, streak{}
	a.silent, a.waitsSince = false, now
}

// slotBegan counts a slot whose author code was entered.
func (st *state) slotBegan(r *run, at time.Time) {
	if r.Trigger != task.TriggerSlot || len(r.Attempts) > 1 {
		return
	}
	limits, a := st.def.Alarm, &st.alarms
	a.missed.wellOnce(limits.Missed)
	if r.caughtUp || limits.LateBy == 0 {
		return // its lateness is the host's, which was down: that is told by what was missed
	}
	if by := at.Sub(r.NotBefore); by > limits.LateBy {
		a.lateBy = by
		a.late.illBy(1, limits.Late)
		return
	}
	a.late.wellOnce(limits.Late)
}

// slotsPassed counts slots that did not run.
func (st *state) slotsPassed(reason task.SlotReason, count int) {
	limits, a := st.def.Alarm, &st.alarms
	switch {
	case reason == task.SkippedOverlap:
		a.overlap.illBy(count, limits.Overlap)
	case reason == task.MissedOverload || reason == task.MissedClock,
		reason == task.MissedDowntime && st.def.Schedule.CatchUp.Policy != task.CatchUpNone:
		a.missed.illBy(count, limits.Missed)
	}
}

// runCounted counts a run that has ended.
func (st *state) runCounted(outcome task.Outcome) {
	limit, a := st.def.Alarm.Failing, &st.alarms
	switch {
	case outcome == task.OutcomeSucceeded:
		a.failing.wellOnce(limit)
		a.silent = false
	case outcome.Failure():
		a.failing.illBy(1, limit)
	}
}

// silentAt is when the task has been without a success for too long; zero is never. What has just been started or
// resumed gets a third of the time anew, so that a host that comes back after days finds nobody guilty.
func (st *state) silentAt() time.Time {
	limit, a := st.def.Alarm.NoSuccess, &st.alarms
	if limit == 0 || a.silent || !st.on || st.paused() != nil || st.draining {
		return time.Time{}
	}
	if st.lastSuccess.IsZero() {
		return a.waitsSince.Add(limit)
	}
	return latest(st.lastSuccess.Add(limit), a.waitsSince.Add(limit/3))
}

// expireAlarms raises the alarms that time alone brings.
func (st *state) expireAlarms(now time.Time) {
	paused := st.paused() != nil
	if st.alarms.paused && !paused {
		st.alarms.waitsSince = now
	}
	st.alarms.paused = paused
	if at := st.silentAt(); !at.IsZero() && !at.After(now) {
		st.alarms.silent, st.dirty = true, true
	}
}

// tellAlarms tells of reasons that have come and gone since the last time.
func (st *state) tellAlarms(reasons []task.Reason, now time.Time) {
	told := st.alarms.told
	if sameCodes(told, reasons) {
		return
	}
	for _, r := range told {
		if !hasCode(reasons, r.Code) {
			st.tell("task", task.EventRecovered, "", r.Code+": "+r.Text, now)
		}
	}
	for _, r := range reasons {
		if !hasCode(told, r.Code) {
			st.tell("task", task.EventDegraded, "", r.Code+": "+r.Text, now)
		}
	}
	st.alarms.told = reasons
}

func hasCode(reasons []task.Reason, code string) bool {
	return slices.ContainsFunc(reasons, func(r task.Reason) bool { return r.Code == code })
}

func sameCodes(a, b []task.Reason) bool {
	return slices.EqualFunc(a, b, func(x, y task.Reason) bool { return x.Code == y.Code })
}

// countedReasons are those of the counted alarms that are on.
func (st *state) countedReasons(add func(code, text string)) {
	a := &st.alarms
	if a.overlap.on {
		add(task.ReasonOverlap, streakText(a.overlap, "found the run before still at work", "its runs take longer than its period: give it more time between slots, or less to do"))
	}
	if a.missed.on {
		add(task.ReasonMissed, streakText(a.missed, "could not run", "the host was down or had no time; taskhost task slots "+st.def.Name+" shows which"))
	}
	if a.late.on {
		text := "began late"
		if a.lateBy > 0 {
			text += ", the last by " + a.lateBy.Round(time.Millisecond).String()
		}
		add(task.ReasonLate, streakText(a.late, text, "the machine is short of time, or runs wait for a group or for each other"))
	}
	if a.silent {
		add(task.ReasonNoSuccess, st.silentText()+"; taskhost runs list and taskhost task slots "+st.def.Name+" show what it did instead")
	}
	st.outsideReasons(add)
}

func streakText(s streak, what, remedy string) string {
	if s.ill == 0 {
		return "slots " + what + "; it ends after more slots that run well"
	}
	return count(s.ill, "slot") + " in a row " + what + "; " + remedy
}

func (st *state) silentText() string {
	if st.lastSuccess.IsZero() {
		return "no run has succeeded since " + st.alarms.waitsSince.UTC().Format(time.RFC3339)
	}
	return "no run has succeeded since " + st.lastSuccess.UTC().Format(time.RFC3339)
}

// outsideReasons are those that others see: the queues and the alerts.
func (st *state) outsideReasons(add func(code, text string)) {
	a, limit := &st.alarms, st.def.Alarm.DeadLetters
	if a.dead > 0 && limit > 0 && a.dead >= limit && st.def.Consume != nil {
		queue := st.def.Consume.Queue
		add(task.ReasonDeadLetters, fmt.Sprintf("%s in the queue %s; taskhost queue dead %s shows them, redrive or purge ends this", count(a.dead, "dead letter"), queue, queue))
	}
	for _, r := range a.alerts {
		add(r.Code, r.Text)
	}
	for _, r := range a.outside {
		add(r.Code, r.Text)
	}
}

type (
	// buried: so many dead letters are in the queue that the task consumes.
	buried struct{ count int }
	// alerted: these alerts hold for the task, and no others.
	alerted struct{ reasons []task.Reason }
)

func (e buried) apply(st *state, _ time.Time) {
	st.alarms.dead = e.count
	st.heard(func(r task.Reason) bool { return r.Code == task.ReasonDeadLetters })
}

func (e alerted) apply(st *state, _ time.Time) {
	st.alarms.alerts = e.reasons
	st.heard(func(r task.Reason) bool { return strings.HasPrefix(r.Code, task.ReasonAlert) })
}

// heard forgets what was remembered of an earlier life in place of what is known now.
func (st *state) heard(of func(task.Reason) bool) {
	st.alarms.outside = slices.DeleteFunc(slices.Clone(st.alarms.outside), of)
	st.dirty = true
}

// Buried tells a task how many dead letters are in the queue that it consumes. It does not wait.
func (f *Fleet) Buried(name string, count int) { f.hear(name, buried{count}) }

// Alerted tells a task which alerts hold for it, in place of what was told before. It does not wait.
func (f *Fleet) Alerted(name string, reasons []task.Reason) { f.hear(name, alerted{reasons}) }

func (f *Fleet) hear(name string, ev event) {
	if l := f.view.Load().loops[name]; l != nil {
		l.box.put(ev)
	}
}
