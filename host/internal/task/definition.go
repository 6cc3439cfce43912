package task

import (
	"encoding/json"
	"time"
)

// Mode says when a task runs. Exactly one holds for a task.
type Mode string

const (
	Periodic   Mode = "periodic"   // a run for every slot of its schedule
	Continuous Mode = "continuous" // one run that is kept going
	OnDemand   Mode = "on_demand"  // a run when somebody asks, or after another task's run
)

// Definition is one task as the configuration declares it, with every default
// applied. It is a value: config makes it, supervisor and schedule read it.
type Definition struct {
	Name        string            `json:"name"`          // unique; "check.www" for an instance of for_each
	Block       string            `json:"block"`         // name of the HCL block; equals Name without for_each and instances
	Key         string            `json:"key,omitempty"` // for_each key or instance number
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Enabled     bool              `json:"enabled"`
	Source      string            `json:"source"` // "file:line" of the block
	Dir         string            `json:"-"`      // of that file, absolute: where relative paths of the plugin begin

	Plugin  string            `json:"plugin"`
	Type    string            `json:"type"`
	Config  Config            `json:"config"`
	Env     map[string]string `json:"-"`               // of the plugin process, beside the host's allow-list; may hold secrets
	EnvKeys []string          `json:"env,omitempty"`   // the names in Env, sorted; they are no secret
	User    string            `json:"user,omitempty"`  // the account of the process
	Group   string            `json:"group,omitempty"` // in the place of the account's own
	Limits  Limits            `json:"limits,omitzero"` // of each plugin process with all that it starts

	Mode       Mode           `json:"mode"`
	Schedule   Schedule       `json:"schedule,omitzero"`   // with Periodic
	Continuous ContinuousSpec `json:"continuous,omitzero"` // with Continuous
	AfterRun   []AfterRun     `json:"after_run,omitempty"`

	Consume *Consume          `json:"consume,omitempty"` // with Continuous: the task handles the messages of a queue
	Outputs map[string]string `json:"outputs,omitempty"` // the type's outputs by name, and the queues that they are wired to

	Process       ProcessMode   `json:"process"`
	MaxPerProcess int           `json:"max_per_process,omitempty"` // with ProcessShared: how many instances one process serves
	Idle          time.Duration `json:"idle"`                      // with ProcessAuto: how near the next slot keeps a process resident
	StartTimeout  time.Duration `json:"start_timeout"`             // launch, handshake and Configure together

	Timeout     time.Duration `json:"timeout,omitempty"`     // of one attempt; 0 is none
	MaxTimeout  time.Duration `json:"max_timeout,omitempty"` // how far Extend may push it; 0 is no bound
	StuckAfter  time.Duration `json:"stuck_after"`           // alarm only
	Alarm       Alarm         `json:"alarm"`
	Retry       Retry         `json:"retry"`
	Stop        Ladder        `json:"stop"`
	OnInterrupt OnInterrupt   `json:"on_interrupt"`

	// Debug says that a person holds its processes with a debugger; see ForDebugger.
	Debug bool `json:"-"`

	Groups    []string     `json:"groups,omitempty"`
	DependsOn []Dependency `json:"depends_on,omitempty"`
	Keep      Keep         `json:"keep"`
}

// Config is a task's plugin configuration, decoded and checked.
type Config struct {
	SchemaHash string          `json:"schema_hash"`
	Digest     string          `json:"digest"` // sha256 of the plugin binary that the config was checked against
	Msgpack    []byte          `json:"-"`      // for the plugin; holds secrets in the clear
	Redacted   json.RawMessage `json:"values"` // for people
}

// Limits bound what a plugin process and all that it starts may take. Zero is no bound.
type Limits struct {
	Memory int64   `json:"memory,omitempty"` // bytes
	CPU    float64 `json:"cpu,omitempty"`    // processors; 0.5 is half of one
	PIDs   int     `json:"pids,omitempty"`   // processes and threads
	Files  int     `json:"files,omitempty"`  // open files of each process
}

// Schedule says when a periodic task is due. Exactly one of Every, After and Cron is set;
// HasAfter tells after = "0s" from no after.
type Schedule struct {
	Every       time.Duration `json:"every,omitempty"`  // fixed rate on a grid
	Offset      time.Duration `json:"offset,omitempty"` // phase of the grid; with HasOffset
	HasOffset   bool          `json:"has_offset,omitempty"`
	After       time.Duration `json:"after,omitempty"` // fixed delay from the end of the last run
	HasAfter    bool          `json:"has_after,omitempty"`
	Cron        []string      `json:"cron,omitempty"`
	TimeZone    string        `json:"time_zone,omitempty"` // IANA name, of Cron
	Jitter      time.Duration `json:"jitter,omitempty"`    // each run begins up to this much after its slot
	Overlap     Overlap       `json:"overlap"`
	MaxParallel int           `json:"max_parallel,omitempty"` // with OverlapAllow
	RunOnStart  bool          `json:"run_on_start,omitempty"`
	CatchUp     CatchUp       `json:"catch_up"`
}

// Overlap says what happens to a slot that is due while a run is going.
type Overlap string

const (
	OverlapSkip   Overlap = "skip"           // the slot is recorded as skipped
	OverlapQueue  Overlap = "queue"          // one waits; the newest wins, a manual run is never replaced
	OverlapCancel Overlap = "cancel_running" // the ladder for the running one, then this one
	OverlapAllow  Overlap = "allow"          // side by side, up to MaxParallel, a process each
)

// CatchUp says what happens to slots that passed while the host could not run them.
type CatchUp struct {
	Policy CatchUpPolicy `json:"policy"`
	Window time.Duration `json:"window,omitempty"` // older slots are missed; 0: half the distance to the next slot, at most 12 h
	Max    int           `json:"max,omitempty"`    // with CatchUpAll: how many runs at most
}

// CatchUpPolicy names the slots that are caught up.
type CatchUpPolicy string

const (
	CatchUpNone   CatchUpPolicy = "none"
	CatchUpLatest CatchUpPolicy = "latest"
	CatchUpAll    CatchUpPolicy = "all"
)

// ContinuousSpec holds what only a continuous task has.
type ContinuousSpec struct {
	Restart  Restart       `json:"restart"`
	Pause    time.Duration `json:"pause,omitempty"` // between the steps of a loop
	Ready    ReadySpec     `json:"ready,omitzero"`
	Watchdog Watchdog      `json:"watchdog,omitzero"`
}

// ReadySpec says when a continuous task is ready: when its type calls Ready, or at once. Timeout
// bounds the wait for the call, which it then expects in any case; 0 is no bound.
type ReadySpec struct {
	Called  bool          `json:"called,omitempty"` // the type says that it calls Ready
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Watchdog expects a sign of life (Beat, Progress, Publish, Commit) within Timeout; 0 is off.
type Watchdog struct {
	Timeout time.Duration  `json:"timeout,omitempty"`
	Action  WatchdogAction `json:"action,omitempty"`
}

// WatchdogAction is what a silent task brings about.
type WatchdogAction string

const (
	WatchdogRestart WatchdogAction = "restart"
	WatchdogAlarm   WatchdogAction = "alarm"
)

// Restart is the policy for a continuous task whose run has ended.
type Restart struct {
	Policy      RestartPolicy `json:"policy"`
	Backoff     time.Duration `json:"backoff"`
	MaxBackoff  time.Duration `json:"max_backoff"`
	ResetAfter  time.Duration `json:"reset_after"`  // this much health forgets earlier failures
	MaxFailures int           `json:"max_failures"` // more than this many within Window is a crash loop
	Window      time.Duration `json:"window"`
}

// RestartPolicy says after which ends a continuous task runs again.
type RestartPolicy string

const (
	RestartOnFailure RestartPolicy = "on_failure"
	RestartAlways    RestartPolicy = "always"
	RestartNever     RestartPolicy = "never"
)

// Retry is the policy for a run whose attempt failed. Attempts counts all tries; 1 is no retry.
type Retry struct {
	Attempts   int           `json:"attempts"`
	Backoff    time.Duration `json:"backoff,omitempty"`
	MaxBackoff time.Duration `json:"max_backoff,omitempty"`
	On         []ErrorClass  `json:"on,omitempty"` // empty: every class but permanent, unhealthy and config
}

// Ladder holds the time that each stage of a stop has before the next begins.
type Ladder struct {
	Drain  time.Duration `json:"drain"`
	Cancel time.Duration `json:"cancel"`
}

// Total is the longest that a graceful stop takes, the kill stage's bound included.
func (l Ladder) Total() time.Duration { return l.Drain + l.Cancel + KillBound }

// KillBound is how long the kill stage may take before survivors are reported.
const KillBound = 2 * time.Second

// OnInterrupt says what becomes of a run that was stopped before its work was done.
type OnInterrupt string

const (
	InterruptAuto   OnInterrupt = "auto"   // resume when the run saved run-scoped values, else drop
	InterruptResume OnInterrupt = "resume" // the same run goes on as its next attempt at the next start
	InterruptDrop   OnInterrupt = "drop"
)

// ProcessMode says how long a plugin process lives.
type ProcessMode string

const (
	ProcessAuto ProcessMode = "auto" // resident while the next slot is near, else launched ahead of it
	ProcessTask ProcessMode = "task" // always resident
	ProcessRun  ProcessMode = "run"  // a fresh process for every run, launched ahead of its slot
	// ProcessShared is one process for all instances of a block, up while any of them wants it.
	ProcessShared ProcessMode = "shared"
)

// AfterRun starts a run for every run of Task that ended with one of Outcomes.
type AfterRun struct {
	Task     string    `json:"task"` // a task's name or a for_each block's
	Outcomes []Outcome `json:"outcomes"`
}

// Dependency orders starts and stops: this task starts when Task has met Condition.
type Dependency struct {
	Task      string    `json:"task"` // a task's name, or a block's: then all its instances
	Condition Condition `json:"condition"`
}

// Condition is what a dependency waits for, counted from the other task's own start.
type Condition string

const (
	Started   Condition = "started"
	Ready     Condition = "ready"
	Completed Condition = "completed"
	Succeeded Condition = "succeeded"
)

// Group is one FIFO gate over the runs of its members.
type Group struct {
	Name  string        `json:"name"`
	Max   int           `json:"max,omitempty"`  // runs at a time; 0 is no bound
	Rate  int           `json:"rate,omitempty"` // run starts per Per; 0 is no bound
	Per   time.Duration `json:"per,omitempty"`
	Burst int           `json:"burst,omitempty"` // starts that may follow at once; 0 is Rate
}

// Keep bounds what is remembered of a task. Zero is no bound.
type Keep struct {
	Succeeded int           `json:"succeeded"`
	Failed    int           `json:"failed"`
	Slots     int           `json:"slots"`
	Age       time.Duration `json:"age"`
	Logs      int64         `json:"logs"` // bytes
}

// Generation is one applied configuration.
type Generation struct {
	Number  int          `json:"number"` // from 1; +1 per applied change
	Digest  string       `json:"digest"` // of the normalised definitions
	Tasks   []Definition `json:"tasks"`
	Groups  []Group      `json:"groups"`
	Queues  []Queue      `json:"queues,omitempty"`
	Applied time.Time    `json:"applied"`

	Moves           []Move        `json:"-"` // of the tasks that have another name from this generation on
	ShutdownTimeout time.Duration `json:"-"` // of the host; 0 is as before
}

// Move gives a task another name, under which everything that is known of it goes on.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
}
