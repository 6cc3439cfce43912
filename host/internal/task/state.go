package task

import "time"

// State is what a task is doing, in one word.
type State string

const (
	Stopped        State = "stopped"    // its schedule is off
	Starting       State = "starting"   // waiting for a dependency, or its process is coming up
	Idle           State = "idle"       // waiting for its next slot or for somebody to ask
	Running        State = "running"    // at least one run is at work
	Stopping       State = "stopping"   // on the ladder
	Backoff        State = "backoff"    // a continuous task waits for its next try
	CrashLoop      State = "crash_loop" // too many failures; keeps trying at the longest delay
	CompletedState State = "completed"  // a continuous task returned and its policy does not start it again
	FailedState    State = "failed"     // no restart can help until something is changed
)

// States lists every task state in the order in which people see them.
var States = []State{Running, Starting, Stopping, Backoff, CrashLoop, FailedState, Idle, CompletedState, Stopped}

// Status is a snapshot of a task: everything that the API, the CLI and the page show of it
// beside its definition. The supervisor makes a new one at every change; nobody changes one.
type Status struct {
	Task            string        `json:"task"`
	Generation      int           `json:"generation"`
	State           State         `json:"state"`
	Since           time.Time     `json:"since"` // of State
	Reason          *Reason       `json:"reason,omitempty"`
	Paused          *Override     `json:"paused,omitempty"`
	StoppedBy       *Override     `json:"stopped,omitempty"` // set while a person's stop holds against the file
	Health          Health        `json:"health"`
	Running         []Run         `json:"running,omitempty"` // live runs, oldest first
	Waiting         *Waiting      `json:"waiting,omitempty"`
	NextSlot        time.Time     `json:"next_slot,omitzero"`
	LastSlot        time.Time     `json:"last_slot,omitzero"` // the high-water mark: no slot at or before it fires again
	Last            *RunSummary   `json:"last,omitempty"`     // the run that ended last
	LastSuccess     time.Time     `json:"last_success,omitzero"`
	LastSuccessSlot time.Time     `json:"last_success_slot,omitzero"`
	Failures        int           `json:"failures"` // in a row
	Restarts        int           `json:"restarts"` // of a continuous task since its start
	Ready           bool          `json:"ready"`
	Processes       []ProcessInfo `json:"processes,omitempty"`
}

// Reason says why a task is in its state, and until when.
type Reason struct {
	Code  string    `json:"code"` // stable: dependency, exit, config, plugin_missing, …
	Text  string    `json:"text"`
	Until time.Time `json:"until,omitzero"`
}

// Override is what a person set at run time against the HCL.
type Override struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// Overrides are all overrides of one task; they outlive the host.
type Overrides struct {
	Stopped *Override `json:"stopped,omitempty"`
	Started *Override `json:"started,omitempty"` // a task with enabled = false that a person started
	Paused  *Override `json:"paused,omitempty"`
}

// Health is ok, or degraded with reasons.
type Health struct {
	OK      bool     `json:"ok"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// Waiting says what a task or run is held up by.
type Waiting struct {
	For   string    `json:"for"` // dependency, group, retry, overlap, slot, process, start
	On    string    `json:"on,omitempty"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// ProcessInfo describes one live plugin process of a task.
type ProcessInfo struct {
	PID     int       `json:"pid"`
	State   string    `json:"state"` // launching, ready, busy, ending
	Started time.Time `json:"started"`
	Version string    `json:"version,omitempty"` // of the plugin
	Digest  string    `json:"digest,omitempty"`
	Run     string    `json:"run,omitempty"`

	Limits []AppliedLimit `json:"limits,omitempty"`
}

// Usage is what a process took of the machine when the host looked at it last. Tasks that share a process bear equal parts.
type Usage struct {
	At       time.Time
	CPU      time.Duration // of processors, since it began
	Percent  float64       // of one processor, since the look before
	RSS      int64         // bytes that are resident
	Tree     bool          // of everything that the process has started, too: it has a cgroup
	SharedBy int           // tasks
}

// AppliedLimit is one limit of a process, and what enforces it.
type AppliedLimit struct {
	Name  string `json:"name"`            // memory, cpu, pids, files
	Value string `json:"value"`           // as in HCL
	By    string `json:"by,omitempty"`    // cgroup, rlimit; "" is nothing
	Error string `json:"error,omitempty"` // why nothing enforces it
}
