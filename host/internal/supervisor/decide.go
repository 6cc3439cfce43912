package supervisor

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// event is one thing that happened to a task. apply makes the change that the event
// itself brings; what follows from it (and from the time) is settled for all events alike.
type event interface {
	apply(st *state, now time.Time)
}

type (
	// booted: the task begins its life with what earlier lives left.
	booted struct {
		memory     task.Memory
		hostPause  *task.Override
		draining   bool
		unmet      []string
		undeclared bool // the configuration does not name the task any more
	}
	// ticked: wake's time has come.
	ticked struct{}
	// overslept: the host was stopped or overloaded for a while.
	overslept struct{}
	// stepped: the wall clock was set, or the machine slept, by this much.
	stepped struct{ by time.Duration }
	// asked: a person's command.
	asked struct {
		command task.Command
		to      chan<- answer
	}
	// reported: a process says something.
	reported struct{ report task.Report }
	// granted: the groups of the run with the ticket let it through.
	granted struct{ ticket uint64 }
	// gated: what depends_on waits for has changed.
	gated struct{ unmet []string }
	// followed: a run that after_run names has ended.
	followed struct{ source task.Run }
	// hostPaused: the host's pause began or (nil) ended; then catchUp runs what it skipped.
	hostPaused struct {
		override *task.Override
		catchUp  bool
	}
	// drained: the host begins or ends a drain.
	drained struct{ on bool }
	// held: nothing new starts any more; the shutdown follows when the tasks that depend
	// on this one are down.
	held struct{}
	// located: somebody wants to call a method; the answer is the process to ask, 0 is none.
	located struct{ to chan<- task.ProcessID }
	// shutdown: the host ends; the task's runs have until then.
	shutdown struct{ by time.Time }
	// escalated: every stop moves on to this stage at least.
	escalated struct{ mode task.StopMode }
	// defined: the configuration says something new of the task.
	defined struct{ definition }
	// retired: the configuration names the task no longer, or (to) by another name.
	retired struct{ to string }
)

// decide is the whole of what a task does: it changes st for the event, which happened at
// now, and returns the effects to be carried out, in order. It looks at no clock, waits for
// nothing and does nothing else. The effects are valid until the next call.
func decide(st *state, ev event, now time.Time) []effect {
	now = now.Round(0) // compare by wall clock alone: steps are events
	st.forgetEffects()
	st.reply = nil
	st.late = task.MissedOverload
	if st.closed {
		return st.out
	}
	ev.apply(st, now)
	st.settle(now)
	return st.out
}

// settle brings the task to rest: after it, nothing is due until another event or wake.
func (st *state) settle(now time.Time) {
	for {
		st.again = false
		st.expire(now)
		st.dueSlots(now)
		st.keepGoing(now)
		st.advance(now)
		st.provision(now)
		st.finishClosing(now)
		if !st.again {
			break
		}
	}
	st.tellIntake()
	st.tellFacts()
	st.show(now)
	st.answer(now)
	st.tellLast()
	if st.closed {
		st.do(doneEffect{removed: st.closing == closingRemove})
	}
}

// elapse deals with what was due before an event that changes what is due: a loop that wakes a moment late hears of the
// event first.
func (st *state) elapse(now time.Time) {
	st.expire(now)
	st.dueSlots(now)
}

// forgetEffects begins a decision: those of the one before have been carried out.
func (st *state) forgetEffects() {
	for _, e := range st.out {
		if s, ok := e.(saveRunEffect); ok {
			s.run.saving = false
		}
	}
	clear(st.out)
	st.out, st.told, st.shown = st.out[:0], st.told[:0], task.Status{}
}

// tellLast puts the events behind all else that was decided: who hears of something and looks
// at it then finds it saved.
func (st *state) tellLast() {
	for i := range st.told {
		st.do(eventEffect{&st.told[i]})
	}
}

func (ticked) apply(*state, time.Time) {}

// reprieve is how long runs have to show what they did while the host slept.
const reprieve = 500 * time.Millisecond

// apply judges no run by the time in which nobody listened to it: what it has said is still
// under way, so deadlines that have passed come a little later.
func (overslept) apply(st *state, now time.Time) {
	by := now.Add(reprieve)
	for _, r := range st.live() {
		if !r.Deadline.IsZero() {
			r.Deadline = latest(r.Deadline, by)
		}
		if r.Stop != nil && r.Stop.Stage != task.StageKill && r.Stop.Deadline.Before(by) {
			stop := *r.Stop
			stop.KillAt = stop.KillAt.Add(by.Sub(stop.Deadline))
			stop.Deadline = by
			r.Stop = &stop
		}
		if at := st.signBy(r); !at.IsZero() && at.Before(by) {
			r.sign = r.sign.Add(by.Sub(at))
		}
		if at := st.readyBy(r); !at.IsZero() && at.Before(by) {
			r.excused += by.Sub(at)
		}
	}
	st.dirty = true
}

// apply moves every deadline that counts elapsed time along with the clock. Slots stay
// where they are: they are wall clock times, and the high-water mark keeps them from
// coming twice. A fixed delay is none: it counts from no end that lies ahead.
func (e stepped) apply(st *state, now time.Time) {
	if e.by > 0 {
		st.late = task.MissedClock
	}
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(e.by)
		}
	}
	shift(&st.restartAt)
	shift(&st.launchAt)
	shift(&st.shutdownBy)
	for _, p := range st.procs {
		shift(&p.deadline)
		shift(&p.launched)
	}
	for _, r := range st.runs {
		shift(&r.Deadline)
		shift(&r.began)
		shift(&r.sign)
		if r.phase == waitRetry {
			shift(&r.due)
		}
		if r.Stop != nil {
			stop := *r.Stop
			shift(&stop.Deadline)
			shift(&stop.KillAt)
			r.Stop = &stop
		}
	}
	if st.fixedDelay() {
		st.lastEnd, st.startedAt = earliest(st.lastEnd, now), earliest(st.startedAt, now)
	}
	st.refreshNextSlot()
	st.dirty = true
}

// wake returns when time alone makes something due, as seen right after a decision at
// now; zero is never.
func wake(st *state, now time.Time) time.Time {
	var at time.Time
	by := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	st.eachDeadline(by, now)
	return at
}

// eachDeadline calls by with every time at which settle has something to do.
func (st *state) eachDeadline(by func(time.Time), now time.Time) {
	for _, o := range []*task.Override{st.overrides.Paused, st.hostPause} {
		if o != nil {
			by(o.Until)
		}
	}
	if !st.slotHeld() {
		by(st.nextSlot)
	}
	by(st.silentAt())
	if st.mayKeepGoing() {
		by(st.restartAt)
	}
	for _, p := range st.procs {
		by(p.deadline)
	}
	for _, r := range st.runs {
		st.eachRunDeadline(r, by)
	}
	st.eachProcessDeadline(by, now)
}
