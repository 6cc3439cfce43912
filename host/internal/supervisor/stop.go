package supervisor

import (
	"reflect"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// closeBound is how long a process without a run may take to close what it holds open.
	closeBound = 5 * time.Second
	// drainBound is how long a drain may become by extensions of a task without a max_timeout.
	drainBound = time.Hour
	// hostActor stands for the host where a person's name would stand.
	hostActor = "host"
)

// stop is one request to take runs down the ladder.
type stop struct {
	stage   task.Stage
	why     why
	actor   string
	reason  string
	timeout time.Duration // of the stage it begins in; 0 is the ladder's own
}

// stopRun takes a run down the ladder, from s.stage or further down it. It reports
// whether that changed anything: a call never moves a run up.
func (st *state) stopRun(r *run, s stop, now time.Time) bool {
	if r.phase != live {
		return false
	}
	stronger := s.why > r.why && (s.why == whyCancel || r.why == whyNone)
	if stronger {
		r.why = s.why
	}
	if r.Stop == nil {
		r.Stop = &task.StopInfo{From: s.stage, Began: now, Actor: s.actor, Reason: s.reason}
		r.State = task.RunStopping
		st.enterStage(r, s.stage, s, now)
		return true
	}
	if s.stage.Rank() > r.Stop.Stage.Rank() {
		escalated := *r.Stop
		escalated.EscalatedBy = s.actor
		r.Stop = &escalated
		st.enterStage(r, s.stage, s, now)
		return true
	}
	if s.stage == r.Stop.Stage && s.timeout > 0 && s.stage != task.StageKill {
		return st.shortenStage(r, now.Add(s.timeout)) || stronger
	}
	return stronger
}

// enterStage begins a stage of the ladder. A stage without time is passed over.
func (st *state) enterStage(r *run, stage task.Stage, s stop, now time.Time) {
	ladder := st.ladder(now)
	if s.timeout > 0 {
		switch stage {
		case task.StageDrain:
			ladder.Drain = min(ladder.Drain, s.timeout)
		case task.StageCancel:
			ladder.Cancel = min(ladder.Cancel, s.timeout)
		}
	}
	escalatedByTime := r.Stop.Stage != task.StageNone && s.actor == ""
	if stage == task.StageDrain && ladder.Drain <= 0 {
		stage = task.StageCancel
	}
	if stage == task.StageCancel && ladder.Cancel <= 0 {
		stage = task.StageKill
	}
	info := *r.Stop
	info.Stage = stage
	switch stage {
	case task.StageDrain:
		info.Deadline = now.Add(ladder.Drain)
		info.KillAt = info.Deadline.Add(ladder.Cancel)
		st.do(drainEffect{id: r.proc.id, run: r.ID, deadline: ladder.Drain, reason: s.reason})
	case task.StageCancel:
		info.Deadline = now.Add(ladder.Cancel)
		info.KillAt = info.Deadline
		st.do(cancelEffect{id: r.proc.id, run: r.ID, cause: r.cause(escalatedByTime), deadline: ladder.Cancel})
	default:
		info.Deadline = now.Add(task.KillBound)
		info.KillAt = now
		st.killProcess(r.proc, now)
	}
	r.Stop = &info
	r.moment(string(stage), s.reason, now)
	st.tell("run", "stage", r.ID, string(stage), now)
	st.save(r)
	st.dirty = true
}

// ladder is the task's, shortened by what is left until the host's own end.
func (st *state) ladder(now time.Time) task.Ladder {
	ladder := st.def.Stop
	if st.shutdownBy.IsZero() {
		return ladder
	}
	left := max(0, st.shutdownBy.Sub(now)-task.KillBound)
	ladder.Cancel = min(ladder.Cancel, left)
	ladder.Drain = min(ladder.Drain, left-ladder.Cancel)
	return ladder
}

// shortenStage brings the deadline of the run's stage forward.
func (st *state) shortenStage(r *run, deadline time.Time) bool {
	if !deadline.Before(r.Stop.Deadline) {
		return false
	}
	info := *r.Stop
	info.KillAt = info.KillAt.Add(deadline.Sub(info.Deadline))
	info.Deadline = deadline
	r.Stop, st.dirty = &info, true
	st.save(r)
	return true
}

// leaveTime ends the stage of a stop that began before the host's own end early enough for the stages that follow.
func (st *state) leaveTime(r *run, now time.Time) {
	end := st.shutdownBy.Add(-task.KillBound)
	switch r.Stop.Stage {
	case task.StageDrain:
		st.shortenStage(r, end.Add(-st.ladder(now).Cancel))
	case task.StageCancel:
		st.shortenStage(r, end)
	}
}

// stopOverdue moves a run on whose stage has used up its time.
func (st *state) stopOverdue(r *run, now time.Time) {
	if r.phase != live || r.Stop == nil || r.Stop.Deadline.After(now) {
		return
	}
	switch r.Stop.Stage {
	case task.StageDrain:
		st.enterStage(r, task.StageCancel, stop{reason: "drain took too long"}, now)
	case task.StageCancel:
		st.enterStage(r, task.StageKill, stop{reason: "cancel took too long"}, now)
	default:
		// The kill is repeated for as long as the engine has not seen the end.
		info := *r.Stop
		info.Deadline = now.Add(task.KillBound)
		r.Stop, st.dirty = &info, true
		st.do(killEffect{r.proc.id})
	}
}

// cause tells author code why its context ends.
func (r *run) cause(byTime bool) task.CancelCause {
	switch {
	case r.why == whyTimeout || r.why == whyWatchdog || r.why == whyReady:
		return task.CauseTimeout
	case byTime:
		return task.CauseStopTimeout
	}
	return task.CauseCancelled
}

// stopAll takes every live run down the ladder and ends the processes; what only waits is
// settled by dropWaiting. It reports whether anything moved and returns the runs concerned.
func (st *state) stopAll(s stop, now time.Time) (changed bool, runs []*run) {
	runs = st.live()
	for _, r := range runs {
		changed = st.stopRun(r, s, now) || changed
	}
	for _, p := range st.procs {
		if p.run == nil {
			changed = st.endProcess(p, s.stage == task.StageKill, now) || changed
		}
	}
	return changed, runs
}

// endWaiting ends the runs that are in no process, because their task is stopped or gone.
func (st *state) endWaiting(actor, reason string, now time.Time) (runs []*run) {
	for _, r := range append([]*run(nil), st.runs...) {
		if r.phase == live || r.phase == waitStart {
			continue
		}
		runs = append(runs, r)
		if len(r.Attempts) > 0 && st.resumes(r) && st.closing != closingRemove {
			st.leaveGroups(r)
			st.waitForStart(r, now)
			continue
		}
		if r.phase == waitRetry || len(r.Attempts) > 0 {
			r.Note = "no retry: the task was stopped"
			st.restoreOutcome(r)
			st.endRun(r, now)
			continue
		}
		st.endQueued(r, task.OutcomeCancelled, actor, reason, now)
	}
	return runs
}

// restoreOutcome gives a run that waited for another attempt the outcome of its last one.
func (st *state) restoreOutcome(r *run) {
	last := r.Attempts[len(r.Attempts)-1]
	r.Outcome, r.Error = last.Outcome, last.Error
	if r.EndedIn == "" {
		r.EndedIn = "return"
	}
}

// keepWaiting parks the runs that are in no process until the task begins its next life; why says what for.
func (st *state) keepWaiting(why string, now time.Time) {
	for _, r := range append([]*run(nil), st.runs...) {
		switch {
		case r.phase == live || r.phase == waitStart:
		case !r.saved:
			st.forget(r)
			st.noteSlots(task.SkippedShutdown, r.Slot, r.Slot, 1, "", now)
		case r.onlySlot():
			st.endQueued(r, task.OutcomeInterrupted, "", why+" before it began", now)
		default:
			st.leaveGroups(r)
			r.phase, r.seated, r.why = waitStart, false, whyNone
			st.save(r)
			st.explainWait(r, now)
		}
	}
}

// extend answers author code that asks for more time.
func (st *state) extend(p *process, e task.Extension, now time.Time) {
	r := p.run
	ok := r != nil && r.ID == e.Run && st.extendRun(r, e.By, now)
	st.do(grantEffect{id: p.id, request: e.Request, granted: ok})
}

// extendRun moves the deadline that is next for the run, the drain's or else the attempt's and that of becoming ready, by
// that much.
// A wish that goes beyond a bound is refused as a whole.
func (st *state) extendRun(r *run, by time.Duration, now time.Time) bool {
	r.sign, r.silent = now, false
	bound := func(from, until time.Time) bool { return st.def.MaxTimeout > 0 && until.Sub(from) > st.def.MaxTimeout }
	switch r.stage() {
	case task.StageNone:
		ready := st.readyBy(r)
		if by <= 0 || r.Deadline.IsZero() && ready.IsZero() {
			return true
		}
		if bound(r.began, r.Deadline.Add(by)) || bound(r.began, ready.Add(by)) { // never of one that is not set
			return false
		}
		if !r.Deadline.IsZero() {
			r.Deadline = r.Deadline.Add(by)
		}
		if !ready.IsZero() {
			r.excused += by // what begins slowly says so by this
		}
	case task.StageDrain:
		if by <= 0 {
			return true
		}
		cancel, until := st.ladder(now).Cancel, r.Stop.Deadline.Add(by)
		if until.After(st.drainBy(r)) || !st.shutdownBy.IsZero() && until.Add(cancel+task.KillBound).After(st.shutdownBy) {
			return false
		}
		info := *r.Stop
		info.Deadline, info.KillAt = until, until.Add(cancel)
		r.Stop = &info
	default:
		return false
	}
	r.moment("extended", "", now)
	st.save(r)
	st.dirty = true
	return true
}

// drainBy is the end of a drain that no wish for more time goes beyond: the end that max_timeout sets to the attempt, or, with
// none, an hour after the stop began. A command that asks again and again does not know that it drains.
func (st *state) drainBy(r *run) time.Time {
	if st.def.MaxTimeout > 0 {
		return r.began.Add(st.def.MaxTimeout)
	}
	return r.Stop.Began.Add(drainBound)
}

func (e escalated) apply(st *state, now time.Time) {
	if st.closing != closingShutdown && st.closing != closingRemove {
		return
	}
	st.stopAll(stop{stage: e.mode.Stage(), why: whyStop, actor: hostActor, reason: "the host was told to hurry"}, now)
}

func (e shutdown) apply(st *state, now time.Time) {
	if st.closing != closingRemove {
		st.closing = closingShutdown
	}
	st.shutdownBy = e.by
	st.draining = true
	st.stopAll(stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: "the host shuts down"}, now)
	for _, r := range st.live() {
		st.leaveTime(r, now)
	}
	if st.closing == closingShutdown {
		st.keepWaiting("the host ended", now)
	}
	st.dirty = true
}

func (e held) apply(st *state, now time.Time) { st.draining, st.dirty = true, true }

func (e drained) apply(st *state, now time.Time) {
	if st.closing == closingShutdown || st.draining == e.on {
		return
	}
	st.draining, st.dirty = e.on, true
	if e.on && st.def.Mode == task.Continuous {
		st.stopAll(stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: "the host drains"}, now)
	}
}

func (e retired) apply(st *state, now time.Time) {
	if st.closing == closingShutdown {
		return
	}
	st.elapse(now)
	st.closing, st.next, st.heir = closingRemove, nil, e.to
	reason := "the task is no longer declared"
	if e.to != "" {
		reason = "the task goes on as " + e.to
	}
	st.stopAll(stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: reason}, now)
	st.refreshNextSlot()
	st.dirty = true
	if e.to != "" {
		st.keepWaiting("the task got another name", now) // its runs go on under the other name
		return
	}
	for _, r := range append([]*run(nil), st.runs...) {
		if r.phase == waitStart {
			r.Outcome = task.OutcomeInterrupted
			st.endRun(r, now)
		}
	}
	st.endWaiting(hostActor, reason, now)
}

func (e defined) apply(st *state, now time.Time) {
	if st.closing == closingShutdown {
		return
	}
	st.elapse(now)
	next := e.definition
	if st.closing == closingNone && Compare(st.def, next.def) != Restarted {
		st.adopt(next, now)
		return
	}
	st.next, st.heir = &next, ""
	st.closing = closingRestart
	st.stopAll(stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: "its declaration changed"}, now)
	st.refreshNextSlot() // one that was not declared for a while has slots again
	st.dirty = true
}

// finishClosing goes on, or ends the task, once nothing of it is left in a process.
func (st *state) finishClosing(now time.Time) {
	if st.closing == closingNone || st.closed || len(st.procs) > 0 || len(st.live()) > 0 {
		return
	}
	if st.closing != closingRestart {
		st.closed = true
		return
	}
	st.closing = closingNone
	st.completed, st.failed, st.restartAt, st.launchFails = false, nil, time.Time{}, 0 // however the run before ended
	st.launchErr, st.launchAt = nil, time.Time{}
	if st.next != nil {
		next := *st.next
		st.next = nil
		st.adopt(next, now)
	}
	st.refreshNextSlot()
	st.again, st.dirty = true, true
}

// adopt makes a new definition the task's own. Its slots count from now: a changed
// schedule catches nothing up.
func (st *state) adopt(next definition, now time.Time) {
	old := st.def
	st.def, st.gen, st.plan = next.def, next.gen, next.plan
	st.fitAlarms()
	st.rearm(old, now)
	st.outdate(old)
	if !reflect.DeepEqual(old.Schedule, next.def.Schedule) || old.Mode != next.def.Mode {
		st.lastSlot = latest(st.lastSlot, now)
		st.startedAt = now
	}
	was := st.on
	st.on = st.wished()
	if st.on && !was {
		st.turnOn(now)
	}
	if !st.on {
		st.turnOff(stop{stage: task.StageDrain, why: whyStop, actor: hostActor, reason: "disabled in its declaration"}, now)
	}
	st.refreshNextSlot()
	st.dirty = true
}

// rearm gives live attempts the timeout of a new definition, counted from their begin. Time that an attempt was
// granted on top stays granted; one that was given a timeout of its own keeps that.
func (st *state) rearm(old *task.Definition, now time.Time) {
	if old.Timeout == st.def.Timeout || st.def.Consume != nil {
		return
	}
	for _, r := range st.live() {
		switch {
		case r.Stop != nil || r.ownTimeout:
			continue
		case st.def.Timeout == 0:
			r.Deadline = time.Time{}
		case r.Deadline.IsZero():
			r.Deadline = r.began.Add(st.def.Timeout)
		default:
			r.Deadline = r.Deadline.Add(st.def.Timeout - old.Timeout)
		}
		r.moment("timeout changed", "by the configuration", now)
		st.save(r)
	}
}

// outdate lets no run begin in a process of an earlier binary; the run that one is at finishes there.
func (st *state) outdate(old *task.Definition) {
	if old.Config.Digest == st.def.Config.Digest {
		return
	}
	for _, p := range st.procs {
		p.tainted = true
	}
	st.failed, st.launchErr, st.launchAt, st.launchFails = nil, nil, time.Time{}, 0
}
