package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// recheck is the longest time between two looks at the wall clock: timers do not
	// count the time that a machine sleeps.
	recheck = 30 * time.Second
	// sleepLimit is how much later than it should the loop may wake before it takes
	// the host for having been stopped.
	sleepLimit = time.Second
	// stepLimit is how far wall and monotonic clock may part before that is a step.
	stepLimit = 2 * time.Second
	// recallAgain is the pause before memory that could not be read is read again.
	recallAgain = time.Second
)

// loop owns one task. Its goroutine alone touches st.
type loop struct {
	name  string
	fleet *Fleet
	log   hclog.Logger
	st    *state
	box   *mailbox[event]
	slot  atomic.Pointer[slotView] // the newest, for the fleet to read
	boot  booted                   // its memory is recalled by the loop
	done  chan struct{}

	wall    time.Time // when the clocks were last looked at
	elapsed time.Time // the same moment, with its monotonic reading
	next    time.Time // when time alone makes something due, as of the last decision; zero is never
	ring    time.Time // when the timer wakes the loop, with its monotonic reading
	saved   chan struct{}

	quiet []chan<- struct{} // who waits until nothing is at work
}

// quietAsked lets the asker know once no run of the task is at work. It is for the loop
// alone: decide has nothing to decide about it.
type quietAsked struct{ to chan<- struct{} }

func (quietAsked) apply(*state, time.Time) {}

// run lives as long as the task. ctx ends it without order: processes are left to their fate.
func (l *loop) run(ctx context.Context) {
	defer l.end()
	if !l.recall(ctx) {
		return
	}
	l.wall, l.elapsed = l.fleet.cfg.Now().Round(0), time.Now()
	l.step(ctx, l.boot)
	timer := l.fleet.cfg.Timer()
	defer timer.Stop()
	l.set(timer)
	for !l.st.closed {
		select {
		case <-ctx.Done():
			return
		case <-l.box.ready:
		case <-timer.C():
		}
		l.look(ctx)
		for _, ev := range l.box.take() {
			if l.st.closed {
				l.refuse(ev) // it came together with the end
				continue
			}
			if q, ok := ev.(quietAsked); ok {
				l.quiet = append(l.quiet, q.to)
			}
			l.step(ctx, ev)
		}
		if !l.next.IsZero() && !l.next.After(l.now()) {
			l.step(ctx, ticked{})
		}
		l.tellQuiet()
		l.set(timer)
	}
}

func (l *loop) set(timer Timer) {
	pause := l.pause()
	l.ring = time.Now().Add(pause)
	timer.Reset(pause)
}

// pause is how long the loop may wait for an event.
func (l *loop) pause() time.Duration {
	if l.next.IsZero() {
		return recheck
	}
	return min(recheck, max(0, l.next.Sub(l.now())))
}

// now reads the wall clock, which steps are events of.
func (l *loop) now() time.Time { return l.fleet.cfg.Now().Round(0) }

// look compares the clocks: a wall clock that has gone elsewhere than time has is a step, and a loop
// that wakes much too late has slept with the whole host.
func (l *loop) look(ctx context.Context) {
	wall, elapsed := l.now(), time.Now()
	by := wall.Sub(l.wall) - elapsed.Sub(l.elapsed)
	l.wall, l.elapsed = wall, elapsed
	if by > stepLimit || by < -stepLimit {
		l.fleet.jumps.saw(by, wall, elapsed)
		l.log.Warn("the clock stepped", "task", l.name, "by", by)
		l.step(ctx, stepped{by: by})
	}
	if late := elapsed.Sub(l.ring); late > sleepLimit {
		l.log.Debug("the host has slept", "task", l.name, "for", late)
		l.step(ctx, overslept{})
	}
}

// recall reads what earlier lives of the task left. Without it nothing may start: it may
// have been stopped. It reports false when ctx ended first.
func (l *loop) recall(ctx context.Context) bool {
	for {
		memory, err := l.fleet.cfg.Journal.Recall(ctx, l.name)
		if err == nil {
			l.boot.memory = memory
			return true
		}
		l.log.Error("cannot recall the task, trying again", "task", l.name, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(recallAgain):
		}
	}
}

func (l *loop) step(ctx context.Context, ev event) {
	l.wall, l.elapsed = l.now(), time.Now()
	for _, e := range decide(l.st, ev, l.wall) {
		l.carryOut(ctx, e)
	}
	// Of this moment: a time that comes while effects are carried out is due, not over.
	l.next = wake(l.st, l.wall)
}

func (l *loop) carryOut(ctx context.Context, e effect) {
	engine, journal := l.fleet.cfg.Engine, l.fleet.cfg.Journal
	switch e := e.(type) {
	case startRunEffect:
		l.claim(ctx, e.run)
		engine.StartRun(e.id, e.start)
	case launchEffect:
		engine.Launch(e.id, e.def)
	case hurryEffect:
		engine.Hurry(e.id)
	case drainEffect:
		engine.Drain(e.id, e.run, e.deadline, e.reason)
	case cancelEffect:
		engine.Cancel(e.id, e.run, e.cause, e.deadline)
	case closeEffect:
		engine.Close(e.id)
	case killEffect:
		engine.Kill(e.id)
	case grantEffect:
		engine.Grant(e.id, e.request, e.granted)
	case saveRunEffect:
		journal.SaveRun(e.run.snapshot())
	case saveSlotEffect:
		journal.SaveSlot(e.record)
	case saveStatusEffect:
		l.showSlot(e.status)
		journal.SaveStatus(*e.status)
	case eventEffect:
		l.logEvent(e.event)
		journal.Event(*e.event)
	case overridesEffect:
		l.saveOverrides(ctx, e)
	case replyEffect:
		e.reply.to <- e.reply.answer
	case locateEffect:
		e.to <- e.id
	case intakeEffect:
		if intake := l.fleet.cfg.Intake; intake != nil {
			intake(l.name, e.held)
		}
	case acquireEffect:
		t := ticket{id: e.ticket, task: l.name, run: e.run, groups: e.groups, since: l.wall}
		l.fleet.do(func() { l.fleet.join(t) })
	case releaseEffect:
		l.fleet.do(func() { l.fleet.leave(e.ticket) })
	case factsEffect:
		l.fleet.do(func() { l.fleet.setFacts(l, e.facts) })
	case endedEffect:
		l.fleet.follow(e.run)
	case doneEffect:
		if e.removed {
			journal.RemoveStatus(l.name)
		}
	}
}

// claimTime bounds the wait for a claim: a disk that takes nothing must not keep tasks from running.
const claimTime = time.Second

// claim makes durable that a run is about to begin, where that matters.
func (l *loop) claim(ctx context.Context, r *run) {
	if !l.st.claims(r) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	if err := l.fleet.cfg.Journal.Flush(ctx); err != nil {
		l.log.Warn("a run begins without being written down first; a host that dies now may run it again", "task", l.name, "run", r.ID, "err", err)
	}
}

// logEvent logs the changes that an operator wants to find in the host's log.
func (l *loop) logEvent(e *task.Event) {
	switch {
	case e.Kind == "state" && l.st.word == task.FailedState, e.Kind == "survivors", e.Kind == "stuck", e.Kind == "silent":
		l.log.Warn("task "+e.Kind, "task", e.Task, "run", e.Run, "text", e.Text)
	case e.Kind == "state" && l.log.IsDebug(): // asked first, because it is often and nobody listens
		l.log.Debug("task state", "task", e.Task, "text", e.Text)
	}
}

// saveOverrides makes overrides durable beside the loop, which does not wait for the disk,
// in the order in which they came, and answers then.
func (l *loop) saveOverrides(ctx context.Context, e overridesEffect) {
	before, done := l.saved, make(chan struct{})
	l.saved = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		err := l.fleet.cfg.Journal.SaveOverrides(context.WithoutCancel(ctx), l.name, e.overrides)
		if err != nil {
			l.log.Error("cannot save overrides", "task", l.name, "err", err)
		}
		if e.reply == nil {
			return
		}
		answer := e.reply.answer
		if err != nil {
			answer.err = fmt.Errorf("it holds now, but not across a restart of the host: save overrides: %w", err)
		}
		e.reply.to <- answer
	}()
}

func (l *loop) tellQuiet() {
	if len(l.quiet) == 0 || len(l.st.live()) > 0 {
		return
	}
	for _, to := range l.quiet {
		to <- struct{}{}
	}
	l.quiet = nil
}

// end answers all who still wait, and tells the fleet.
func (l *loop) end() {
	for _, to := range l.quiet {
		to <- struct{}{}
	}
	for _, ev := range slices.Concat(l.box.close()) {
		l.refuse(ev)
	}
	if l.saved != nil {
		<-l.saved
	}
	close(l.done)
	l.fleet.do(func() { l.fleet.ended(l) })
}

func (l *loop) refuse(ev event) {
	switch ev := ev.(type) {
	case asked:
		ev.to <- answer{err: gone(l.name)}
	case located:
		ev.to <- 0
	case quietAsked:
		ev.to <- struct{}{}
	case granted:
		l.fleet.do(func() { l.fleet.leave(ev.ticket) })
	case followed:
		l.fleet.do(func() { l.fleet.followLater(l.name, ev) })
	}
}

func gone(name string) error {
	return &task.Error{Code: task.CodeTaskUnknown, Detail: fmt.Sprintf("task %q has ended", name), Remedy: "list the tasks to see those that are there"}
}
