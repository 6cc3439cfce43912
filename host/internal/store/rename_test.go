package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

// lived is a store with a task that has left some of everything.
func lived(t *testing.T, path, name string, runs int) *SQLite {
	t.Helper()
	s := opened(t, path)
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range runs {
		r := task.Run{ID: fmt.Sprintf("r%d", i), Task: name, State: task.RunEnded, Trigger: task.TriggerSlot, Slot: at.Add(time.Duration(i) * time.Minute),
			Outcome: []task.Outcome{task.OutcomeSucceeded, task.OutcomeFailed}[i%2], Queued: at, Ended: at}
		s.SaveRun(r)
	}
	s.SaveRun(task.Run{ID: "live", Task: name, State: task.RunQueued, Outcome: task.OutcomeInterrupted, Queued: at})
	s.SaveSlot(task.SlotRecord{ID: "s", Task: name, First: at, Last: at, Reason: task.MissedDowntime, Count: 1})
	s.SaveStatus(task.Status{Task: name, LastSlot: at.Add(time.Hour), Failures: 3})
	s.Publish(name, "n", json.RawMessage("7"), at)
	if err := s.SaveOverrides(t.Context(), name, task.Overrides{Paused: &task.Override{By: "anna"}}); err != nil {
		t.Fatal(err)
	}
	ops := []task.Op{{Kind: task.OpSave, Key: "k", Value: json.RawMessage("1")}, {Kind: task.OpSaveRun, Key: "cursor", Value: json.RawMessage("5")}}
	if err := s.Commit(t.Context(), name, "live", ops); err != nil {
		t.Fatal(err)
	}
	return s
}

// mustHave looks for everything that lived has left.
func mustHave(t *testing.T, s *SQLite, name string, runs int) {
	t.Helper()
	ids := map[string]bool{}
	for cursor := ""; ; {
		p, err := s.Runs(t.Context(), task.RunQuery{Tasks: []string{name}, Limit: 500, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Items {
			if r.Task != name {
				t.Fatalf("run %s is of task %q", r.ID, r.Task)
			}
			ids[r.ID] = true
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(ids) != runs+1 {
		t.Errorf("%d runs of %q, want %d", len(ids), name, runs+1)
	}
	m, err := s.Recall(t.Context(), name)
	if err != nil || m.Failures != 3 || m.Overrides.Paused == nil || m.LastSlot.Hour() != 13 && runs < 60 || len(m.Interrupted) != 1 || m.Interrupted[0].Task != name {
		t.Errorf("Recall = %+v, %v", m, err)
	}
	if v, _, err := s.Load(t.Context(), name, "k"); err != nil || string(v) != "1" {
		t.Errorf("Load = %s, %v", v, err)
	}
	if v, err := s.RunValues(t.Context(), "live"); err != nil || string(v["cursor"]) != "5" {
		t.Errorf("RunValues = %v, %v", v, err)
	}
	if v, err := s.State(t.Context(), name); err != nil || string(v["n"].Value) != "7" {
		t.Errorf("State = %v, %v", v, err)
	}
	if p, err := s.Slots(t.Context(), task.SlotQuery{Task: name}); err != nil || len(p.Items) != 1 || p.Items[0].Task != name {
		t.Errorf("Slots = %v, %v", p.Items, err)
	}
}

func TestEverythingOfATaskGoesOnUnderItsNewName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	const runs = 2*renameAtOnce + 7
	s := lived(t, path, "a", runs)
	before, err := s.Runs(t.Context(), task.RunQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	s.SetKeep("b", task.Keep{Succeeded: 500, Failed: 500}) // as a host does before it begins the task
	if err := s.Rename(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	mustHave(t, s, "b", runs)
	for range 2 { // also after a restart
		if p, err := s.Runs(t.Context(), task.RunQuery{Tasks: []string{"a"}}); err != nil || len(p.Items) > 0 {
			t.Errorf("%d runs of the old name, %v", len(p.Items), err)
		}
		if m, err := s.Recall(t.Context(), "a"); err != nil || !cmp.Equal(m, task.Memory{}) {
			t.Errorf("Recall of the old name = %+v, %v", m, err)
		}
		if err := s.Rename(t.Context(), "a", "b"); err != nil {
			t.Errorf("once more: %v", err)
		}
		after, err := s.Runs(t.Context(), task.RunQuery{Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		for i := range before.Items {
			before.Items[i].Task = "b"
		}
		if d := cmp.Diff(before.Items, after.Items); d != "" {
			t.Errorf("the order of the history: %s", d)
		}
		s.Close()
		if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 {
			t.Errorf("Check = %q, %v", wrong, err)
		}
		s = opened(t, path)
		mustHave(t, s, "b", runs)
	}
}

func TestARenameThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := lived(t, path, "a", 50)
	err := s.do(t.Context(), &op{do: func(ctx context.Context, t *tx) error {
		_, err := t.renameHistory(ctx, "a", "b", 20)
		return err
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = opened(t, path)
	if err := s.Rename(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	mustHave(t, s, "b", 50)
	s.Close()
	if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 {
		t.Errorf("Check = %q, %v", wrong, err)
	}
}

func TestATaskWithAPastKeepsItsOwn(t *testing.T) {
	t.Parallel()
	s := lived(t, filepath.Join(t.TempDir(), "taskhost.db"), "a", 5)
	s.SaveStatus(task.Status{Task: "b", LastSlot: time.Now()})
	var refused *task.Error
	if err := s.Rename(t.Context(), "a", "b"); !errors.As(err, &refused) || refused.Code != CodeNameTaken {
		t.Fatalf("Rename = %v", err)
	}
	mustHave(t, s, "a", 5)
	if err := s.Rename(t.Context(), "unknown", "new"); err != nil {
		t.Errorf("of a task that nobody knows: %v", err)
	}
}
