package task

import (
	"encoding/json"
	"time"
)

// RunState is how far a run has come.
type RunState string

const (
	RunQueued   RunState = "queued"   // admitted, waiting for overlap, a group, a retry or a process
	RunStarting RunState = "starting" // handed to a process, author code not entered yet
	RunRunning  RunState = "running"
	RunStopping RunState = "stopping" // on the ladder
	RunEnded    RunState = "ended"
)

// Outcome is how a run ended.
type Outcome string

const (
	OutcomeSucceeded   Outcome = "succeeded"
	OutcomeFailed      Outcome = "failed"
	OutcomeTimedOut    Outcome = "timed_out"
	OutcomeCancelled   Outcome = "cancelled"   // somebody asked; never a failure, never retried
	OutcomeInterrupted Outcome = "interrupted" // drained or shut down before the work was done; no failure
	OutcomeLost        Outcome = "lost"        // the host died under it
	OutcomeSkipped     Outcome = "skipped"     // the plugin said that there was nothing to do
)

// Failure reports whether the outcome counts against a task.
func (o Outcome) Failure() bool {
	return o == OutcomeFailed || o == OutcomeTimedOut || o == OutcomeLost
}

// Trigger is what brought a run about.
type Trigger string

const (
	TriggerSlot     Trigger = "slot"
	TriggerManual   Trigger = "manual"
	TriggerAfterRun Trigger = "after_run"
	TriggerRetry    Trigger = "retry" // a person asked to run an ended run again
	TriggerBackfill Trigger = "backfill"
	TriggerStart    Trigger = "start" // a continuous task, and run_on_start
)

// Stage is a rung of the stop ladder, and how a run ended on it.
type Stage string

const (
	StageNone   Stage = ""
	StageDrain  Stage = "drain"
	StageCancel Stage = "cancel"
	StageKill   Stage = "kill"
)

// Rank orders the stages: a call only ever moves a run to a higher rank.
func (s Stage) Rank() int {
	switch s {
	case StageDrain:
		return 1
	case StageCancel:
		return 2
	case StageKill:
		return 3
	}
	return 0
}

// StopMode names the stage in which a stop begins.
type StopMode string

const (
	Graceful StopMode = "graceful" // drain
	Hard     StopMode = "hard"     // cancel
	Kill     StopMode = "kill"
)

// Stage is the stage in which a stop of this mode begins.
func (m StopMode) Stage() Stage {
	switch m {
	case Hard:
		return StageCancel
	case Kill:
		return StageKill
	}
	return StageDrain
}

// ErrorClass says what kind of failure an attempt had; retry policies choose by it.
type ErrorClass string

const (
	ErrorPlain     ErrorClass = "error"     // author code returned an error
	ErrorPermanent ErrorClass = "permanent" // author code said that a retry cannot help
	ErrorRetry     ErrorClass = "retry"     // author code said when to try again
	ErrorUnhealthy ErrorClass = "unhealthy" // the check works, what it checks does not
	ErrorPanic     ErrorClass = "panic"     // author code panicked
	ErrorCrash     ErrorClass = "crash"     // the process ended under the run
	ErrorTimeout   ErrorClass = "timeout"   // the attempt's timeout
	ErrorLaunch    ErrorClass = "launch"    // the process could not be started
	ErrorConfig    ErrorClass = "config"    // the plugin rejected its config
	ErrorWatchdog  ErrorClass = "watchdog"  // no sign of life
)

// Run is one execution of a task.
type Run struct {
	ID           string          `json:"id"`
	Task         string          `json:"task"`
	Trigger      Trigger         `json:"trigger"`
	Source       string          `json:"source,omitempty"` // run id that brought it about (after_run, retry)
	Slot         time.Time       `json:"slot,omitzero"`
	PreviousSlot time.Time       `json:"previous_slot,omitzero"`
	State        RunState        `json:"state"`
	Outcome      Outcome         `json:"outcome,omitempty"`  // when ended
	EndedIn      string          `json:"ended_in,omitempty"` // return, drain, cancel, kill, crash, launch, host_died; neighbour: of a shared process; queue when it never began
	Queued       time.Time       `json:"queued_at"`
	NotBefore    time.Time       `json:"not_before,omitzero"` // slot plus jitter, or the asked time
	Started      time.Time       `json:"started_at,omitzero"` // author code entered, first attempt
	Ended        time.Time       `json:"ended_at,omitzero"`
	Attempts     []Attempt       `json:"attempts,omitempty"` // oldest first; the last is the live one
	Waiting      *Waiting        `json:"waiting,omitempty"`
	Stop         *StopInfo       `json:"stop,omitempty"`
	Error        *RunError       `json:"error,omitempty"` // of the last attempt
	Note         string          `json:"note,omitempty"`  // the skip's reason or the interruption's note
	Input        json.RawMessage `json:"input,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
	Progress     *Progress       `json:"progress,omitempty"`
	Actor        string          `json:"actor,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Generation   int             `json:"generation"`
	Plugin       string          `json:"plugin,omitempty"`
	Version      string          `json:"plugin_version,omitempty"`
	Digest       string          `json:"plugin_digest,omitempty"`
	Deadline     time.Time       `json:"deadline,omitzero"` // of the attempt's timeout
	Timeline     []Moment        `json:"timeline,omitempty"`
	TraceParent  string          `json:"traceparent,omitempty"` // W3C trace context of what brought the run about
	Key          string          `json:"key,omitempty"`         // that tells the request for it from others; "" is none
}

// Attempt is one try within a run.
type Attempt struct {
	Number  int        `json:"number"` // from 1
	PID     int        `json:"pid,omitempty"`
	Started time.Time  `json:"started_at,omitzero"`
	Ended   time.Time  `json:"ended_at,omitzero"`
	Outcome Outcome    `json:"outcome,omitempty"`
	Error   *RunError  `json:"error,omitempty"`
	Exit    *ExitCause `json:"exit,omitempty"` // when the process ended with the attempt
}

// RunError is why an attempt failed.
type RunError struct {
	Class   ErrorClass `json:"class"`
	Message string     `json:"message"`
	Stack   string     `json:"stack,omitempty"`
}

// StopInfo follows one stop down its ladder.
type StopInfo struct {
	From        Stage         `json:"from"`  // where it began
	Stage       Stage         `json:"stage"` // where it is, or what ended it
	Began       time.Time     `json:"began_at"`
	Deadline    time.Time     `json:"deadline,omitzero"` // of the stage
	KillAt      time.Time     `json:"kill_at,omitzero"`
	Actor       string        `json:"actor,omitempty"`
	Reason      string        `json:"reason,omitempty"`
	EscalatedBy string        `json:"escalated_by,omitempty"`
	Took        time.Duration `json:"took,omitempty"`
	Survivors   []int         `json:"survivors,omitempty"` // pids that outlived the kill
}

// Progress is the author's own word on how far a run has come.
type Progress struct {
	Done  int64     `json:"done"`
	Total int64     `json:"total,omitempty"` // 0: unknown
	Note  string    `json:"note,omitempty"`
	At    time.Time `json:"at"`
}

// Moment is one entry of a run's timeline.
type Moment struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // queued, launched, running, drain, cancel, kill, retry, ended, …
	Note string    `json:"note,omitempty"`
}

// RunSummary is what a task's status remembers of an ended run.
type RunSummary struct {
	ID      string        `json:"id"`
	Outcome Outcome       `json:"outcome"`
	Ended   time.Time     `json:"ended_at"`
	Took    time.Duration `json:"took"`
	Error   string        `json:"error,omitempty"`
	Note    string        `json:"note,omitempty"`
}

// SlotReason says why a slot did not run.
type SlotReason string

const (
	SkippedOverlap    SlotReason = "skipped(overlap)"
	SkippedPaused     SlotReason = "skipped(paused)"
	SkippedGroup      SlotReason = "skipped(group)"
	SkippedDependency SlotReason = "skipped(dependency)"
	SkippedFailed     SlotReason = "skipped(failed)"
	SkippedShutdown   SlotReason = "skipped(shutdown)"
	MissedDowntime    SlotReason = "missed(downtime)"
	MissedClock       SlotReason = "missed(clock)"
	MissedOverload    SlotReason = "missed(overload)"
)

// SlotRecord says that Count consecutive slots did not run, and why.
type SlotRecord struct {
	ID     string     `json:"id"`
	Task   string     `json:"task"`
	Reason SlotReason `json:"reason"`
	First  time.Time  `json:"first"`
	Last   time.Time  `json:"last"`
	Count  int        `json:"count"`
	By     string     `json:"by,omitempty"` // the run or person that it was held up by
	At     time.Time  `json:"at"`
}
