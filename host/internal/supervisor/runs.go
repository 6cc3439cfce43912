package supervisor

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// maxQueued bounds the runs of one task that wait.
	maxQueued = 1000
	// maxAttempts and maxMoments bound what one run remembers; the oldest go first.
	maxAttempts = 100
	maxMoments  = 100
)

// newRun makes a run; it is not one of the task's until it is accepted.
func (st *state) newRun(trigger task.Trigger, now time.Time) *run {
	r := &run{Run: task.Run{
		ID:         st.newID(now),
		Task:       st.def.Name,
		Trigger:    trigger,
		State:      task.RunQueued,
		Queued:     now,
		Generation: st.gen,
		Plugin:     st.def.Plugin,
	}}
	r.Timeline = make([]task.Moment, 0, 3) // queued, running, ended
	r.moment("queued", "", now)
	return r
}

// accept makes r one of the task's live runs. A run that somebody knows of is written
// down at once; one of a slot when it begins, because a newer slot may take its place.
func (st *state) accept(r *run, now time.Time) {
	if !slices.Contains(st.runs, r) {
		st.runs = append(st.runs, r)
	}
	if r.Trigger == task.TriggerSlot {
		st.record = nil
	} else if !r.saved {
		st.tell("run", "queued", r.ID, string(r.Trigger), now)
		st.save(r)
	}
	st.refreshNextSlot()
	st.again, st.dirty = true, true
}

// forget takes a run that was never written down from the live ones.
func (st *state) forget(r *run) {
	st.runs = slices.DeleteFunc(st.runs, func(other *run) bool { return other == r })
	st.leaveGroups(r)
	st.dirty = true
}

// advance moves every waiting run as far as it can go.
func (st *state) advance(now time.Time) {
	for _, r := range slices.Clone(st.waitingRuns()) {
		st.advanceRun(r, now)
	}
}

// waitingRuns returns the runs that advance may move. It allocates only when there are any.
func (st *state) waitingRuns() []*run {
	for _, r := range st.runs {
		if r.phase < waitProcess {
			return st.runs
		}
	}
	return nil
}

func (st *state) advanceRun(r *run, now time.Time) {
	if r.phase == waitDue && !r.due.After(now) {
		st.admit(r, now)
	}
	if r.phase == waitStart && st.mayStart() && !st.heldByPause() {
		r.phase, st.dirty = waitSeat, true
	}
	if r.phase == waitRetry && !r.seated && !r.due.After(now) {
		r.phase = waitSeat
	}
	if r.phase == waitSeat && st.maySeat(r) {
		r.seated, st.dirty = true, true
		if r.Trigger == task.TriggerSlot && len(r.Attempts) == 0 {
			st.alarms.overlap.wellOnce(st.def.Alarm.Overlap)
		}
		st.enterGroups(r)
	}
	if r.phase == waitRetry && !r.due.After(now) && st.mayStart() {
		st.enterGroups(r)
	}
	st.explainWait(r, now)
}

func (st *state) maySeat(r *run) bool {
	if !st.mayStart() || st.seatsTaken() >= st.seats() {
		return false
	}
	if r.batch == "" {
		return true
	}
	n := 0
	for _, other := range st.runs {
		if other.seated && other.batch == r.batch {
			n++
		}
	}
	return n < r.batchMax
}

// enterGroups queues a seated run in its groups, or lets it pass when it has none.
func (st *state) enterGroups(r *run) {
	st.dirty = true
	if len(st.def.Groups) == 0 || st.def.Consume != nil { // a consumer counts by delivery
		r.phase = waitProcess
		return
	}
	st.lastID++
	r.ticket = uint64(st.lastID)
	r.phase = waitGroup
	st.do(acquireEffect{ticket: r.ticket, run: r.ID, groups: st.def.Groups})
}

func (st *state) leaveGroups(r *run) {
	if r.ticket != 0 {
		st.do(releaseEffect{ticket: r.ticket})
		r.ticket = 0
	}
}

func (e granted) apply(st *state, now time.Time) {
	for _, r := range st.runs {
		if r.ticket == e.ticket && r.phase == waitGroup {
			r.phase, st.dirty = waitProcess, true
			r.moment("admitted", "by "+strings.Join(st.def.Groups, ", "), now)
			return
		}
	}
	// The run went away while the grant was under way: leaveGroups has given it back.
}

// begin hands the next attempt of r to a process.
func (st *state) begin(r *run, p *process, now time.Time) {
	r.phase, r.proc, r.began = live, p, now
	r.entered, r.silent, r.stuck, r.sign, r.excused, r.ownTimeout = false, false, false, now, 0, false
	r.State, r.Waiting, r.Outcome, r.EndedIn, r.Error, r.Progress, r.Result = task.RunStarting, nil, "", "", nil, nil, nil
	r.why, r.Stop = whyNone, nil
	p.phase, p.run = procBusy, r
	p.info.Run, p.info.State = r.ID, p.phase.text()
	number := r.addAttempt(p.info.PID, now)
	r.Version, r.Digest, r.Plugin = p.info.Version, p.info.Digest, st.def.Plugin
	r.Deadline = time.Time{}
	if st.def.Timeout > 0 && st.def.Consume == nil { // a consumer's is that of one message
		r.Deadline = now.Add(st.def.Timeout)
	}
	p.start = task.RunStart{
		Run:          r.ID,
		Attempt:      number,
		Trigger:      r.Trigger,
		Slot:         r.Slot,
		PreviousSlot: r.PreviousSlot,
		LastSuccess:  st.lastSuccessSlot,
		Deadline:     r.Deadline,
		Input:        r.Input,
		Actor:        r.Actor,
		TraceParent:  r.TraceParent,
	}
	if !st.expectsReady() {
		st.setReady(true) // also in the process of a run before
	}
	if st.claims(r) {
		st.save(r) // first: see loop.claim
	}
	st.do(startRunEffect{p})
	st.save(r)
	st.dirty = true
}

// addAttempt begins one more attempt and returns its number.
func (r *run) addAttempt(pid int, now time.Time) int {
	number := 1
	if n := len(r.Attempts); n > 0 {
		number = r.Attempts[n-1].Number + 1
	}
	if len(r.Attempts) >= maxAttempts {
		r.Attempts = slices.Clone(r.Attempts[1:])
	}
	r.Attempts = append(r.Attempts, task.Attempt{Number: number, PID: pid, Started: now})
	return number
}

// entered: author code has begun.
func (st *state) enteredRun(p *process, e task.RunEntered, now time.Time) {
	r := p.run
	if r == nil || r.ID != e.Run || r.entered {
		return
	}
	r.entered, r.sign = true, now
	at := said(e.At, now)
	if r.Started.IsZero() {
		r.Started = at
	}
	st.slotBegan(r, at)
	if r.State == task.RunStarting {
		r.State = task.RunRunning
	}
	st.launchFails = 0
	r.moment("running", "", at)
	st.tell("run", "started", r.ID, "", now)
	st.save(r)
	st.dirty = true
}

// said is a time that the plugin gives for what is reported only now; zero is not given.
func said(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		return now
	}
	return at
}

// returnedRun: author code has returned.
func (st *state) returnedRun(p *process, e task.RunReturned, now time.Time) {
	r := p.run
	if r == nil || r.ID != e.Result.Run {
		return
	}
	r.keptSaved = r.keptSaved || e.SavedValues
	v := judgeReturn(st.def.Mode, r.why, r.stage(), e.Result)
	r.Result = e.Result.Result // also that of work which was cut, or of a check that found something wrong
	p.run, p.info.Run = nil, ""
	if p.phase == procBusy {
		p.phase = procIdle
		p.info.State = p.phase.text()
	}
	p.tainted = p.tainted || st.perRun() || v.class == task.ErrorPanic || st.def.Mode == task.Continuous && v.outcome.Failure()
	v.at = said(e.At, now)
	st.attemptEnded(r, v, e.Result.RetryAfter, now)
}

// attemptEnded follows an attempt with a retry, with a wait for the next start, or with the run's end.
func (st *state) attemptEnded(r *run, v verdict, asked time.Duration, now time.Time) {
	r.proc, r.Deadline = nil, time.Time{}
	st.leaveGroups(r)
	if n := len(r.Attempts); n > 0 {
		r.Attempts = slices.Clone(r.Attempts)
		a := &r.Attempts[n-1]
		a.Ended, a.Outcome, a.Error, a.Exit = said(v.at, now), v.outcome, v.err(), v.exit
	}
	if r.Stop != nil {
		done := *r.Stop
		done.Took, done.Deadline, done.KillAt = now.Sub(done.Began), time.Time{}, time.Time{}
		if v.exit != nil {
			done.Survivors = v.exit.Survivors
		}
		r.Stop = &done
	}
	r.Error, r.EndedIn, r.Outcome = v.err(), v.endedIn, v.outcome
	if v.note != "" {
		r.Note = v.note
	}
	switch {
	case v.outcome == task.OutcomeInterrupted && st.resumes(r):
		st.waitForStart(r, now)
	case v.outcome.Failure() && st.retries(r, v, asked, now):
	default:
		st.endRunAt(r, said(v.at, now), now)
	}
}

// resumes reports whether an interrupted run goes on at the next start.
func (st *state) resumes(r *run) bool {
	switch {
	case st.closing == closingRemove && st.heir == "":
		return false
	case st.def.OnInterrupt == task.InterruptResume:
		return true
	case st.def.OnInterrupt == task.InterruptDrop:
		return false
	}
	return r.keptSaved
}

// waitForStart keeps the run for the next start of the task or the host.
func (st *state) waitForStart(r *run, now time.Time) {
	r.phase, r.seated, r.State = waitStart, false, task.RunQueued
	r.why, r.policy = whyNone, task.OverlapQueue
	r.moment("interrupted", "goes on at the next start", now)
	st.tell("run", "interrupted", r.ID, "goes on at the next start", now)
	st.save(r)
	st.explainWait(r, now)
	st.again = true
}

// retries lets the run wait for another attempt when its policy says so.
func (st *state) retries(r *run, v verdict, asked time.Duration, now time.Time) bool {
	if st.def.Mode == task.Continuous || r.why == whyStop || r.why == whyCancel {
		return false
	}
	after, ok := backoff.Retry(st.def.Retry, r.failedAttempts(), v.class, asked, st.chance())
	if !ok {
		return false
	}
	at := now.Add(after)
	if next := st.slotAfter(r); !next.IsZero() && !at.Before(next) {
		r.Note = "no retry: it would begin after the next slot"
		r.moment("retry dropped", r.Note, now)
		return false
	}
	if !st.on || st.closing == closingRemove || st.draining || st.failed != nil {
		r.Note = "no retry: the task was stopped"
		return false
	}
	r.phase, r.due, r.State, r.why, r.Stop = waitRetry, at, task.RunQueued, whyNone, nil
	r.moment("retry", v.message, now)
	st.tell("run", "retry", r.ID, v.message, now)
	st.save(r)
	st.explainWait(r, now)
	st.again, st.dirty = true, true
	return true
}

// slotAfter returns the slot that follows r's; zero when r is not of a schedule's slot.
func (st *state) slotAfter(r *run) time.Time {
	if r.Trigger != task.TriggerSlot || st.plan == nil || st.fixedDelay() {
		return time.Time{}
	}
	return st.plan.Next(r.Slot)
}

// failedAttempts counts the tries so far; those that were interrupted are none, as far as the run remembers them.
func (r *run) failedAttempts() int {
	n := 0
	if len(r.Attempts) > 0 {
		n = r.Attempts[0].Number - 1
	}
	for _, a := range r.Attempts {
		if a.Outcome != task.OutcomeInterrupted {
			n++
		}
	}
	return max(n, 1)
}

// endRun is the end of a run, whose Outcome, EndedIn and Error are set.
func (st *state) endRun(r *run, now time.Time) { st.endRunAt(r, now, now) }

// endRunAt is endRun for a run whose author code returned a moment ago.
func (st *state) endRunAt(r *run, at, now time.Time) {
	r.State, r.Ended, r.Waiting, r.Deadline = task.RunEnded, at, nil, time.Time{}
	r.moment("ended", string(r.Outcome), at)
	st.leaveGroups(r)
	st.runs = slices.DeleteFunc(st.runs, func(other *run) bool { return other == r })
	st.save(r)
	if st.reply != nil && slices.Contains(st.reply.runs, r) {
		st.reply.runs = slices.DeleteFunc(st.reply.runs, func(other *run) bool { return other == r })
		st.reply.ended = append(st.reply.ended, r.snapshot())
	}
	st.tell("run", "ended", r.ID, string(r.Outcome), now)
	st.account(r, now)
	if st.def.Mode == task.Continuous {
		st.afterLife(r, now)
	}
	st.refreshNextSlot()
	st.do(endedEffect{r})
	st.again, st.dirty = true, true
}

// account keeps what the task remembers of its ended runs.
func (st *state) account(r *run, now time.Time) {
	if len(r.Attempts) == 0 && (r.Outcome == task.OutcomeCancelled || r.Outcome == task.OutcomeInterrupted) {
		if st.fixedDelay() {
			st.lastEnd = now // else the delay would be over at once
		}
		return // it never was at work
	}
	st.lastEnd = latest(st.lastEnd, now)
	summary := &task.RunSummary{ID: r.ID, Outcome: r.Outcome, Ended: now, Note: r.Note}
	if !r.Started.IsZero() {
		summary.Took = now.Sub(r.Started)
	}
	if r.Error != nil {
		summary.Error = r.Error.Message
	}
	st.last = summary
	st.runCounted(r.Outcome)
	switch {
	case r.Outcome == task.OutcomeSucceeded:
		st.failures = 0
		st.lastSuccess = now
		st.lastSuccessSlot = latest(st.lastSuccessSlot, r.Slot)
		st.facts.Succeeded = true
	case r.Outcome.Failure():
		st.failures++
	}
	if st.def.Mode != task.Continuous {
		st.facts.Completed = true
	}
}

// endQueued ends a run that is in no process.
func (st *state) endQueued(r *run, outcome task.Outcome, actor, note string, now time.Time) {
	r.Outcome, r.EndedIn = outcome, "queue"
	if note != "" {
		r.Note = note
	}
	if actor != "" && r.Stop == nil {
		r.Stop = &task.StopInfo{From: task.StageCancel, Stage: task.StageCancel, Began: now, Actor: actor, Reason: note}
	}
	st.endRun(r, now)
}

// live returns the runs that are in a process.
func (st *state) live() []*run {
	var runs []*run
	for _, r := range st.runs {
		if r.phase == live {
			runs = append(runs, r)
		}
	}
	return runs
}

// claims reports whether the run must be durable before its first attempt begins: a host that dies right then would
// have its successor catch the slot up, or take the same request again for a new one, and so run it twice. Slots that are
// never caught up wait for nothing.
func (st *state) claims(r *run) bool {
	caughtUp := r.Trigger == task.TriggerSlot && st.def.Schedule.CatchUp.Policy != task.CatchUpNone
	return (caughtUp || r.Key != "") && len(r.Attempts) <= 1
}

// save saves the run once for each decision, however often that asks for it.
func (st *state) save(r *run) {
	r.saved = true
	if r.Trigger == task.TriggerSlot {
		st.settleBefore(r.Slot)
	}
	if !r.saving {
		r.saving = true
		st.do(saveRunEffect{r})
	}
}

// snapshot is the run as it is, for others to keep. What it points to is replaced and
// never changed; its lists only grow.
func (r *run) snapshot() task.Run {
	s := r.Run
	s.Attempts = slices.Clip(r.Attempts)
	s.Timeline = slices.Clip(r.Timeline)
	return s
}

func (r *run) moment(what, note string, now time.Time) {
	if len(r.Timeline) >= maxMoments {
		r.Timeline = slices.Clone(r.Timeline[1:])
	}
	r.Timeline = append(r.Timeline, task.Moment{At: now, What: what, Note: note})
}

func (r *run) stage() task.Stage {
	if r.Stop == nil {
		return task.StageNone
	}
	return r.Stop.Stage
}

func (r *run) waitingOn() string {
	if r.Waiting == nil {
		return ""
	}
	return r.Waiting.On
}

// explainWait keeps Waiting true to the phase.
func (st *state) explainWait(r *run, now time.Time) {
	var w task.Waiting
	switch r.phase {
	case live:
		return
	case waitDue:
		w = task.Waiting{For: "slot", Until: r.due}
	case waitStart:
		w = task.Waiting{For: "start"}
	case waitRetry:
		w = task.Waiting{For: "retry", Until: r.due}
	case waitGroup:
		w = task.Waiting{For: "group", On: strings.Join(st.def.Groups, ", ")}
	case waitProcess:
		w = task.Waiting{For: "process"}
	case waitSeat:
		w = task.Waiting{For: "overlap"}
		if !st.open && len(st.unmet) > 0 {
			w = task.Waiting{For: "dependency", On: st.unmet[0]}
		} else if blocking := st.blocking(r); blocking != nil {
			w.On = blocking.ID
		}
	}
	if r.Waiting != nil && r.Waiting.For == w.For && r.Waiting.On == w.On && r.Waiting.Until.Equal(w.Until) {
		return
	}
	w.Since = now
	waiting := w
	r.Waiting, st.dirty = &waiting, true
	if r.saved { // who reads the run by its id sees it too
		st.save(r)
	}
}

// followed: a run that after_run names has ended; one run for each, in order.
func (e followed) apply(st *state, now time.Time) {
	if !st.on || st.closing == closingRemove {
		return
	}
	st.elapse(now)
	slot := e.slot()
	if reason, by := st.slotBar(true); reason != "" {
		st.noteSlots(reason, slot, slot, 1, by, now)
		return
	}
	if len(st.runs) >= maxQueued {
		st.noteSlots(task.MissedOverload, slot, slot, 1, st.runs[0].ID, now)
		return
	}
	r := st.newRun(task.TriggerAfterRun, now)
	r.TraceParent = e.source.TraceParent
	r.Source, r.Slot, r.Input = e.source.ID, e.source.Slot, json.RawMessage(e.source.Result)
	r.phase, r.policy = waitSeat, task.OverlapQueue
	st.accept(r, now)
}

// slot stands in the record of a run that does not follow: that of the run before, or its end.
func (e followed) slot() time.Time {
	if e.source.Slot.IsZero() {
		return e.source.Ended
	}
	return e.source.Slot
}
