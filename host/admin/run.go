package admin

import "encoding/json"

// Run is one execution of a task.
type Run struct {
	ID           string          `json:"id"`
	Task         string          `json:"task"`
	Trigger      string          `json:"trigger"`          // slot, manual, after_run, retry, backfill, start
	Source       string          `json:"source,omitempty"` // the run that brought it about
	Slot         Time            `json:"slot,omitzero"`
	PreviousSlot Time            `json:"previous_slot,omitzero"`
	State        string          `json:"state"`              // queued, starting, running, stopping, ended
	Outcome      string          `json:"outcome,omitempty"`  // when ended: succeeded, failed, timed_out, cancelled, interrupted, lost, skipped
	EndedIn      string          `json:"ended_in,omitempty"` // return, drain, cancel, kill, crash, launch, host_died; neighbour: of a shared process; queue when it never began
	Queued       Time            `json:"queued_at"`
	NotBefore    Time            `json:"not_before,omitzero"`
	Started      Time            `json:"started_at,omitzero"`
	Ended        Time            `json:"ended_at,omitzero"`
	Duration     *Seconds        `json:"duration,omitempty"` // from start to end, or to now while it goes on
	Attempts     []Attempt       `json:"attempts,omitempty"` // oldest first; the last is the live one
	Waiting      *Waiting        `json:"waiting,omitempty"`
	Stop         *Stop           `json:"stop,omitempty"`
	Error        *RunError       `json:"error,omitempty"`
	Note         string          `json:"note,omitempty"`
	Input        json.RawMessage `json:"input,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
	Progress     *Progress       `json:"progress,omitempty"`
	Actor        string          `json:"actor,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Generation   int             `json:"generation"`
	Plugin       string          `json:"plugin,omitempty"`
	Version      string          `json:"plugin_version,omitempty"`
	Digest       string          `json:"plugin_digest,omitempty"`
	Deadline     Time            `json:"deadline,omitzero"` // of the attempt's timeout
	Timeline     []Moment        `json:"timeline,omitempty"`
}

// Live reports whether the run goes on.
func (r Run) Live() bool { return r.State != "ended" }

// Succeeded reports whether the run ended well: succeeded, or skipped by the plugin.
func (r Run) Succeeded() bool { return r.Outcome == "succeeded" || r.Outcome == "skipped" }

// Attempt is one try within a run.
type Attempt struct {
	Number  int       `json:"number"`
	PID     int       `json:"pid,omitempty"`
	Started Time      `json:"started_at,omitzero"`
	Ended   Time      `json:"ended_at,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Error   *RunError `json:"error,omitempty"`
	Exit    *Exit     `json:"exit,omitempty"` // when the process ended with the attempt
}

// RunError is why an attempt failed.
type RunError struct {
	Class   string `json:"class"` // error, permanent, retry, unhealthy, panic, crash, timeout, launch, config, watchdog
	Message string `json:"message"`
	Stack   string `json:"stack,omitempty"`
}

// Exit says how a process ended.
type Exit struct {
	Text      string   `json:"text"` // "exit 3", "ended by signal: killed", "panic: …"
	Code      int      `json:"code"`
	Signal    string   `json:"signal,omitempty"`
	OOM       bool     `json:"oom,omitempty"`
	Panic     string   `json:"panic,omitempty"`
	Stderr    []string `json:"stderr,omitempty"` // its last lines
	Survivors []int    `json:"survivors,omitempty"`
	At        Time     `json:"at,omitzero"`
}

// Stop follows a stop down its ladder.
type Stop struct {
	From        string   `json:"from"`  // the stage where it began: drain, cancel, kill
	Stage       string   `json:"stage"` // where it is, or what ended it
	Began       Time     `json:"began_at"`
	Deadline    Time     `json:"stage_deadline,omitzero"`
	KillAt      Time     `json:"kill_at,omitzero"`
	EndedIn     string   `json:"ended_in,omitempty"`
	Actor       string   `json:"actor,omitempty"`
	Reason      string   `json:"reason,omitempty"`
	EscalatedBy string   `json:"escalated_by,omitempty"`
	Took        *Seconds `json:"took,omitempty"` // when it is over
	Survivors   []int    `json:"survivors"`      // pids that outlived the kill
}

// Progress is the author's own word on how far a run has come.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"` // 0 is unknown
	Note  string `json:"note,omitempty"`
	At    Time   `json:"at,omitzero"`
}

// Moment is one entry of a run's timeline.
type Moment struct {
	At   Time   `json:"at"`
	What string `json:"what"`
	Note string `json:"note,omitempty"`
}

// LogRecord is one line of a task's log.
type LogRecord struct {
	Position uint64          `json:"position"` // rises within the task and never repeats
	Task     string          `json:"task"`
	At       Time            `json:"at"`
	Level    string          `json:"level"`  // trace, debug, info, warn, error
	Stream   string          `json:"stream"` // log, stdout, stderr, host
	Run      string          `json:"run,omitempty"`
	Message  string          `json:"message"`
	Fields   json.RawMessage `json:"fields,omitempty"`
	Gap      int             `json:"gap,omitempty"` // this many lines are missing here
}
