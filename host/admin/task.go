package admin

import "encoding/json"

// Task is one task: what the configuration says of it and what it does now.
type Task struct {
	Name        string            `json:"name"`
	Block       string            `json:"block"`         // name of its HCL block; equals Name without for_each and instances
	Key         string            `json:"key,omitempty"` // for_each key or instance number
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Enabled     bool              `json:"enabled"`
	Source      string            `json:"source,omitempty"` // file:line of the block
	Plugin      string            `json:"plugin"`
	Type        string            `json:"type"`
	Mode        string            `json:"mode"`                // periodic, continuous, on_demand
	ModeText    string            `json:"mode_text"`           // "every 30s", "cron 15 2 * * *", "after homepage"
	TimeZone    string            `json:"time_zone,omitempty"` // IANA name, of a cron
	Groups      []string          `json:"groups,omitempty"`
	DependsOn   []Dependency      `json:"depends_on,omitempty"`
	AfterRun    []AfterRun        `json:"after_run,omitempty"`
	Consumes    string            `json:"consumes,omitempty"` // the queue whose messages it handles
	Stop        Ladder            `json:"stop_ladder"`
	Config      json.RawMessage   `json:"config,omitempty"` // of the plugin; secrets redacted; only with one task
	Generation  int               `json:"generation"`

	State       string        `json:"state"`
	Since       Time          `json:"since,omitzero"` // of State
	Reason      *Reason       `json:"reason,omitempty"`
	Paused      *Override     `json:"paused,omitempty"`
	Stopped     *Override     `json:"stopped,omitempty"` // while a person's stop holds against the file
	Health      Health        `json:"health"`
	Ready       bool          `json:"ready"`
	Running     []string      `json:"running"`        // ids of live runs, oldest first
	Runs        []Run         `json:"runs,omitempty"` // the live runs themselves
	Waiting     *Waiting      `json:"waiting,omitempty"`
	NextSlot    Time          `json:"next_slot,omitzero"`
	LastSlot    Time          `json:"last_slot,omitzero"`
	Last        *LastRun      `json:"last,omitempty"` // the run that ended last
	LastSuccess Time          `json:"last_success,omitzero"`
	Failures    int           `json:"failures"` // in a row
	Restarts    int           `json:"restarts"` // of a continuous task since its start
	Processes   []ProcessInfo `json:"processes,omitempty"`
	Note        string        `json:"note,omitempty"` // what a person would want to know first, in a few words
}

// Dependency orders this task's start after another's.
type Dependency struct {
	Task      string `json:"task"`
	Condition string `json:"condition"`
}

// AfterRun has a task run after the runs of another that ended with one of Outcomes.
type AfterRun struct {
	Task     string   `json:"task"` // or a block: then all its instances
	Outcomes []string `json:"outcomes"`
}

// Ladder holds how long each stage of a stop may take before the next begins.
type Ladder struct {
	Drain  Seconds `json:"drain"`
	Cancel Seconds `json:"cancel"`
}

// Reason says why a task is in its state, and until when.
type Reason struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Until Time   `json:"until,omitzero"`
}

// Override is what a person set at run time against the file.
type Override struct {
	Task   string `json:"task,omitempty"` // in a list
	What   string `json:"what,omitempty"` // paused, stopped, started; in a list
	By     string `json:"by"`
	At     Time   `json:"at"`
	Until  Time   `json:"until,omitzero"`
	Reason string `json:"reason,omitempty"`
}

// Health is ok, or degraded with reasons.
type Health struct {
	Status  string   `json:"status"` // ok, degraded
	Reasons []Reason `json:"reasons,omitempty"`
}

// Waiting says what a task or run is held up by.
type Waiting struct {
	For   string `json:"for"`
	On    string `json:"on,omitempty"`
	Since Time   `json:"since,omitzero"`
	Until Time   `json:"until,omitzero"`
}

// LastRun is what a task remembers of its last ended run.
type LastRun struct {
	ID      string  `json:"id"`
	Outcome string  `json:"outcome"`
	Ended   Time    `json:"ended_at"`
	Took    Seconds `json:"took"`
	Error   string  `json:"error,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// ProcessInfo is one live plugin process of a task.
type ProcessInfo struct {
	PID     int    `json:"pid"`
	State   string `json:"state"` // launching, ready, busy, ending
	Started Time   `json:"started_at,omitzero"`
	Version string `json:"version,omitempty"` // of the plugin
	Digest  string `json:"digest,omitempty"`  // sha256 of its binary
	Run     string `json:"run,omitempty"`

	Usage  *Usage         `json:"usage,omitempty"` // absent before the host has looked at it
	Limits []AppliedLimit `json:"limits,omitempty"`
}

// Usage is what a process took of the machine when the host looked at it last, some seconds ago at most. Of a process
// that tasks share each bears an equal part.
type Usage struct {
	At         Time    `json:"at"`
	CPUPercent float64 `json:"cpu_percent"` // of one processor, since the look before
	CPU        Seconds `json:"cpu_seconds"` // since it began
	RSS        int64   `json:"rss_bytes"`   // memory that is resident
	Of         string  `json:"of"`          // tree: with everything that it has started; process: without
	SharedBy   int     `json:"shared_by,omitempty"`
}

// AppliedLimit is one limit of a process, and what enforces it.
type AppliedLimit struct {
	Name  string `json:"name"`            // memory, cpu, pids, files
	Value string `json:"value"`           // as in HCL
	By    string `json:"by,omitempty"`    // cgroup, rlimit; absent: nothing
	Error string `json:"error,omitempty"` // why nothing enforces it
}

// Value is one value that a task publishes.
type Value struct {
	Value json.RawMessage `json:"value"`
	At    Time            `json:"at"`
}

// State holds all that a task publishes, by key.
type State struct {
	Task   string           `json:"task"`
	Values map[string]Value `json:"values"`
}

// CheckpointValue is one value that a task keeps for its next run.
type CheckpointValue struct {
	Value   json.RawMessage `json:"value"`
	Version uint64          `json:"version"` // rises with every write; the ETag of the value
	At      Time            `json:"at"`
	Run     string          `json:"run,omitempty"` // that wrote it
}

// Checkpoint holds all values that a task keeps, by key.
type Checkpoint struct {
	Task   string                     `json:"task"`
	Values map[string]CheckpointValue `json:"values"`
}

// Slot is one nominal due time.
type Slot struct {
	Task      string `json:"task"`
	At        Time   `json:"at"`
	NotBefore Time   `json:"not_before,omitzero"` // At plus jitter, when the task has jitter
	Held      string `json:"held,omitempty"`      // why it would not run as things stand: stopped, paused, failed
}

// Schedule tells the next slots of a task.
type Schedule struct {
	Task     string  `json:"task"`
	Mode     string  `json:"mode"`
	ModeText string  `json:"mode_text"`
	TimeZone string  `json:"time_zone,omitempty"`
	Jitter   Seconds `json:"jitter,omitempty"`
	Items    []Slot  `json:"items"`
}

// SlotRecord says that Count consecutive slots did not run, and why.
type SlotRecord struct {
	ID     string `json:"id"`
	Task   string `json:"task"`
	Reason string `json:"reason"` // skipped(overlap), missed(downtime), …
	First  Time   `json:"first"`
	Last   Time   `json:"last"`
	Count  int    `json:"count"`
	By     string `json:"by,omitempty"` // the run or person that it was held up by
	At     Time   `json:"at"`
}
