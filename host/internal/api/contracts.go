package api

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Fleet is what the API asks of the supervisor. Refusals are *task.Error.
type Fleet interface {
	Generation() task.Generation    // that was applied last; costs nothing
	Definitions() []task.Definition // by name
	Definition(name string) (task.Definition, bool)
	// Command returns once the command is decided, not once its work is done.
	Command(ctx context.Context, name string, c task.Command) (task.Reply, error)
	Call(ctx context.Context, name, method string, input json.RawMessage) (json.RawMessage, error)
	// Schedule returns the slots in (from, to], at most limit. It is empty for a task that is
	// not periodic.
	Schedule(name string, from, to time.Time, limit int) ([]Slot, error)
	Groups(ctx context.Context) ([]Group, error)
}

// Slot is one nominal due time of a task.
type Slot struct {
	At        time.Time
	NotBefore time.Time // when it may begin: later by its share of the jitter
	Held      string    // why it would not run as things stand: stopped, paused, failed; "" is nothing
}

// Group is a group with who is in it: all by the names of their tasks.
type Group struct {
	task.Group
	Members, Holding, Waiting []string
}

// Host is what the API asks of the host as a whole. Its verbs return at once.
type Host interface {
	Info() HostInfo
	Pause(ctx context.Context, o task.Override) (changed bool, err error)
	Resume(ctx context.Context, by string, catchUp bool) (changed bool, err error) // ends a drain, too
	Drain(ctx context.Context, o task.Override) (changed bool, err error)
	Shutdown(ctx context.Context, mode task.StopMode, o task.Override) (changed bool, err error)
	// Ready says why the host is not ready to work; nil is ready.
	Ready() error
}

// HostInfo is what the host says of itself.
type HostInfo struct {
	State      string // running, paused, draining, stopping
	Version    string
	PID        int
	Started    time.Time
	Generation int
	Digest     string
	Config     []string
	Listen     []string
	DataDir    string
	TimeZone   string
	Store      string
	Paused     *task.Override
}

// Usage knows what processes took when they were looked at last. Implemented by *usage.Sampler.
type Usage interface {
	Of(p task.ProcessInfo) (task.Usage, bool)
	Version() uint64 // rises with every look
}

// Feed tells of committed events. Implemented by *feed.Feed.
type Feed interface {
	Subscribe(filter func(task.Event) bool, buffer int) *feed.Reader
	Wait(ctx context.Context, filter func(task.Event) bool, cond func() bool) error
}

// Replay gives events again that a reader missed. Implemented by store.
type Replay interface {
	// EventsSince returns the events after seq; false when some of them are no longer known.
	EventsSince(seq uint64) ([]task.Event, bool)
	// EventsFrom returns the events that are not older than at; false when some of them are no longer known.
	EventsFrom(at time.Time) ([]task.Event, bool)
	LastEvent() uint64
}

// Durable is an ability that a Library may have: what it was told before is on the disk when Flush returns.
type Durable interface {
	Flush(ctx context.Context) error
}

// Logs reads the logs of tasks.
type Logs interface {
	// Page returns the oldest lines that q selects or, with Tail, the newest.
	Page(ctx context.Context, q LogQuery) (LogPage, error)
	// Follow yields the lines that q selects and goes on with what comes, until ctx ends. A
	// zero record without an error is a sign of life.
	Follow(ctx context.Context, q LogQuery) iter.Seq2[LogRecord, error]
}

// LogQuery selects lines of one task's log. Zero fields select all.
type LogQuery struct {
	Task  string
	Run   string
	Level string // at least
	Grep  string // a regular expression, checked before
	Since time.Time
	Tail  int    // only the last so many
	After uint64 // only after this position
	Limit int    // lines of a page
}

// LogPage is a part of a log, oldest first.
type LogPage struct {
	Items []LogRecord
	More  bool // there is more at once, after the last one
}

// LogRecord is one line with its place in the log.
type LogRecord struct {
	task.LogLine
	Position uint64
	Gap      int // so many lines are missing here; the line itself is empty
}

// Plugins tells of the plugins that the host knows.
type Plugins interface {
	Plugins() []Plugin // by name
}

// Plugin is one plugin; Err says why it cannot be used.
type Plugin struct {
	Name        string
	Path        string
	Digest      string
	Pinned      bool
	Description wire.Description
	Err         error
}

// Configs is what the API asks about the configuration, and what makes another one hold. Refusals are *task.Error and
// *ConfigInvalid.
type Configs interface {
	Config(ctx context.Context) (admin.Config, error)
	// Plan says what would come of the files as they are or, with a generation, of those of that one.
	Plan(ctx context.Context, generation int) (admin.Plan, error)
	Apply(ctx context.Context, a Apply) (admin.Applied, error)
	Generations(ctx context.Context) ([]admin.Generation, error) // the newest first
	Generation(ctx context.Context, number int) (admin.GenerationDetail, error)
	Diff(ctx context.Context, from, to int) (admin.GenerationDiff, error)
}

// Apply asks for another configuration to hold.
type Apply struct {
	By           string
	Reason       string
	Plan         string // "" is any
	IfGeneration int    // only while this one holds; 0 is any
	Rollback     int    // to the files of this generation; 0 is as the files are
}

// ConfigInvalid is a configuration with errors.
type ConfigInvalid struct{ Diagnostics []admin.Diagnostic }

func (e *ConfigInvalid) Error() string {
	errors, first := 0, ""
	for _, d := range e.Diagnostics {
		if d.Severity != "error" {
			continue
		}
		if errors++; first == "" {
			first = d.Summary
			if d.File != "" {
				first = fmt.Sprintf("%s:%d: %s", d.File, d.Line, d.Summary)
			}
		}
	}
	if errors > 1 {
		first += fmt.Sprintf(" (and %d more)", errors-1)
	}
	return "the configuration has errors, nothing was changed: " + first
}

// Queues is what the API asks of the broker of queues. Refusals are *task.Error.
type Queues interface {
	Queues() []task.QueueStatus // by name
	Queue(name string) (task.QueueStatus, bool)
	// Post is durable when it returns. While a queue with overflow "block" is full it waits, no longer than ctx,
	// and then refuses the message as the other queues do.
	Post(ctx context.Context, queue string, m task.NewMessage) (task.Posted, error)
	// Peek returns waiting messages and those in flight with their bodies, the oldest first.
	Peek(ctx context.Context, queue string, limit int, cursor string) (task.Page[task.Message], error)
	DeadLetters(ctx context.Context, q task.DeadQuery) (task.Page[task.DeadLetter], error)
	// Redrive makes dead letters messages again and returns the ids of those that it moved, of the dead letters
	// themselves. Without ids it moves all. One id that is unknown refuses the whole.
	Redrive(ctx context.Context, queue string, ids []string, by string) (moved []string, err error)
	// Purge deletes the messages that are in nobody's hands or, with dead, the dead letters.
	Purge(ctx context.Context, queue string, dead bool, by string) (n int, err error)
}

// QueuesInOrder is an ability that Queues may have: messages that are posted together keep their order. Without it
// only those with the same key do.
type QueuesInOrder interface {
	// PostAll posts as Post does. Both results are as long as ms; a refused message has an error and keeps no
	// other one out.
	PostAll(ctx context.Context, queue string, ms []task.NewMessage) ([]task.Posted, []error)
}

// ended is a list without a next page.
func ended[T any](items []T) admin.List[T] {
	if items == nil {
		items = []T{}
	}
	return admin.List[T]{Items: items}
}

// paged is a list with the cursor of its next page, "" on the last.
func paged[T any](items []T, next string) admin.List[T] {
	l := ended(items)
	if next != "" {
		l.NextCursor = &next
	}
	return l
}
