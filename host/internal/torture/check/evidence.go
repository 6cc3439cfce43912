package check

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// Evidence is what is known from outside. Times are those of journal.Now, slots are unix
// nanoseconds. The messages of all queues have come to rest when it is taken.
type Evidence struct {
	Tasks     []Task
	Queues    []Queue
	Posts     []Post
	Processes []journal.Process
	Runs      []Run
	Skips     []Skip
	Cursors   map[string]int64 // what tasks have in their checkpoints at the end
	Ends      []End            // of hosts
	Forgets   time.Duration    // how much of what nobody waited for a host that is killed may forget
}

// End is the end of a host: it came between From and To.
type End struct {
	From, To int64
	Killed   bool // and did not stop by itself
}

// Task is what the configuration promises of a task.
type Task struct {
	Name     string
	Every    time.Duration // distance of its slots; 0 is none
	Parallel int           // its runs at work at a time, or its processes when it is resident
	Resident bool          // it goes on as long as its process
	Claims   bool          // a run of a slot is written down before it begins
}

// Queue is one queue, in the order in which messages pass them, and what it holds at the end.
type Queue struct {
	Name          string
	MaxDeliveries int
	Left          int // messages that are still there
	Dead          []Dead
}

// Dead is one dead letter.
type Dead struct {
	ID       string
	Name     string
	Reason   string
	Attempts int
}

// Post is one message that was posted over the API.
type Post struct {
	Name     string
	Acked    bool  // at least one try was acknowledged
	Tries    int   // all with one id
	Began    int64 // the first
	Answered int64 // the one that was acknowledged
	Known    bool  // that answer called it a duplicate
}

// Run is one run in the history. Slot 0 is none.
type Run struct {
	ID    string
	Task  string
	Slot  int64
	Ended bool
}

// Skip is one record of slots that did not run.
type Skip struct {
	Task   string
	Reason string
	First  int64
	Last   int64
	Count  int
}
