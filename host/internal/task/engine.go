package task

import (
	"context"
	"encoding/json"
	"time"
)

// ProcessID names a process within the host's life; the supervisor gives it out before
// the launch, so that what comes back can be told apart.
type ProcessID uint64

// Engine carries out what the supervisor has decided. Except for Call its methods return
// at once; what they bring about comes back as Reports, in order per process. A method
// for a process that is gone does nothing: its Gone report is on the way. Implemented by runner.
type Engine interface {
	// Launch starts a process for def and configures it: ProcessReady or ProcessFailed follows.
	Launch(id ProcessID, def *Definition)
	// Hurry says that a run waits for this launch: it goes before those that are ahead of their time.
	Hurry(id ProcessID)
	// StartRun hands an attempt to a ready process: RunEntered and RunReturned follow, or ProcessGone.
	StartRun(id ProcessID, start RunStart)
	// Drain closes Stopping for the run.
	Drain(id ProcessID, run string, deadline time.Duration, reason string)
	// Cancel ends the context of the run.
	Cancel(id ProcessID, run string, cause CancelCause, deadline time.Duration)
	// Close ends a process without a run: what it holds open is closed, then its tree is killed.
	Close(id ProcessID)
	// Kill ends the process tree at once.
	Kill(id ProcessID)
	// Grant answers an Extension.
	Grant(id ProcessID, request uint64, granted bool)
	// Call asks a method of a live process and waits for the answer.
	Call(ctx context.Context, id ProcessID, method string, input json.RawMessage) (json.RawMessage, error)
}

// Report is what a process brought about: one of the types below.
type Report interface{ Process() ProcessID }

type (
	// ProcessReady: launched and configured.
	ProcessReady struct {
		ID   ProcessID
		Info ProcessInfo
		At   time.Time
	}
	// ProcessFailed: the launch or Configure failed (*LaunchError, *ConfigError or another
	// error); nothing of the process is left. No ProcessGone follows.
	ProcessFailed struct {
		ID  ProcessID
		Err error
		At  time.Time
	}
	// ProcessGone: a process that was ready has ended and its tree is swept. Reports of its
	// run, if it had returned, came before.
	ProcessGone struct {
		ID          ProcessID
		Exit        ExitCause
		SavedValues bool // the run that it ended under has run-scoped values
		At          time.Time
	}
	// ProcessMoving: a process that others share will end soon, because of one of them. Its run may
	// be finished in it, the next one begins in another.
	ProcessMoving struct {
		ID     ProcessID
		Reason string
		At     time.Time
	}
	// RunEntered: author code has been entered.
	RunEntered struct {
		ID  ProcessID
		Run string
		At  time.Time
	}
	// RunReturned: author code has returned.
	RunReturned struct {
		ID          ProcessID
		Result      RunResult
		SavedValues bool // the run has run-scoped values
		At          time.Time
	}
	// BecameReady: author code called Ready.
	BecameReady struct {
		ID   ProcessID
		Note string
		At   time.Time
	}
	// Alive: signs of life since the last Alive; at most one per second.
	Alive struct {
		ID       ProcessID
		Run      string
		Progress *Progress // the newest, when there is one
		Note     string
		At       time.Time
	}
	// Extension: author code asks for more time; answered by Engine.Grant.
	Extension struct {
		ID      ProcessID
		Run     string
		Request uint64
		By      time.Duration
		At      time.Time
	}
)

// Process tells whose report it is.
func (r ProcessReady) Process() ProcessID  { return r.ID }
func (r ProcessFailed) Process() ProcessID { return r.ID }
func (r ProcessGone) Process() ProcessID   { return r.ID }
func (r ProcessMoving) Process() ProcessID { return r.ID }
func (r RunEntered) Process() ProcessID    { return r.ID }
func (r RunReturned) Process() ProcessID   { return r.ID }
func (r BecameReady) Process() ProcessID   { return r.ID }
func (r Alive) Process() ProcessID         { return r.ID }
func (r Extension) Process() ProcessID     { return r.ID }
