package task

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/sdk/internal/session"
)

// Host is what author code has of the host. Each run gets its own, and so does each
// call of a handler; an open function gets one that is bound to no run, which its
// object may keep for its methods. All methods are safe for concurrent use. Apart from Wait, Extend,
// Commit and Load they do not block: reports are sent in the background, and of
// several values of the same kind only the latest counts.
type Host struct {
	handle *session.Handle
	work   *session.Work // of a handler
}

// Info says what a run is about. Of the host that an open function gets, only
// Task, Type, Mode and Watchdog are set. Times are UTC; the zero time is none.
type Info struct {
	Task         string // its name in HCL
	Type         string
	Mode         Mode
	Watchdog     time.Duration // the longest that a continuous task may give no sign of life; 0 is no bound
	Run          string        // id of the run, the same for all its attempts
	Attempt      int           // from 1
	Trigger      string        // slot, manual, after_run, retry, backfill or start
	Slot         time.Time     // the nominal due time, which is what work should go by, not the clock
	PreviousSlot time.Time
	LastSuccess  time.Time // slot of the last run that succeeded
	Actor        string    // who asked for the run
	TraceParent  string    // W3C trace context; in a handler that of the message
}

// Info says what the run is about: in a handler, the run in which the task consumes.
func (h *Host) Info() Info {
	i := Info{Task: h.handle.Task(), Type: h.handle.Type(), Mode: Mode(h.handle.Mode()), Run: h.handle.Run(), Watchdog: h.handle.Watchdog()}
	if s := h.handle.Start; s != nil {
		i.Attempt, i.Trigger = int(s.GetAttempt()), s.GetTrigger()
		i.Slot, i.PreviousSlot, i.LastSuccess = session.At(s.GetSlot()), session.At(s.GetPreviousSlot()), session.At(s.GetLastSuccess())
		i.Actor, i.TraceParent = s.GetActor(), s.GetTraceparent()
	}
	if h.work != nil {
		i.TraceParent = h.work.TraceParent()
	}
	return i
}

// Log is the task's log; lines of a run carry its id, those of a handler its message's, too.
func (h *Host) Log() hclog.Logger {
	if h.work != nil {
		return h.work.Log()
	}
	return h.handle.Log()
}

// Slog is the same log for code that speaks log/slog.
func (h *Host) Slog() *slog.Logger { return slog.New(newSlogHandler(h.Log())) }

// Stopping is closed when the task begins to stop gracefully: finish what is at
// work, take nothing new, return. The context is still alive then; it ends when
// the drain has taken too long, or at once when the run is cancelled.
func (h *Host) Stopping() <-chan struct{} { return h.handle.Stopping() }

// Stopped reports whether Stopping is closed.
func (h *Host) Stopped() bool { return h.handle.Stopped() }

// Deadline is when the stage that the run is in ends, if it is known: while it
// runs, its timeout (in a handler, that of the call); while it drains, the moment
// when its context ends; after that, the moment when the process is killed.
func (h *Host) Deadline() (time.Time, bool) {
	if h.work != nil {
		return h.work.Deadline()
	}
	return h.handle.Deadline()
}

// Wait sleeps for d. It returns nil when d is over, [ErrStopping] as soon as the
// task begins to stop, and the cause of ctx when that ends. With d <= 0 it only looks.
func (h *Host) Wait(ctx context.Context, d time.Duration) error { return h.handle.Wait(ctx, d) }

// Ready says that the task does its work now: tasks that depend on it may start. A
// type that never calls it is ready when its open function has returned.
func (h *Host) Ready(note string) { h.handle.Ready(note) }

// Beat is a sign of life for the watchdog. Progress, Publish and Commit are such signs too.
func (h *Host) Beat(note string) { h.handle.Beat(note) }

// Extend asks for more time: it moves the run's timeout, or the end of the drain,
// by d. It waits for the answer and reports whether it was granted; the task's
// max_timeout is the bound, and of a drain without one an hour. In a handler it is [Message.Extend], and while the task drains
// it moves the end of that, too.
func (h *Host) Extend(d time.Duration) bool {
	if h.work == nil {
		return h.handle.Extend(d)
	}
	if !h.work.Extend(d) {
		return false
	}
	return !h.handle.Draining() || h.handle.Extend(d)
}

// Progress says how far the run has come; total 0 is unknown.
func (h *Host) Progress(done, total int64, note string) { h.handle.Progress(done, total, note) }

// Publish sets one value of the task's state, which anybody can read over HTTP while
// the task runs; numbers become metrics too. The value is encoded as JSON. It fails
// for a key or a value that cannot be sent, never because the host is slow.
func (h *Host) Publish(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("publish %q: %w", key, err)
	}
	if err := h.handle.Publish(key, text); err != nil {
		return fmt.Errorf("publish %q: %w", key, err)
	}
	return nil
}
