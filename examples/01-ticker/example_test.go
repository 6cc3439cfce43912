package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func start(t *testing.T) *admintest.Host {
	return admintest.Start(t, admintest.Options{Config: "config.hcl", Plugins: []string{"examples/01-ticker"}})
}

// journal returns how many entries were begun and how many were ended.
func journal(t *testing.T, h *admintest.Host) (begun, ended int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.Dir, "journal.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "begin"), strings.Count(string(text), "end")
}

// untilWriting waits until an entry is being written.
func untilWriting(t *testing.T, h *admintest.Host) {
	t.Helper()
	h.Until("an entry is being written", func(context.Context) error {
		if begun, ended := journal(t, h); begun == ended {
			return errors.New("none is")
		}
		return nil
	})
}

func TestStateShowsNowWhileTheTaskRuns(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.UntilState("ticker", "running")
	now := func(ctx context.Context) (at time.Time, err error) {
		state, err := h.State(ctx, "ticker")
		if err != nil {
			return at, err
		}
		value, ok := state.Values["now"]
		if !ok {
			return at, errors.New("nothing published")
		}
		return at, json.Unmarshal(value.Value, &at)
	}
	var first time.Time
	h.Until("now is published", func(ctx context.Context) (err error) {
		first, err = now(ctx)
		return err
	})
	h.Until("now moves on", func(ctx context.Context) error {
		next, err := now(ctx)
		if err == nil && !next.After(first) {
			err = errors.New("it stands still")
		}
		return err
	})
}

func TestAGracefulStopFinishesTheEntryInProgress(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.UntilState("ticker", "running")
	untilWriting(t, h)
	if _, done, err := h.Client.Stop(t.Context(), "ticker", admin.Verb{Mode: admin.Graceful, Reason: "test"}, admintest.Bound); err != nil || !done {
		t.Fatalf("stop: done %v, %v", done, err)
	}
	if begun, ended := journal(t, h); begun != ended {
		t.Errorf("%d entries were begun and %d ended", begun, ended)
	}
	run := h.UntilRun("ticker", "")
	if run.Outcome != "succeeded" || run.Stop == nil || run.Stop.Stage != "drain" {
		t.Errorf("the run ended %s, stop %+v; want succeeded in drain", run.Outcome, run.Stop)
	}
}

func TestAHardStopEndsInTheMiddleOfTheEntry(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.UntilState("ticker", "running")
	untilWriting(t, h)
	if _, done, err := h.Client.Stop(t.Context(), "ticker", admin.Verb{Mode: admin.Hard, Reason: "test"}, admintest.Bound); err != nil || !done {
		t.Fatalf("stop: done %v, %v", done, err)
	}
	run := h.UntilRun("ticker", "")
	if run.Outcome == "succeeded" || run.Stop == nil || run.Stop.Stage != "cancel" {
		t.Errorf("the run ended %s, stop %+v; want another outcome, in cancel", run.Outcome, run.Stop)
	}
}
