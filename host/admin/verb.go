package admin

import "encoding/json"

// Modes of a stop: the stage of the ladder in which it begins.
const (
	Graceful = "graceful" // drain
	Hard     = "hard"     // cancel
	Kill     = "kill"     // kill
)

// Verb is the body of start, stop, cancel, restart and host shutdown. The zero Verb is
// the verb's default.
type Verb struct {
	Mode    string  `json:"mode,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Timeout Seconds `json:"timeout,omitempty"` // shortens the stage that Mode begins in
}

// Pause is the body of pause, of a task or of the host.
type Pause struct {
	Reason string `json:"reason,omitempty"`
	Until  Time   `json:"until,omitzero"`
}

// Resume is the body of resume, of a task or of the host.
type Resume struct {
	Reason  string `json:"reason,omitempty"`
	CatchUp bool   `json:"catch_up,omitempty"` // run the slots that were skipped meanwhile, as catch_up says
}

// RunRequest is the body of POST tasks/{t}/runs.
type RunRequest struct {
	Input   json.RawMessage `json:"input,omitempty"`
	At      Time            `json:"at,omitzero"`       // not before
	Overlap string          `json:"overlap,omitempty"` // skip, queue, cancel_running, allow; "" refuses when a run is in the way
	Reason  string          `json:"reason,omitempty"`
}

// Backfill is the body of POST tasks/{t}/backfill.
type Backfill struct {
	From        Time   `json:"from"`
	To          Time   `json:"to"`
	MaxParallel int    `json:"max_parallel,omitempty"` // 0 is 1
	Reason      string `json:"reason,omitempty"`
	DryRun      bool   `json:"dry_run,omitempty"`
}

// BackfillResult answers a backfill.
type BackfillResult struct {
	Task    string `json:"task"`
	Changed bool   `json:"changed"`
	DryRun  bool   `json:"dry_run"`
	Slots   []Time `json:"slots"`
	Runs    []Run  `json:"runs"`
}

// RunPatch is the body of PATCH runs/{id}.
type RunPatch struct {
	Timeout Seconds `json:"timeout"` // of the live attempt, from now
	Reason  string  `json:"reason,omitempty"`
}

// Result answers a verb: the task as it is then, and what the verb brought about.
type Result struct {
	Task
	Changed bool  `json:"changed"`
	Stop    *Stop `json:"stop,omitempty"`     // of the run that took longest
	Ended   []Run `json:"affected,omitempty"` // the runs on the ladder
}

// RunResult answers a verb on one run.
type RunResult struct {
	Run
	Changed bool `json:"changed"`
}

// Action is the body of POST actions: one verb for many tasks.
type Action struct {
	Verb    string          `json:"verb"`   // start, stop, cancel, pause, resume, restart, run, reset
	Select  Select          `json:"select"` // all that it names must hold
	DryRun  bool            `json:"dry_run,omitempty"`
	Mode    string          `json:"mode,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Timeout Seconds         `json:"timeout,omitempty"`
	Until   Time            `json:"until,omitzero"`
	CatchUp bool            `json:"catch_up,omitempty"`
	Input   json.RawMessage `json:"input,omitempty"`
	Overlap string          `json:"overlap,omitempty"`
}

// Select picks tasks: "name" (a glob), "state", "plugin" and "label.KEY". It must not be empty;
// {"name":"*"} is all.
type Select map[string]string

// ActionResult answers an action, task by task.
type ActionResult struct {
	Verb    string         `json:"verb"`
	Matched int            `json:"matched"`
	DryRun  bool           `json:"dry_run"`
	Results []ActionOnTask `json:"results"`
}

// ActionOnTask is what an action did to one task.
type ActionOnTask struct {
	Task    string   `json:"task"`
	Status  int      `json:"status"`  // as the verb on this task alone would have answered
	Changed bool     `json:"changed"` // in a dry run: would be
	State   string   `json:"state,omitempty"`
	Run     string   `json:"run,omitempty"` // the new one, of run
	Problem *Problem `json:"problem,omitempty"`
}
