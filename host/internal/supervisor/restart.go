package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

// tellIntake holds or lets go the messages of a consumer with its pause: what is at work is finished, nothing
// new is handed out.
func (st *state) tellIntake() {
	if held := st.def.Consume != nil && st.paused() != nil; held != st.held {
		st.held = held
		st.do(intakeEffect{held})
	}
}

// heldByPause reports whether a pause keeps a continuous task from running again.
func (st *state) heldByPause() bool { return st.def.Mode == task.Continuous && st.paused() != nil }

// mayKeepGoing reports whether a continuous task lacks a run that it should have.
func (st *state) mayKeepGoing() bool {
	return st.def.Mode == task.Continuous && st.mayStart() && !st.completed && !st.heldByPause() && len(st.runs) == 0
}

// keepGoing gives a continuous task its next run.
func (st *state) keepGoing(now time.Time) {
	if !st.mayKeepGoing() || st.restartAt.After(now) {
		return
	}
	r := st.newRun(task.TriggerStart, now)
	r.phase, r.policy = waitSeat, task.OverlapSkip
	st.restartAt, st.backoff = time.Time{}, nil
	st.accept(r, now)
}

// afterLife says what follows the end of a continuous task's run: the restart policy's
// word, unless the run was stopped for something that has its own way on.
func (st *state) afterLife(r *run, now time.Time) {
	st.setReady(false)
	if r.why == whyStop && !r.Outcome.Failure() || r.Outcome == task.OutcomeInterrupted {
		return // stopped, restarted, reloaded or moved: the schedule alone says whether it runs again
	}
	policy := st.def.Continuous.Restart
	alive := now.Sub(r.began)
	if !r.Outcome.Failure() {
		if policy.ResetAfter > 0 && alive >= policy.ResetAfter {
			st.history = backoff.History{}
			st.leaveLoop()
		}
		if policy.Policy != task.RestartAlways {
			st.completed, st.facts.Completed = true, true
			return
		}
		// A clean return is not punished, but a task that returns at once must not spin.
		st.restarts++
		st.restartAt = latest(now, r.began.Add(policy.Backoff))
		if st.restartAt.After(now) {
			st.backoff = &task.Reason{Code: "returned", Text: "it returned and runs again", Until: st.restartAt}
		}
		return
	}
	if st.failed != nil {
		return
	}
	text := string(r.Outcome)
	if r.Error != nil {
		text = r.Error.Message
	}
	if policy.Policy == task.RestartNever {
		st.failed = &task.Reason{Code: "exit", Text: text}
		return
	}
	if r.EndedIn == "launch" {
		alive = 0
	}
	st.history = st.history.Failed(policy, alive, now)
	next := backoff.Next(policy, st.history, now, st.chance())
	st.restarts++
	st.restartAt, st.crashLoop = now.Add(next.After), next.CrashLoop
	st.backoff = &task.Reason{Code: reasonCode(r), Text: fmt.Sprintf("%s (%s in a row)", text, count(st.failures, "failure")), Until: st.restartAt}
}

// looping reports whether the task counts as one in a crash loop. After a restart of the host it is tried anew at once;
// that it fails less often than before has to show first.
func (st *state) looping() bool { return st.crashLoop || st.alarms.looped }

// leaveLoop ends a crash loop, also one of an earlier life of the host.
func (st *state) leaveLoop() { st.crashLoop, st.alarms.looped = false, false }

func reasonCode(r *run) string {
	if r.Error == nil {
		return string(r.Outcome)
	}
	return string(r.Error.Class)
}

// hopeless returns why no other try can help, "" when one may.
func hopeless(err error) string {
	var launch *task.LaunchError
	var config *task.ConfigError
	switch {
	case errors.As(err, &config):
		return "config"
	case errors.As(err, &launch) && launch.Kind.Hopeless():
		return string(launch.Kind)
	}
	return ""
}

func launchClass(err error) task.ErrorClass {
	var config *task.ConfigError
	if errors.As(err, &config) {
		return task.ErrorConfig
	}
	return task.ErrorLaunch
}

// fail gives the task up until something is changed. A run that waits for its groups ends with it: let through, it would
// hold a place that others need, and never begin.
func (st *state) fail(code string, err error, now time.Time) {
	st.failed = &task.Reason{Code: code, Text: err.Error()}
	st.restartAt, st.backoff = time.Time{}, nil
	st.tell("task", "failed", "", err.Error(), now)
	st.dirty = true
	for _, r := range append([]*run(nil), st.runs...) {
		if r.phase == waitProcess || r.phase == waitGroup {
			st.failAttempt(r, err, now)
		}
	}
	for _, p := range st.procs {
		if p.run == nil {
			st.endProcess(p, false, now)
		}
	}
}

// failAttempt ends an attempt that got no process.
func (st *state) failAttempt(r *run, err error, now time.Time) {
	r.addAttempt(0, now)
	r.began = now
	st.attemptEnded(r, judgeLaunch(err), 0, now)
}

func (st *state) setReady(ready bool) {
	if st.ready != ready {
		st.ready, st.dirty = ready, true
	}
	if ready {
		st.facts.Ready = true
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
