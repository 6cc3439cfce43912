package supervisor

import (
	"cmp"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// verdict is how an attempt ended.
type verdict struct {
	outcome task.Outcome
	endedIn string
	class   task.ErrorClass // "" is no error
	message string
	stack   string
	note    string
	exit    *task.ExitCause
	at      time.Time // when author code returned; zero is now
}

func (v verdict) err() *task.RunError {
	if v.class == "" {
		return nil
	}
	return &task.RunError{Class: v.class, Message: v.message, Stack: v.stack}
}

// judgeReturn judges an attempt whose author code has returned.
//
// Who succeeded without having seen the stop was simply done, whatever was going on.
// Otherwise the reason of the stop decides; only a stop that asks for an early end leaves
// the author a choice between done (nil) and interrupted.
//
// The test kit of the SDK judges in the same way (sdk/internal/solo); testdata/verdicts.txt holds both to it.
func judgeReturn(mode task.Mode, w why, stage task.Stage, result task.RunResult) verdict {
	v := verdict{endedIn: "return", message: result.Message, stack: result.Stack}
	v.outcome, v.class = byStatus(result.Status)
	if v.outcome == task.OutcomeSkipped || v.outcome == task.OutcomeInterrupted {
		v.note, v.message = result.Message, ""
	}
	if w == whyNone {
		if v.outcome == task.OutcomeInterrupted {
			v.outcome, v.class = task.OutcomeFailed, task.ErrorPlain
			v.message = cmp.Or(result.Message, "it returned as interrupted, but nothing had asked it to stop")
		}
		return v
	}
	clean := v.outcome == task.OutcomeSucceeded || v.outcome == task.OutcomeSkipped
	if clean && !result.ObservedStop {
		return v
	}
	v.endedIn = string(stage)
	switch w {
	case whyCancel:
		v.outcome, v.class = task.OutcomeCancelled, ""
	case whyTimeout:
		v.outcome, v.class, v.message = task.OutcomeTimedOut, task.ErrorTimeout, timeoutText(result.Message)
	case whyReady, whyWatchdog:
		v.outcome, v.class, v.message = task.OutcomeFailed, w.class(), w.text()
	case whyStop:
		genuine := v.class == task.ErrorPanic || v.outcome == task.OutcomeFailed && !result.ObservedStop && stage == task.StageDrain
		if clean && (stage == task.StageDrain || mode != task.Continuous) || genuine {
			return v
		}
		v.outcome, v.class, v.note = task.OutcomeInterrupted, "", cmp.Or(v.note, result.Message)
	}
	return v
}

// judgeGone judges an attempt whose process has ended under it.
func judgeGone(w why, stage task.Stage, exit task.ExitCause) verdict {
	v := verdict{outcome: task.OutcomeFailed, endedIn: "crash", class: task.ErrorCrash, exit: &exit,
		message: "the process ended under the run: " + exit.Text()}
	if stage == task.StageKill {
		v.endedIn = "kill"
	}
	if exit.Panic != "" {
		v.class, v.stack = task.ErrorPanic, exit.Panic
	}
	switch {
	case w == whyCancel:
		v.outcome, v.class = task.OutcomeCancelled, ""
	case w == whyTimeout:
		v.outcome, v.class, v.message = task.OutcomeTimedOut, task.ErrorTimeout, timeoutText("")
	case w == whyReady || w == whyWatchdog:
		v.class, v.message, v.stack = w.class(), w.text(), ""
	case w == whyStop && stage == task.StageKill:
		v.outcome, v.class, v.stack = task.OutcomeInterrupted, "", ""
	case exit.Neighbour != "":
		v.outcome, v.class, v.endedIn, v.note = task.OutcomeInterrupted, "", "neighbour", "its process was "+exit.Text()
	}
	return v
}

// judgeLaunch judges an attempt for which no process could be started.
func judgeLaunch(err error) verdict {
	return verdict{outcome: task.OutcomeFailed, endedIn: "launch", class: launchClass(err), message: err.Error()}
}

func byStatus(s task.RunStatus) (task.Outcome, task.ErrorClass) {
	switch s {
	case task.StatusSucceeded:
		return task.OutcomeSucceeded, ""
	case task.StatusSkipped:
		return task.OutcomeSkipped, ""
	case task.StatusInterrupted:
		return task.OutcomeInterrupted, ""
	case task.StatusPermanent:
		return task.OutcomeFailed, task.ErrorPermanent
	case task.StatusRetryAfter:
		return task.OutcomeFailed, task.ErrorRetry
	case task.StatusUnhealthy:
		return task.OutcomeFailed, task.ErrorUnhealthy
	case task.StatusPanic:
		return task.OutcomeFailed, task.ErrorPanic
	}
	return task.OutcomeFailed, task.ErrorPlain
}

func (w why) class() task.ErrorClass {
	switch w {
	case whyReady, whyTimeout:
		return task.ErrorTimeout
	case whyWatchdog:
		return task.ErrorWatchdog
	}
	return ""
}

func (w why) text() string {
	switch w {
	case whyReady:
		return "it was not ready in time"
	case whyWatchdog:
		return "it gave no sign of life in time"
	case whyTimeout:
		return "the attempt took longer than its timeout"
	}
	return ""
}

func timeoutText(said string) string {
	if said == "" {
		return whyTimeout.text()
	}
	return whyTimeout.text() + ": " + said
}
