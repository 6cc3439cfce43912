package tasktest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Option says something about a run, or about the task that it belongs to.
type Option func(*options)

type options struct {
	task       string
	mode       task.Mode
	pause      time.Duration
	watchdog   time.Duration
	level      string
	maxFrame   int
	unwired    bool
	checkpoint map[string]json.RawMessage
	env        map[string]string

	input        json.RawMessage
	trigger      string
	slot         time.Time
	previousSlot time.Time
	lastSuccess  time.Time
	actor        string
	timeout      time.Duration
	killAfter    int
	killBefore   int
	err          error

	concurrency   int
	batch         int
	batchWait     time.Duration
	maxDeliveries int
	backoff       time.Duration
	queue         string
}

func (o options) apply(more []Option) options {
	for _, option := range more {
		option(&o)
	}
	return o
}

// Input is the input of a job: it is encoded as JSON and checked as the API does it.
func Input(value any) Option {
	return func(o *options) {
		text, err := json.Marshal(value)
		if err != nil {
			o.err = fmt.Errorf("encode input: %w", err)
		}
		o.input = text
	}
}

// Name is the task's name; it is "test" otherwise.
func Name(name string) Option { return func(o *options) { o.task = name } }

// Mode is the task's mode; it is the first that the type serves otherwise.
func Mode(mode task.Mode) Option { return func(o *options) { o.mode = mode } }

// Pause is the time between the steps of a loop.
func Pause(d time.Duration) Option { return func(o *options) { o.pause = d } }

// Watchdog is what Info().Watchdog is. The kit does nothing to a task that is silent for longer.
func Watchdog(d time.Duration) Option { return func(o *options) { o.watchdog = d } }

// LogLevel is the least level that is logged; it is trace otherwise.
func LogLevel(level string) Option { return func(o *options) { o.level = level } }

// MaxFrame is the number of bytes that a value may have on the wire.
func MaxFrame(bytes int) Option { return func(o *options) { o.maxFrame = bytes } }

// Unwired leaves the outputs without queues, so that every emit fails. Otherwise
// they are wired and [Task.Emitted] shows what they got.
func Unwired() Option { return func(o *options) { o.unwired = true } }

// Checkpoint puts a value, as JSON, into the task's checkpoint before it runs.
func Checkpoint(key string, value any) Option {
	return func(o *options) {
		text, err := json.Marshal(value)
		if err != nil {
			o.err = fmt.Errorf("encode checkpoint %q: %w", key, err)
		}
		if o.checkpoint == nil {
			o.checkpoint = make(map[string]json.RawMessage)
		}
		o.checkpoint[key] = text
	}
}

// Env sets an environment variable: for `env("…")` in the HCL, and for the process
// of a [Program].
func Env(name, value string) Option {
	return func(o *options) {
		if o.env == nil {
			o.env = make(map[string]string)
		}
		o.env[name] = value
	}
}

// Trigger says what brought the run about; it is "manual" otherwise.
func Trigger(trigger string) Option { return func(o *options) { o.trigger = trigger } }

// Slot is the run's nominal due time; it is the (virtual) time of the call otherwise.
func Slot(at time.Time) Option { return func(o *options) { o.slot = at } }

// PreviousSlot is the slot before.
func PreviousSlot(at time.Time) Option { return func(o *options) { o.previousSlot = at } }

// LastSuccess is the slot of the last run that succeeded.
func LastSuccess(at time.Time) Option { return func(o *options) { o.lastSuccess = at } }

// Actor is who asked for the run.
func Actor(name string) Option { return func(o *options) { o.actor = name } }

// Timeout ends the run's context after d, with task.ErrTimeout; the run may extend it, and
// while it drains it counts no more. Of a consumer it counts for each call of the handler.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// KillAfterCommit ends the process right after its n-th commit has become durable
// and before author code gets to know, as a SIGKILL at the worst moment does. Nothing
// that author code does afterwards has an effect. [Task.Retry] goes on from there.
func KillAfterCommit(n int) Option { return func(o *options) { o.killAfter = n } }

// KillBeforeAck ends the process right before its n-th acknowledgement of a message (or of a batch) becomes durable: when
// the handler has done everything, and nothing of it is kept but what it committed by itself. [Task.Next] or
// [Task.Retry] goes on with a new process, to which the message comes again.
func KillBeforeAck(n int) Option { return func(o *options) { o.killBefore = n } }

// Concurrency is how many handlers of a consumer are at work at a time; it is 1 otherwise.
func Concurrency(n int) Option { return func(o *options) { o.concurrency = n } }

// Batch is how many messages a batch consumer gets at most for one call, and how long the first waits for others; it
// is 100 and no time otherwise.
func Batch(size int, wait time.Duration) Option {
	return func(o *options) { o.batch, o.batchWait = size, wait }
}

// MaxDeliveries is how often handlers may fail with a message before it is a dead letter; it is 5 otherwise.
func MaxDeliveries(n int) Option { return func(o *options) { o.maxDeliveries = n } }

// Redeliver is the time before a message whose handler failed comes again; it is none otherwise.
func Redeliver(backoff time.Duration) Option { return func(o *options) { o.backoff = backoff } }

// Queue is the name of the queue that a consumer consumes; it is "queue" otherwise.
func Queue(name string) Option { return func(o *options) { o.queue = name } }
