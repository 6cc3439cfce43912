package task

import (
	"encoding/json"
	"fmt"
	"time"
)

// Verb is what a person or program asks of a task.
type Verb string

const (
	VerbStart    Verb = "start"
	VerbStop     Verb = "stop"
	VerbCancel   Verb = "cancel" // of one run, or of all live runs of the task
	VerbRun      Verb = "run"    // run now
	VerbPause    Verb = "pause"
	VerbResume   Verb = "resume"
	VerbRestart  Verb = "restart"
	VerbBackfill Verb = "backfill"
	VerbRetry    Verb = "retry"   // an ended run again, as a new run
	VerbTimeout  Verb = "timeout" // of a live run
	VerbReset    Verb = "reset"   // forget the overrides: as the file says
)

// Command is one request to a task. Fields that a verb does not name are ignored.
type Command struct {
	Verb        Verb
	Actor       string
	TraceParent string // W3C trace context of who asks, for the runs that come of it
	Key         string // run, retry: tells this request from others, for the run that comes of it
	Reason      string
	Mode        StopMode      // stop, cancel, restart; "" is the verb's default: graceful, hard, graceful
	Timeout     time.Duration // shortens the stage that Mode starts in; timeout: the new timeout from now
	Until       time.Time     // pause
	CatchUp     bool          // resume: catch up the slots that were skipped
	Run         string        // cancel, timeout: one run; "" is all live runs
	Retry       *Run          // retry: the ended run
	Input       json.RawMessage
	At          time.Time   // run: not before
	Overlap     Overlap     // run: "" refuses with 409 when a run is in the way; else this policy
	Slots       []time.Time // backfill, in order
	MaxParallel int         // backfill
	DryRun      bool
}

// Reply is what a command brought about, as seen at once; the caller waits for more itself.
type Reply struct {
	Changed bool
	Status  Status
	Runs    []Run // run, backfill, retry: the new ones; stop, cancel: those on the ladder
}

// Error is a refusal that a person can act on. Code is stable.
type Error struct {
	Code   string // task_unknown, overlap, stopped, …
	Detail string
	Remedy string
	Run    string // the run in the way, with overlap
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Detail
	}
	return fmt.Sprintf("%s; %s", e.Detail, e.Remedy)
}

// Codes of Error that callers ask for.
const (
	CodeTaskUnknown   = "task_unknown"
	CodeRunUnknown    = "run_unknown"
	CodeOverlap       = "overlap"
	CodeStopped       = "stopped"
	CodeNotPeriodic   = "not_periodic"
	CodeNotRunning    = "not_running"
	CodeFailed        = "task_failed"
	CodeShutdown      = "shutting_down"
	CodeInvalid       = "invalid"
	CodeMethodUnknown = "method_unknown"
	CodeMethodFailed  = "method_failed"
	CodeDeadline      = "deadline"
)
