// Command report is a plugin with one long job: it tells its progress, keeps a cursor for
// the run, so that a drained run goes on where it was, and says by typed errors what a
// retry is good for.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config is what `config {}` of a report takes.
type Config struct {
	Rows int           `task:"rows,optional" default:"50" min:"1" doc:"rows of a month"`
	Work time.Duration `task:"work,optional" default:"50ms" doc:"time that a row takes"`
}

// Input names the month; a slot's run has none and reports the month of its slot.
type Input struct {
	Month string `json:"month,omitempty"`
	Flaky bool   `json:"flaky,omitempty"` // the first attempt fails half way
}

// Result is what a report comes to.
type Result struct {
	Month    string `json:"month"`
	Rows     int    `json:"rows"`
	Attempts int    `json:"attempts"`
}

// A cursor is how far a run has come; it lives as long as the run.
type cursor struct {
	Row int `json:"row"`
}

func main() {
	task.Serve(task.Plugin{Name: "report", Version: "1.0.0", Types: []task.Type{
		task.Job("report", report, task.Doc("a monthly report, row by row, that can be interrupted")),
	}})
}

func report(ctx context.Context, h *task.Host, c Config, in Input) (Result, error) {
	if in.Month == "" {
		in.Month = h.Info().Slot.Format("2006-01")
	}
	if _, err := time.Parse("2006-01", in.Month); err != nil {
		return Result{}, task.Permanent(fmt.Errorf("month %q is not of the form 2026-11", in.Month))
	}
	at, _, err := task.LoadRun[cursor](ctx, h, "cursor")
	if err != nil {
		return Result{}, err
	}
	for ; at.Row < c.Rows; at.Row++ {
		if in.Flaky && h.Info().Attempt == 1 && at.Row == c.Rows/2 {
			return Result{}, task.RetryAfter(100*time.Millisecond, errors.New("the ledger is locked"))
		}
		h.Progress(int64(at.Row), int64(c.Rows), fmt.Sprintf("row %d of %s", at.Row, in.Month))
		if err := h.Wait(ctx, c.Work); errors.Is(err, task.ErrStopping) {
			return Result{}, task.Interrupted(fmt.Sprintf("at row %d", at.Row))
		} else if err != nil {
			return Result{}, err
		}
		if err := h.Commit(ctx, task.SaveRun("cursor", cursor{at.Row + 1})); err != nil {
			return Result{}, err
		}
	}
	return Result{Month: in.Month, Rows: at.Row, Attempts: h.Info().Attempt}, nil
}
