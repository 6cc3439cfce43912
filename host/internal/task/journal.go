package task

import (
	"context"
	"encoding/json"
	"time"
)

// Journal is what the supervisor writes and recalls. Save methods do not wait: they keep
// order and ride in the store's next commit. Implemented by store.
type Journal interface {
	SaveRun(Run)              // inserts or replaces by ID; the run-scoped values of one that has ended are forgotten
	SaveSlot(SlotRecord)      // inserts or replaces by ID: a record grows while slots share its reason
	SaveStatus(Status)        // replaces the task's snapshot
	RemoveStatus(task string) // a removed task; its history stays
	Event(Event)
	// Flush returns when everything that was saved before is durable. It fails while nothing can be written.
	Flush(ctx context.Context) error
	// SaveOverrides is durable when it returns.
	SaveOverrides(ctx context.Context, task string, o Overrides) error
	// Recall returns what earlier lives of the task left; the zero Memory when there was none.
	Recall(ctx context.Context, task string) (Memory, error)
	// Remembered names the tasks that earlier lives of the host left and did not remove.
	Remembered(ctx context.Context) ([]string, error)
}

// KeepRemoved is how long what a task has left is kept after it was removed.
const KeepRemoved = 30 * 24 * time.Hour

// Memory is what a task remembers across restarts of its loop and of the host.
type Memory struct {
	Overrides       Overrides
	LastSlot        time.Time // high-water mark: no slot at or before it fires again
	LastEnd         time.Time // end of the last run
	LastSuccess     time.Time
	LastSuccessSlot time.Time
	Failures        int // in a row
	Last            *RunSummary
	Health          *Health // as it was last shown; nil is ok
	Interrupted     []Run   // in state RunQueued, to go on, oldest first: accepted or interrupted, and in no process
	Live            []Run   // in another state but ended: were in a process when the host died, to be recorded as lost
}

// Values is what the runner reads and writes for author code. Implemented by store.
type Values interface {
	// Commit applies all of ops or none; they are durable when it returns.
	Commit(ctx context.Context, task, run string, ops []Op) error
	Load(ctx context.Context, task, key string) (json.RawMessage, bool, error)
	// RunValues returns the run-scoped values of a run.
	RunValues(ctx context.Context, run string) (map[string]json.RawMessage, error)
	Publish(task, key string, value json.RawMessage, at time.Time)
}

// Published is one value that a task publishes.
type Published struct {
	Value json.RawMessage `json:"value"`
	At    time.Time       `json:"at"`
}

// Checkpoint is one value that a task keeps.
type Checkpoint struct {
	Value   json.RawMessage `json:"value"`
	Version uint64          `json:"version"` // rises with every write
	At      time.Time       `json:"at"`
	Run     string          `json:"run,omitempty"`
}

// RunQuery selects runs. Zero fields select all.
type RunQuery struct {
	Tasks    []string // exact names
	Outcomes []Outcome
	Triggers []Trigger
	States   []RunState
	Since    time.Time // queued at or after
	Until    time.Time // queued before
	Limit    int       // 1..500; 0 is 100
	Cursor   string    // from an earlier page
}

// Page is one page of a list; Next is "" on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// SlotQuery selects slot records, newest first.
type SlotQuery struct {
	Task   string
	Since  time.Time
	Limit  int
	Cursor string
}

// Library is what is read by the API. Implemented by store. All lists are snapshots.
type Library interface {
	Status(task string) (Status, bool)
	Statuses() []Status // sorted by task
	Run(ctx context.Context, id string) (Run, bool, error)
	Runs(ctx context.Context, q RunQuery) (Page[Run], error) // live ones first, then newest first
	Slots(ctx context.Context, q SlotQuery) (Page[SlotRecord], error)
	State(ctx context.Context, task string) (map[string]Published, error)
	Checkpoints(ctx context.Context, task string) (map[string]Checkpoint, error)
	// SetCheckpoint writes (or, value nil, deletes) one value; ifVersion 0 is any, else it must match.
	SetCheckpoint(ctx context.Context, task, key string, value json.RawMessage, ifVersion uint64) (Checkpoint, error)
	Overrides(ctx context.Context) (map[string]Overrides, error)
}
