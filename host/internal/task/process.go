package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Launcher starts plugin processes.
type Launcher interface {
	// Launch blocks until the process has shaken hands or is gone. It fails with a
	// *LaunchError. When ctx ends, the process is killed and Launch returns soon.
	Launch(ctx context.Context, spec LaunchSpec) (Process, error)
}

// LaunchSpec says which binary to start, and with what.
type LaunchSpec struct {
	Task    string
	Plugin  string
	Version string            // of the plugin, for messages
	Path    string            // the verified copy of the binary
	Digest  string            // sha256 of Path
	Env     map[string]string // beside the allow-list
	User    string            // "" is the host's
	Group   string            // "" is the user's own
	Limits  Limits
	Timeout time.Duration // launch and handshake
	Drain   time.Duration // how long the plugin may drain when the host is gone
	Log     LogSink
	Share   *Share // nil: the process serves this task alone
	Debug   bool   // the process waits for a debugger before it shakes hands, and need not answer
}

// Share says that a task may share its process with the other instances of its block.
type Share struct {
	Block string // whose instances they are
	Max   int    // how many of them one process serves
	// Move says that the task should leave the process soon, because another one brings its
	// end about. It is called at most once, must not block, and may come before Launch returns.
	Move func(reason string)
}

// Seat is one task's part in a process that serves several: a Process whose Configure, Open, Drain
// and Cancel concern that task, and the rest the whole process.
type Seat interface {
	Process
	// Leave lets go of what the process keeps for the task, which it does not serve any more.
	Leave()
}

// ErrNotServed says that a process does not serve the task, or not any more.
var ErrNotServed = errors.New("the process does not serve the task")

// Shareable is a Process that can serve several tasks, side by side.
type Shareable interface {
	Process
	// Join gives a task a seat; log takes its lines. It does not wait.
	Join(task string, log LogSink) Seat
}

// LogSink takes what a process writes, line by line. It must not block for long.
type LogSink interface {
	Line(LogLine)
}

// LogLine is one record of a task's log.
type LogLine struct {
	At      time.Time       `json:"at"`
	Level   string          `json:"level"`  // trace, debug, info, warn, error
	Stream  string          `json:"stream"` // log (structured), stderr, stdout, host
	Run     string          `json:"run,omitempty"`
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields,omitempty"` // an object
}

// Process is one live plugin process. Its methods are safe for concurrent use.
type Process interface {
	Info() ProcessInfo
	// Configure gives the process its task. It fails with a *ConfigError when the plugin
	// rejects the config, with another error when opening failed or the process died.
	Configure(ctx context.Context, c Configure) error
	// Open begins the session; reports get what the plugin sends, in order, from one goroutine.
	Open(ctx context.Context, reports Reports) (Session, error)
	// Drain closes Stopping for a run; run "" drains and closes the whole instance.
	Drain(ctx context.Context, run string, deadline time.Duration, reason string) error
	// Cancel ends the context of a run.
	Cancel(ctx context.Context, run string, cause CancelCause, deadline time.Duration) error
	Ping(ctx context.Context) error
	// Kill ends the whole process tree with SIGKILL. It returns at once and may be called again.
	Kill()
	// Done is closed when the process is reaped and its tree swept.
	Done() <-chan struct{}
	// Exit says how it ended; valid after Done.
	Exit() ExitCause
}

// Configure is what a process needs to serve one task.
type Configure struct {
	Task       string
	Type       string
	Mode       Mode
	SchemaHash string
	Config     []byte // msgpack
	LogLevel   string
	Pause      time.Duration
	Watchdog   time.Duration // the longest silence; 0 is none
	Shared     bool          // the process serves others too
	Dir        string        // working directory of author code; "" is where the process was started
}

// CancelCause tells author code why its context ended.
type CancelCause string

const (
	CauseCancelled   CancelCause = "cancelled"
	CauseStopTimeout CancelCause = "stop_timeout"
	CauseTimeout     CancelCause = "timeout"
)

// Session is the stream of work between the host and one process. Its methods are safe
// for concurrent use and fail once the stream has ended.
type Session interface {
	StartRun(RunStart) error
	// Call sends a method call and waits for its reply.
	Call(ctx context.Context, method string, input json.RawMessage) (json.RawMessage, error)
	// Reply answers the request with this id (a commit, a load or an extension).
	Reply(Answer) error
	// Deliver hands messages to a run. They fit into one frame.
	Deliver(run string, ds []Delivery) error
}

// Answer is the host's answer to a request of the plugin.
type Answer struct {
	ID    uint64
	Err   string // "" is done
	Value json.RawMessage
	OK    bool // of a load: found; of an extension: granted
}

// RunStart hands one attempt to a process.
type RunStart struct {
	Run          string
	Attempt      int
	Trigger      Trigger
	Slot         time.Time
	PreviousSlot time.Time
	LastSuccess  time.Time
	Deadline     time.Time
	Input        json.RawMessage
	Values       map[string]json.RawMessage // run-scoped values of earlier attempts
	Actor        string
	TraceParent  string        // W3C trace context that author code is in
	Consume      *Consume      // the run handles messages
	Timeout      time.Duration // with Consume: of one message; 0 is none
}

// Reports receives what a plugin sends on its session. Calls come in order from one
// goroutine and must not block; requests are answered with Session.Reply.
type Reports interface {
	RunEntered(run string, at time.Time)
	RunEnded(RunResult)
	Progress(run string, p Progress)
	Published(key string, value json.RawMessage)
	Ready(note string)
	Beat(note string)
	Commit(id uint64, run string, ops []Op)
	Load(id uint64, key string)
	Extend(id uint64, run string, by time.Duration)
	Credit(run string, window int)
	MessagesEntered(run string, tags []uint64)
	MessagesHandled(run string, h Handled)
	MessageExtended(run string, tag uint64, by time.Duration)
	// Lost says that the stream has ended, with the cause; no call follows. ErrSessionEnded is an end in order.
	Lost(err error)
}

// ErrSessionEnded is the cause of the end of a session that the plugin has closed by itself: its process ends, too.
var ErrSessionEnded = errors.New("the plugin has ended the session")

// RunStatus is the plugin's own word on how an attempt ended.
type RunStatus string

const (
	StatusSucceeded   RunStatus = "succeeded"
	StatusFailed      RunStatus = "failed"
	StatusPermanent   RunStatus = "permanent"
	StatusRetryAfter  RunStatus = "retry_after"
	StatusSkipped     RunStatus = "skipped"
	StatusInterrupted RunStatus = "interrupted"
	StatusUnhealthy   RunStatus = "unhealthy"
	StatusPanic       RunStatus = "panic"
)

// RunResult is how author code returned.
type RunResult struct {
	Run          string
	At           time.Time
	Status       RunStatus
	Message      string
	Stack        string
	RetryAfter   time.Duration
	Result       json.RawMessage
	ObservedStop bool
}

// Op is one part of a commit; exactly one of its kinds is set.
type Op struct {
	Kind   OpKind
	Key    string // save, save_run, delete: the key; emit: the ordering key
	Value  json.RawMessage
	Output string // emit
	ID     string // emit: message id, "" is derived

	TraceParent string // emit: W3C trace context, "" is that of the run, in a handler that of its message
}

// OpKind says what an Op does.
type OpKind string

const (
	OpSave    OpKind = "save"
	OpSaveRun OpKind = "save_run"
	OpDelete  OpKind = "delete"
	OpEmit    OpKind = "emit"
)

// ExitCause says how a process ended.
type ExitCause struct {
	Code      int           `json:"code"`             // -1 when a signal ended it
	Signal    string        `json:"signal,omitempty"` // "killed", "segmentation fault", …
	OOM       bool          `json:"oom,omitempty"`
	ByHost    bool          `json:"by_host,omitempty"` // the host killed it
	Panic     string        `json:"panic,omitempty"`   // text from "panic:" or "fatal error:" on
	Stderr    []string      `json:"stderr,omitempty"`  // last lines
	UserCPU   time.Duration `json:"user_cpu,omitempty"`
	SystemCPU time.Duration `json:"system_cpu,omitempty"`
	MaxRSS    int64         `json:"max_rss,omitempty"`   // bytes
	Survivors []int         `json:"survivors,omitempty"` // pids of its tree that outlived the kill
	Neighbour string        `json:"neighbour,omitempty"` // of a shared process: the other task that its end is due to, or AnyNeighbour
	Left      bool          `json:"left,omitempty"`      // the task left a shared process, which lives on
	At        time.Time     `json:"at"`
}

// Text says in a few words how the process ended: "exit 3", "killed by SIGSEGV", "panic: …".
func (e ExitCause) Text() string {
	switch {
	case e.Neighbour != "" && e.ByHost:
		return "killed because of " + e.neighbour() + ", which shared it"
	case e.Neighbour != "":
		return "brought down by " + e.neighbour() + ", which shared it"
	case e.Left:
		return "the task has left it"
	case e.Panic != "":
		first, _, _ := strings.Cut(e.Panic, "\n")
		return first
	case e.OOM:
		return "out of memory"
	case e.Signal != "":
		return "ended by signal: " + e.Signal
	}
	return fmt.Sprintf("exit %d", e.Code)
}

// AnyNeighbour stands for one of several tasks, when it is not known which.
const AnyNeighbour = "another task"

func (e ExitCause) neighbour() string {
	if e.Neighbour == AnyNeighbour {
		return AnyNeighbour
	}
	return "task " + e.Neighbour
}

// LaunchKind says why a process could not be started.
type LaunchKind string

const (
	LaunchMissing   LaunchKind = "plugin_missing" // no such binary
	LaunchNotExec   LaunchKind = "not_executable" // mode, or wrong architecture
	LaunchChecksum  LaunchKind = "checksum_mismatch"
	LaunchNotPlugin LaunchKind = "not_a_plugin"      // wrong cookie or no handshake line
	LaunchProtocol  LaunchKind = "protocol_mismatch" // too old or too new
	LaunchTimeout   LaunchKind = "start_timeout"     // no handshake, or handshake and no service
	LaunchExited    LaunchKind = "exited"            // ended before it served
	LaunchResources LaunchKind = "resources"         // out of descriptors, processes or memory
	LaunchStopped   LaunchKind = "stopped"           // the launch was cancelled
	LaunchUnclean   LaunchKind = "previous_alive"    // what an earlier process left is still there
)

// Hopeless reports whether another try with the same binary and config must fail too.
func (k LaunchKind) Hopeless() bool {
	switch k {
	case LaunchMissing, LaunchNotExec, LaunchChecksum, LaunchNotPlugin, LaunchProtocol:
		return true
	}
	return false
}

// LaunchError is why a process could not be started, with what it said.
type LaunchError struct {
	Kind   LaunchKind
	Detail string // one sentence that names the plugin and the file
	Remedy string
	Exit   *ExitCause // when it ended by itself
	Err    error
}

func (e *LaunchError) Error() string {
	if e.Remedy == "" {
		return e.Detail
	}
	return e.Detail + "; " + e.Remedy
}

func (e *LaunchError) Unwrap() error { return e.Err }

// ConfigError is a config that the plugin rejects.
type ConfigError struct {
	Problems []ConfigProblem
}

// ConfigProblem is one thing that is wrong, with its path in the config ("headers[2].name").
type ConfigProblem struct {
	Path    string `json:"path"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}

func (e *ConfigError) Error() string {
	texts := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		texts = append(texts, strings.TrimPrefix(p.Path+": "+p.Summary, ": "))
	}
	return "the plugin rejects its config: " + strings.Join(texts, "; ")
}
