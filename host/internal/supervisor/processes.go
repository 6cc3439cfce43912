package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

// minLead is the least time that a process is launched ahead of its slot.
const minLead = 500 * time.Millisecond

// relaunch spaces the launches of a process that no run waits for.
var relaunch = task.Restart{Backoff: time.Second, MaxBackoff: time.Minute}

// lead is how long before a slot its process is launched.
func (st *state) lead() time.Duration { return max(minLead, 3*st.launchTime) }

// nextUse is when a process is needed next; zero is not foreseen.
func (st *state) nextUse() time.Time {
	var at time.Time
	if st.plan != nil && !st.nextSlot.IsZero() && st.paused() == nil {
		at = st.plan.NotBefore(st.nextSlot)
	}
	for _, r := range st.runs {
		if (r.phase == waitDue || r.phase == waitRetry) && (at.IsZero() || r.due.Before(at)) {
			at = r.due
		}
	}
	return at
}

// spares says how many processes without a run should be up (want) and how many may stay
// up when they are (keep).
func (st *state) spares(now time.Time) (want, keep int) {
	if !st.mayStart() {
		return 0, 0
	}
	if st.def.Mode == task.Continuous {
		if st.restartAt.IsZero() || st.heldByPause() {
			return 0, 0
		}
		return 0, 1
	}
	if st.resident() {
		return 1, 1
	}
	use := st.nextUse()
	if use.IsZero() {
		return 0, 0
	}
	ahead := !use.Add(-st.lead()).After(now)
	if st.perRun() {
		if ahead {
			return 1, 1
		}
		return 0, 0
	}
	if st.seatsTaken() > 0 && !st.wantedByWaiting() {
		return 0, 1 // the one that is at work will do
	}
	near := use.Sub(now) <= st.def.Idle
	if ahead || near && st.frequent(use) {
		return 1, 1
	}
	if near {
		return 0, 1
	}
	return 0, 0
}

func (st *state) wantedByWaiting() bool {
	return slices.ContainsFunc(st.runs, func(r *run) bool { return r.seated && r.phase == waitRetry })
}

// frequent reports whether the task's slots are so near to each other that its process stays up anyway.
func (st *state) frequent(use time.Time) bool {
	if st.plan == nil {
		return false
	}
	if st.fixedDelay() {
		return st.def.Schedule.After <= st.def.Idle
	}
	following := st.plan.Next(st.nextSlot)
	return !following.IsZero() && following.Sub(st.nextSlot) <= st.def.Idle
}

// provision starts and ends processes so that every run that waits for one gets it.
func (st *state) provision(now time.Time) {
	for _, r := range st.runs {
		if r.phase == waitProcess {
			if p := st.idleProcess(); p != nil && st.mayStart() {
				st.begin(r, p, now)
			}
		}
	}
	need, launching, idle := 0, 0, 0
	for _, r := range st.runs {
		if r.phase == waitProcess {
			need++
		}
	}
	for _, p := range st.procs {
		switch {
		case p.tainted && (p.phase == procIdle || p.phase == procLaunching):
			st.endProcess(p, false, now)
		case p.phase == procLaunching:
			launching++
		case p.phase == procIdle:
			idle++
		}
	}
	if need > launching && st.mayStart() {
		if st.launchErr != nil && launching == 0 {
			st.settleLaunchError(now)
			return
		}
		for ; launching < need && st.room(); launching++ {
			st.launch(now)
		}
	}
	st.hurry(need)
	if !st.on || st.failed != nil || st.completed || st.closing != closingNone || st.draining {
		for _, p := range st.procs {
			if p.phase == procIdle || p.phase == procLaunching {
				st.endProcess(p, false, now)
			}
		}
		return
	}
	want, keep := st.spares(now)
	have := idle + launching - need
	if have < want && st.room() && !st.launchAt.After(now) {
		st.launch(now)
	}
	for _, p := range st.procs {
		if p.phase == procIdle && !p.tainted && have > keep {
			st.endProcess(p, false, now)
			have--
		}
	}
}

// hurry tells the engine which launches runs wait for, so that they go before those that happen
// ahead of their time.
func (st *state) hurry(waiting int) {
	for _, p := range st.procs {
		if waiting == 0 {
			return
		}
		if p.phase != procLaunching || p.tainted {
			continue
		}
		waiting--
		if !p.awaited {
			p.awaited = true
			st.do(hurryEffect{p.id})
		}
	}
}

// settleLaunchError counts the launches that failed ahead of need as one attempt of the
// run that needs a process now.
func (st *state) settleLaunchError(now time.Time) {
	err := st.launchErr
	st.launchErr, st.launchAt = nil, time.Time{}
	for _, r := range st.runs {
		if r.phase == waitProcess {
			st.failAttempt(r, err, now)
			break
		}
	}
	st.again = true
}

// room reports whether another process may be launched. A task without a process per run
// has one at a time, and waits until nothing of the old one is left: it may hold what the
// new one needs.
func (st *state) room() bool {
	if st.perRun() {
		return len(st.procs) < 2*st.seats()+1
	}
	return len(st.procs) == 0
}

func (st *state) idleProcess() *process {
	for _, p := range st.procs {
		if p.phase == procIdle && !p.tainted {
			return p
		}
	}
	return nil
}

// apply names the process that a method call goes to: the one at work, else one that is up.
func (e located) apply(st *state, now time.Time) {
	var id task.ProcessID
	for _, p := range st.procs {
		if p.phase == procBusy || p.phase == procIdle && id == 0 {
			id = p.id
		}
	}
	st.do(locateEffect{to: e.to, id: id})
}

func (st *state) launch(now time.Time) {
	st.lastID++
	p := &process{id: st.lastID, launched: now}
	p.info = task.ProcessInfo{State: p.phase.text(), Started: now}
	st.procs = append(st.procs, p)
	st.launchAt, st.launchErr, st.dirty = time.Time{}, nil, true
	st.do(launchEffect{id: p.id, def: st.def})
}

// endProcess ends a process that has no run. It reports whether that is new.
func (st *state) endProcess(p *process, kill bool, now time.Time) bool {
	switch {
	case p.phase == procKilling:
		return false
	case kill:
		st.killProcess(p, now)
		return true
	case p.phase == procClosing:
		return false
	}
	p.phase, p.tainted = procClosing, true
	p.info.State = p.phase.text()
	if !st.def.Debug {
		p.deadline = now.Add(closeBound)
	}
	st.dirty = true
	st.do(closeEffect{p.id})
	return true
}

func (st *state) killProcess(p *process, now time.Time) {
	p.phase, p.tainted = procKilling, true
	p.info.State = p.phase.text()
	p.deadline = time.Time{}
	if p.run == nil {
		p.deadline = now.Add(task.KillBound)
	}
	st.dirty = true
	st.do(killEffect{p.id})
}

// processOverdue kills, or kills again, a process that should have ended.
func (st *state) processOverdue(p *process, now time.Time) {
	if p.run == nil && !p.deadline.IsZero() && !p.deadline.After(now) {
		st.killProcess(p, now)
	}
}

// eachProcessDeadline calls by with the times from which provision wants one process more
// than now.
func (st *state) eachProcessDeadline(by func(time.Time), now time.Time) {
	if !st.mayStart() || !st.room() || st.def.Mode == task.Continuous {
		return
	}
	ahead := func(t time.Time) {
		if t.After(now) {
			by(latest(t, st.launchAt))
		}
	}
	by(ifAhead(st.launchAt, now))
	if use := st.nextUse(); !use.IsZero() {
		ahead(use.Add(-st.lead()))
		ahead(use.Add(-st.def.Idle))
	}
}

// ifAhead is t when it lies ahead of now, else never.
func ifAhead(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}

func (e reported) apply(st *state, now time.Time) {
	p := st.process(e.report.Process())
	if p == nil {
		if x, ok := e.report.(task.Extension); ok {
			st.do(grantEffect{id: x.ID, request: x.Request})
		}
		return
	}
	switch r := e.report.(type) {
	case task.ProcessReady:
		st.processReady(p, r, now)
	case task.ProcessFailed:
		st.processFailed(p, r, now)
	case task.ProcessGone:
		st.processGone(p, r, now)
	case task.ProcessMoving:
		st.leaveProcess(p, r, now)
	case task.RunEntered:
		st.enteredRun(p, r, now)
	case task.RunReturned:
		st.returnedRun(p, r, now)
	case task.BecameReady:
		st.becameReady(p, r, now)
	case task.Alive:
		st.signOfLife(p, r, now)
	case task.Extension:
		st.extend(p, r, now)
	}
}

func (st *state) processReady(p *process, e task.ProcessReady, now time.Time) {
	if took := now.Sub(p.launched); took > 0 {
		if st.launchTime == 0 {
			st.launchTime = took
		}
		st.launchTime += (took - st.launchTime) / 4
	}
	p.info.PID, p.info.Version, p.info.Digest, p.info.Limits = e.Info.PID, e.Info.Version, e.Info.Digest, e.Info.Limits
	if !e.Info.Started.IsZero() {
		p.info.Started = e.Info.Started
	}
	st.dirty = true
	if p.phase != procLaunching {
		return // it is being ended already
	}
	p.phase = procIdle
	p.info.State = p.phase.text()
	if !st.expectsReady() {
		st.setReady(true)
	}
}

// processFailed: a launch has come to nothing.
func (st *state) processFailed(p *process, e task.ProcessFailed, now time.Time) {
	ours := p.phase != procLaunching
	st.removeProcess(p)
	if r := p.run; r != nil {
		// Not what the contract says, but no reason to leave the run without an end.
		st.attemptEnded(r, judgeGone(r.why, r.stage(), task.ExitCause{Code: -1}), 0, now)
		return
	}
	var launch *task.LaunchError
	if ours || errors.As(e.Err, &launch) && launch.Kind == task.LaunchStopped {
		return
	}
	if code := hopeless(e.Err); code != "" {
		st.fail(code, e.Err, now)
		return
	}
	st.launchFails++
	launching := 0
	for _, other := range st.procs {
		if other.phase == procLaunching {
			launching++
		}
	}
	for _, r := range st.runs {
		if r.phase != waitProcess {
			continue
		}
		if launching == 0 {
			st.failAttempt(r, e.Err, now)
			return
		}
		launching--
	}
	st.launchErr = e.Err
	st.relaunchLater(now)
}

// relaunchLater spaces launches that no run waits for.
func (st *state) relaunchLater(now time.Time) {
	next := backoff.Next(relaunch, backoff.History{Streak: st.launchFails}, now, st.chance())
	st.launchAt, st.dirty = now.Add(next.After), true
}

// processGone: a process has ended, with or without a run.
func (st *state) processGone(p *process, e task.ProcessGone, now time.Time) {
	r := p.run
	expected := p.phase == procClosing || p.phase == procKilling || e.Exit.Neighbour != ""
	st.removeProcess(p)
	if len(e.Exit.Survivors) > 0 {
		st.tell("task", "survivors", "", "processes of its tree outlived the kill", now)
	}
	if r == nil {
		if !expected {
			st.launchFails++
			st.relaunchLater(now)
			st.tell("task", "process", "", "a process without a run ended: "+e.Exit.Text(), now)
		}
		return
	}
	r.keptSaved = r.keptSaved || e.SavedValues
	st.attemptEnded(r, judgeGone(r.why, r.stage(), e.Exit), 0, now)
}

func (st *state) removeProcess(p *process) {
	st.procs = slices.DeleteFunc(st.procs, func(other *process) bool { return other == p })
	if len(st.procs) == 0 {
		st.setReady(false)
	}
	st.again, st.dirty = true, true
}
