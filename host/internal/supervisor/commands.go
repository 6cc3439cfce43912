package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

func (e asked) apply(st *state, now time.Time) {
	if e.command.DryRun {
		st.rehearse(e, now)
		return
	}
	st.elapse(now)
	st.reply = &reply{to: e.to}
	st.reply.answer.err = st.obey(e.command, now)
}

// rehearse answers what the command would bring about, and leaves everything as it is.
func (st *state) rehearse(e asked, now time.Time) {
	e.command.DryRun = false
	would := st.clone()
	would.reply = &reply{to: e.to}
	err := would.obey(e.command, now)
	r := would.reply
	r.answer.err = err
	r.answer.reply.Status = st.status(now)
	for _, run := range r.runs {
		r.answer.reply.Runs = append(r.answer.reply.Runs, run.snapshot())
	}
	r.answer.reply.Runs = append(r.answer.reply.Runs, r.ended...)
	st.do(replyEffect{r})
}

// obey carries out a command. It fails with a *task.Error.
func (st *state) obey(c task.Command, now time.Time) error {
	if err := st.leaving(c.Verb); err != nil {
		return err
	}
	switch c.Verb {
	case task.VerbStart:
		return st.start(c, now)
	case task.VerbStop:
		return st.stopTask(c, now)
	case task.VerbCancel:
		return st.cancel(c, now)
	case task.VerbRun:
		return st.runNow(c, now)
	case task.VerbPause:
		return st.pause(c, now)
	case task.VerbResume:
		return st.resume(c, now)
	case task.VerbRestart:
		return st.restart(c, now)
	case task.VerbBackfill:
		return st.backfill(c, now)
	case task.VerbRetry:
		return st.retry(c, now)
	case task.VerbTimeout:
		return st.timeout(c, now)
	case task.VerbReset:
		return st.reset(c, now)
	}
	return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("there is no verb %q", c.Verb)}
}

// leaving refuses what would keep a task from going that is no longer declared, or that goes on under another name. It
// may be made to go sooner.
func (st *state) leaving(v task.Verb) error {
	if st.closing != closingRemove || v == task.VerbStop || v == task.VerbCancel || v == task.VerbTimeout {
		return nil
	}
	return &task.Error{Code: task.CodeTaskUnknown, Detail: fmt.Sprintf("task %q is no longer declared", st.def.Name)}
}

// changed marks that the command was not a no-op.
func (st *state) changed() { st.reply.answer.reply.Changed, st.dirty = true, true }

// replyRun names a run that the reply tells of.
func (st *state) replyRun(r *run) {
	if st.reply != nil {
		st.reply.runs = append(st.reply.runs, r)
	}
}

// keepOverrides makes the answer wait until the overrides are durable.
func (st *state) keepOverrides(o task.Overrides) {
	st.overrides = o
	st.do(overridesEffect{overrides: o, reply: st.reply})
	if st.reply != nil {
		st.reply.answer.reply.Changed = true
	}
	st.dirty = true
}

// answer sends the reply, when keepOverrides has not taken it along.
func (st *state) answer(now time.Time) {
	r := st.reply
	if r == nil {
		return
	}
	r.answer.reply.Status = st.status(now)
	for _, run := range r.runs {
		r.answer.reply.Runs = append(r.answer.reply.Runs, run.snapshot())
	}
	r.answer.reply.Runs = append(r.answer.reply.Runs, r.ended...)
	st.reply = nil
	for i, e := range st.out {
		if o, ok := e.(overridesEffect); ok && o.reply == r {
			o.overrides = st.overrides
			st.out = append(slices.Delete(st.out, i, i+1), o) // who is answered finds the status saved
			return
		}
	}
	st.do(replyEffect{r})
}

func (c commandOf) override(now time.Time) *task.Override {
	return &task.Override{By: c.Actor, At: now, Until: c.Until, Reason: c.Reason}
}

// commandOf lets a command make the override that it stands for.
type commandOf task.Command

func (st *state) shuttingDown() error {
	if st.closing == closingShutdown || st.draining {
		return &task.Error{Code: task.CodeShutdown, Detail: "the host is about to end and starts nothing new", Remedy: "try again when it is back"}
	}
	return nil
}

// wished says whether the schedule is to be on: the file's word, unless a person's stands against it.
func (st *state) wished() bool {
	if st.declared().Enabled {
		return st.overrides.Stopped == nil
	}
	return st.overrides.Started != nil
}

// declared is the definition that holds, or will once the old one is down.
func (st *state) declared() *task.Definition {
	if st.next != nil {
		return st.next.def
	}
	return st.def
}

func (st *state) start(c task.Command, now time.Time) error {
	if st.closing == closingShutdown {
		return st.shuttingDown()
	}
	if !st.wished() {
		o := st.overrides
		o.Stopped = nil
		if !st.declared().Enabled {
			o.Started = commandOf(c).override(now)
		}
		st.keepOverrides(o)
	}
	if !st.on {
		st.turnOn(now)
		st.changed()
		return nil
	}
	if st.failed != nil || st.completed || st.def.Mode == task.Continuous && st.restartAt.After(now) {
		st.turnOn(now)
		st.changed()
	}
	return nil
}

// turnOn begins the task anew: its schedule, its gate, its memory of failures.
func (st *state) turnOn(now time.Time) {
	st.on, st.startedAt = true, now
	st.open = len(st.unmet) == 0
	st.failed, st.completed, st.backoff = nil, false, nil
	st.leaveLoop()
	st.restartAt, st.restarts, st.history = time.Time{}, 0, backoff.History{}
	st.launchAt, st.launchErr, st.launchFails = time.Time{}, nil, 0
	st.facts, st.record = facts{}, nil
	st.calmSlots(now)
	st.lastSlot = latest(st.lastSlot, now)
	st.refreshNextSlot()
	st.runOnStart(now)
	st.again, st.dirty = true, true
}

// runOnStart gives a periodic task that asks for it a run right away.
func (st *state) runOnStart(now time.Time) {
	if st.plan == nil || !st.def.Schedule.RunOnStart || st.engaged() || st.paused() != nil {
		return
	}
	r := st.newRun(task.TriggerStart, now)
	r.phase, r.policy = waitSeat, task.OverlapSkip
	st.accept(r, now)
}

func (st *state) stopTask(c task.Command, now time.Time) error {
	s := stop{stage: c.Mode.Stage(), why: whyStop, actor: c.Actor, reason: c.Reason, timeout: c.Timeout}
	if st.wished() {
		o := st.overrides
		o.Started = nil
		if st.declared().Enabled {
			o.Stopped = commandOf(c).override(now)
		}
		st.keepOverrides(o)
	}
	for _, r := range st.live() {
		st.replyRun(r)
	}
	if st.turnOff(s, now) {
		st.changed()
	}
	return nil
}

// turnOff ends all that the task does. It reports whether that changed anything.
func (st *state) turnOff(s stop, now time.Time) bool {
	changed := st.on
	st.on, st.failed, st.completed = false, nil, false
	st.leaveLoop()
	st.restartAt, st.backoff, st.launchErr = time.Time{}, nil, nil
	moved, _ := st.stopAll(s, now)
	ended := st.endWaiting(s.actor, "the task was stopped", now)
	st.facts, st.record = facts{}, nil
	st.calmSlots(now)
	st.refreshNextSlot()
	st.dirty = true
	return changed || moved || len(ended) > 0
}

func (st *state) cancel(c task.Command, now time.Time) error {
	if c.Mode == "" {
		c.Mode = task.Hard
	}
	s := stop{stage: c.Mode.Stage(), why: whyCancel, actor: c.Actor, reason: c.Reason, timeout: c.Timeout}
	for _, r := range append([]*run(nil), st.runs...) {
		if c.Run != "" && r.ID != c.Run {
			continue
		}
		st.replyRun(r)
		if r.phase == live {
			if st.stopRun(r, s, now) {
				st.changed()
			}
			continue
		}
		st.changed()
		st.endQueued(r, task.OutcomeCancelled, c.Actor, c.Reason, now)
	}
	return nil
}

// mayRun refuses runs that are asked for when the task runs none.
func (st *state) mayRun() error {
	switch {
	case st.closing == closingShutdown || st.draining:
		return st.shuttingDown()
	case st.def.Mode == task.Continuous:
		return &task.Error{Code: task.CodeNotPeriodic, Detail: fmt.Sprintf("task %q is continuous: it has one run that is kept going", st.def.Name), Remedy: "use restart for a new one"}
	case !st.on:
		return &task.Error{Code: task.CodeStopped, Detail: fmt.Sprintf("task %q is stopped", st.def.Name), Remedy: "start it first"}
	case st.failed != nil:
		return &task.Error{Code: task.CodeFailed, Detail: fmt.Sprintf("task %q has failed: %s", st.def.Name, st.failed.Text), Remedy: "mend the cause, then start it"}
	case len(st.runs) >= maxQueued:
		return &task.Error{Code: task.CodeOverlap, Detail: fmt.Sprintf("%d runs of task %q wait already", len(st.runs), st.def.Name), Remedy: "try again when some have ended", Run: st.runs[0].ID}
	}
	return nil
}

func (st *state) runNow(c task.Command, now time.Time) error {
	if err := st.mayRun(); err != nil {
		return err
	}
	r := st.newRun(task.TriggerManual, now)
	return st.acceptAsked(r, c, now)
}

// acceptAsked accepts a run that a person asked for, if the overlap policy of the call allows it.
func (st *state) acceptAsked(r *run, c task.Command, now time.Time) error {
	if c.Input != nil {
		r.Input = c.Input
	}
	r.Actor, r.Reason, r.policy, r.TraceParent, r.Key = c.Actor, c.Reason, c.Overlap, c.TraceParent, c.Key
	if c.At.After(now) {
		r.NotBefore, r.due, r.phase = c.At, c.At, waitDue
		if r.policy == "" {
			r.policy = task.OverlapQueue
		}
		st.replyRun(r)
		st.changed()
		st.accept(r, now)
		return nil
	}
	if blocking := st.blocking(r); blocking != nil {
		switch c.Overlap {
		case task.OverlapQueue, task.OverlapCancel:
		case task.OverlapAllow:
			return &task.Error{Code: task.CodeOverlap, Run: blocking.ID,
				Detail: fmt.Sprintf("task %q runs at most %s at a time, and run %s is in the way", st.def.Name, count(st.seats(), "run"), blocking.ID),
				Remedy: `raise max_parallel, or ask with overlap "queue"`}
		default:
			return &task.Error{Code: task.CodeOverlap, Run: blocking.ID,
				Detail: fmt.Sprintf("run %s of task %q is in the way", blocking.ID, st.def.Name),
				Remedy: `wait for it, cancel it, or ask with overlap "queue"`}
		}
	}
	st.replyRun(r)
	st.changed()
	st.admit(r, now)
	return nil
}

func (st *state) retry(c task.Command, now time.Time) error {
	if err := st.mayRun(); err != nil {
		return err
	}
	if c.Retry == nil {
		return &task.Error{Code: task.CodeInvalid, Detail: "retry needs the run that is to run again"}
	}
	if c.Retry.State != task.RunEnded {
		return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("run %s has not ended", c.Retry.ID), Remedy: "cancel it first, or wait", Run: c.Retry.ID}
	}
	r := st.newRun(task.TriggerRetry, now)
	r.Source, r.Slot, r.PreviousSlot, r.Input = c.Retry.ID, c.Retry.Slot, c.Retry.PreviousSlot, c.Retry.Input
	return st.acceptAsked(r, c, now)
}

func (st *state) backfill(c task.Command, now time.Time) error {
	if err := st.mayRun(); err != nil {
		return err
	}
	switch {
	case st.plan == nil:
		return &task.Error{Code: task.CodeNotPeriodic, Detail: fmt.Sprintf("task %q has no schedule to fill in", st.def.Name), Remedy: "run it instead"}
	case len(c.Slots) == 0:
		return &task.Error{Code: task.CodeInvalid, Detail: "no slot lies in the given time", Remedy: "see the schedule for the slots"}
	case len(st.runs)+len(c.Slots) > maxQueued:
		return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("%d slots are more than the %d runs that may wait", len(c.Slots), maxQueued), Remedy: "take a shorter time"}
	}
	batch := st.newID(now)
	for _, slot := range c.Slots {
		r := st.newRun(task.TriggerBackfill, now)
		r.Slot, r.PreviousSlot = slot, st.plan.Previous(slot)
		r.Actor, r.Reason, r.policy, r.TraceParent = c.Actor, c.Reason, task.OverlapQueue, c.TraceParent
		r.batch, r.batchMax, r.phase = batch, max(1, c.MaxParallel), waitSeat
		if c.Input != nil {
			r.Input = c.Input
		}
		st.replyRun(r)
		st.accept(r, now)
	}
	st.changed()
	return nil
}

// byWhom is who asks for it, and why.
func byWhom(c task.Command) string {
	if c.Reason == "" {
		return "by " + c.Actor
	}
	return "by " + c.Actor + ": " + c.Reason
}

func (st *state) pause(c task.Command, now time.Time) error {
	if !c.Until.IsZero() && !c.Until.After(now) {
		return &task.Error{Code: task.CodeInvalid, Detail: "until lies in the past", Remedy: "give a later time, or none"}
	}
	if p := st.overrides.Paused; p != nil && p.Until.Equal(c.Until) && p.Reason == c.Reason {
		return nil
	}
	o := st.overrides
	o.Paused = commandOf(c).override(now)
	st.keepOverrides(o)
	st.tell("task", "paused", "", byWhom(c), now)
	return nil
}

func (st *state) resume(c task.Command, now time.Time) error {
	pause := st.overrides.Paused
	if pause == nil {
		return nil
	}
	o := st.overrides
	o.Paused = nil
	st.keepOverrides(o)
	st.tell("task", "resumed", "", byWhom(c), now)
	if c.CatchUp {
		st.catchUp(pause.At, now)
	}
	st.refreshNextSlot()
	return nil
}

// catchUp runs slots that a pause skipped, as the catch_up policy would after a downtime;
// where that policy is none, the latest.
func (st *state) catchUp(since, now time.Time) {
	if st.plan == nil || !st.on || st.fixedDelay() {
		return
	}
	slots := st.plan.Due(since, now, task.MissedDowntime).Run
	if len(slots) == 0 {
		if slot := st.plan.Previous(now); slot.After(since) {
			slots = append(slots, slot)
		}
	}
	for _, slot := range slots {
		r := st.slotRun(slot, now)
		r.due, r.caughtUp = now, true
		st.replyRun(r)
		st.admit(r, now)
	}
}

func (st *state) restart(c task.Command, now time.Time) error {
	switch {
	case st.closing == closingShutdown:
		return st.shuttingDown()
	case !st.on:
		return &task.Error{Code: task.CodeStopped, Detail: fmt.Sprintf("task %q is stopped", st.def.Name), Remedy: "start it instead"}
	}
	for _, r := range st.live() {
		st.replyRun(r)
	}
	s := stop{stage: c.Mode.Stage(), why: whyStop, actor: c.Actor, reason: c.Reason, timeout: c.Timeout}
	if st.closing == closingRestart {
		if moved, _ := st.stopAll(s, now); moved {
			st.changed()
		}
		return nil
	}
	st.closing = closingRestart
	st.failed, st.history = nil, backoff.History{}
	st.leaveLoop()
	st.restartAt, st.backoff = time.Time{}, nil
	st.stopAll(s, now)
	st.changed()
	return nil
}

func (st *state) timeout(c task.Command, now time.Time) error {
	r := st.run(c.Run)
	if r == nil || r.phase != live {
		return &task.Error{Code: task.CodeNotRunning, Detail: "the run is not at work", Remedy: "only a live run has a timeout to change", Run: c.Run}
	}
	if c.Timeout < 0 {
		return &task.Error{Code: task.CodeInvalid, Detail: "a timeout cannot be negative"}
	}
	st.replyRun(r)
	deadline := time.Time{}
	if c.Timeout > 0 {
		deadline = now.Add(c.Timeout)
	}
	if r.Stop != nil || r.Deadline.Equal(deadline) {
		return nil
	}
	r.Deadline, r.ownTimeout = deadline, true
	r.moment("timeout changed", c.Actor, now)
	st.save(r)
	st.changed()
	return nil
}

// reset forgets what people set: the task is again as the file says.
func (st *state) reset(c task.Command, now time.Time) error {
	if st.overrides == (task.Overrides{}) {
		return nil
	}
	st.keepOverrides(task.Overrides{})
	switch on := st.wished(); {
	case on && !st.on:
		st.turnOn(now)
	case !on && st.on:
		st.turnOff(stop{stage: task.StageDrain, why: whyStop, actor: c.Actor, reason: c.Reason}, now)
	}
	return nil
}

func (e hostPaused) apply(st *state, now time.Time) {
	ended := st.hostPause
	st.hostPause, st.dirty = e.override, true
	if e.catchUp && ended != nil && st.paused() == nil {
		st.catchUp(ended.At, now)
	}
	st.refreshNextSlot()
}

func (e gated) apply(st *state, now time.Time) {
	st.unmet, st.dirty = e.unmet, true
	if len(e.unmet) == 0 {
		st.open = true
	}
}

// apply begins the task's life with what earlier lives left of it.
func (e booted) apply(st *state, now time.Time) {
	m := e.memory
	st.overrides, st.hostPause, st.draining, st.unmet = m.Overrides, e.hostPause, e.draining, e.unmet
	st.open = len(e.unmet) == 0
	st.lastSlot, st.lastEnd, st.startedAt = latest(m.LastSlot, time.Time{}), earliest(m.LastEnd, now), now
	st.lastSuccess, st.lastSuccessSlot = m.LastSuccess, m.LastSuccessSlot
	st.failures, st.last = m.Failures, m.Last
	st.recallAlarms(m, now)
	st.since, st.dirty = now, true
	if st.lastSlot.IsZero() {
		st.lastSlot = now
	}
	st.on = st.wished()
	st.alarms.looped = st.alarms.looped && st.on
	for _, r := range append(append([]task.Run(nil), m.Interrupted...), m.Live...) {
		st.recall(r, now)
	}
	// What the end of the host did to those runs is no word on the task of now.
	st.failed, st.completed, st.backoff, st.restartAt = nil, false, nil, time.Time{}
	st.history, st.crashLoop, st.restarts, st.facts = backoff.History{}, false, 0, facts{}
	if e.undeclared {
		retired{}.apply(st, now)
		return
	}
	st.late = task.MissedDowntime
	st.refreshNextSlot()
	if st.on {
		st.elapse(now)
		st.runOnStart(now)
	}
}

// recall takes up a run that an earlier life of the host left unfinished.
func (st *state) recall(from task.Run, now time.Time) {
	r := &run{Run: from, saved: true, policy: task.OverlapQueue, phase: waitStart}
	switch r.State {
	case task.RunEnded:
		return // it was interrupted and dropped; what goes on waits as queued
	case task.RunQueued:
		r.Waiting, r.due = nil, r.NotBefore
		r.keptSaved = len(r.Attempts) > 0 // what was kept once is worth keeping again
		if r.due.After(now) {
			r.phase = waitDue
		}
		st.runs = append(st.runs, r)
		if r.onlySlot() && !st.catchesUp(r.Slot, now) {
			st.endQueued(r, task.OutcomeInterrupted, "", "the host ended before it began", now)
		}
		return
	}
	r.began, r.seated = r.Queued, st.seatsTaken() < st.seats() // it keeps its seat while it waits for a retry
	st.runs = append(st.runs, r)
	st.attemptEnded(r, verdict{outcome: task.OutcomeLost, endedIn: "host_died", class: task.ErrorCrash,
		message: "the host ended under the run"}, 0, now)
}

// catchesUp reports whether a slot of an earlier life of the host is still to be run.
func (st *state) catchesUp(slot, now time.Time) bool {
	return st.plan != nil && !st.fixedDelay() && slices.ContainsFunc(st.plan.Due(slot.Add(-1), now, task.MissedDowntime).Run, slot.Equal)
}
