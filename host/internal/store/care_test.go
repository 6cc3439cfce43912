package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

func openAt(t *testing.T, path string, o store.Options) *store.SQLite {
	t.Helper()
	s, err := store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

func TestEverythingIsThereAfterAnotherOpening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "with space & %3f?", "taskhost.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path, store.Options{})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := task.Overrides{Stopped: &task.Override{By: "ann", At: at, Reason: "disk"}}
	live := task.Run{ID: "live", Task: "a", State: task.RunRunning, Trigger: task.TriggerSlot, Slot: at, Queued: at, Started: at}
	waits := task.Run{ID: "waits", Task: "a", State: task.RunQueued, Outcome: task.OutcomeInterrupted, Queued: at}
	s.SaveStatus(task.Status{Task: "a", LastSlot: at, LastSuccess: at, Failures: 3, Last: &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed, Ended: at}})
	for _, r := range []task.Run{live, waits, run("a", 1, task.OutcomeFailed), run("a", 2, task.OutcomeSucceeded)} {
		s.SaveRun(r)
	}
	slot := task.SlotRecord{ID: "s", Task: "a", Reason: task.SkippedOverlap, First: at, Last: at.Add(time.Minute), Count: 2, At: at}
	s.SaveSlot(slot)
	s.Publish("a", "n", []byte("7"), at)
	s.Event(task.Event{Topic: "task", Kind: "state", Task: "a", At: at})
	if err := s.SaveOverrides(t.Context(), "a", o); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), "a", "waits", []task.Op{{Kind: task.OpSaveRun, Key: "cursor", Value: []byte("{ \"at\": 1 }")}}); err != nil {
		t.Fatal(err)
	}
	first, err := s.SetCheckpoint(t.Context(), "a", "k", []byte(`"v"`), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetCheckpoint(t.Context(), "a", "gone", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetCheckpoint(t.Context(), "a", "gone", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lastEvent := s.LastEvent()

	s = openAt(t, path, store.Options{})
	m, err := s.Recall(t.Context(), "a")
	want := task.Memory{
		Overrides: o, LastSlot: at.Add(time.Minute), LastEnd: at, LastSuccess: at, Failures: 3,
		Last: &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed, Ended: at}, Live: []task.Run{live}, Interrupted: []task.Run{waits},
	}
	if diff := cmp.Diff(want, m); err != nil || diff != "" {
		t.Errorf("Recall: %v (-want +got):\n%s", err, diff)
	}
	ids := ""
	p, err := s.Runs(t.Context(), task.RunQuery{})
	for _, r := range p.Items {
		ids += r.ID + " "
	}
	if err != nil || ids != "waits live a-2 a-1 " {
		t.Errorf("Runs = %s, %v", ids, err)
	}
	if slots, err := s.Slots(t.Context(), task.SlotQuery{}); err != nil || len(slots.Items) != 1 || !cmp.Equal(slots.Items[0], slot) {
		t.Errorf("Slots = %+v, %v", slots.Items, err)
	}
	if v, err := s.RunValues(t.Context(), "waits"); err != nil || string(v["cursor"]) != `{ "at": 1 }` {
		t.Errorf("RunValues = %s, %v", v, err)
	}
	if st, err := s.State(t.Context(), "a"); err != nil || string(st["n"].Value) != "7" {
		t.Errorf("State = %v, %v", st, err)
	}
	if c, err := s.Checkpoints(t.Context(), "a"); err != nil || !cmp.Equal(c, map[string]task.Checkpoint{"k": first}) {
		t.Errorf("Checkpoints = %v, %v; want %v", c, err, first)
	}
	if c, err := s.SetCheckpoint(t.Context(), "a", "k", []byte("2"), first.Version); err != nil || c.Version <= first.Version+1 {
		t.Errorf("the next version = %d, %v; %d was given out and deleted", c.Version, err, first.Version+1)
	}
	s.Event(task.Event{Topic: "task", Kind: "state", Task: "b", At: at})
	if err := s.SaveOverrides(t.Context(), "b", task.Overrides{}); err != nil {
		t.Fatal(err)
	}
	events, ok := s.EventsSince(lastEvent)
	if !ok || len(events) != 2 || events[1].Task != "b" || events[0].Seq <= lastEvent {
		t.Errorf("the events since the last life: %v, %v; want the checkpoint's and one more", events, ok)
	}
	if _, ok := s.EventsSince(lastEvent + 1); ok {
		t.Error("an event that was never given out is known")
	}
}

func TestABackupOfARunningStoreIsAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "taskhost.db"), store.Options{})
	for i := range 100 {
		s.SaveRun(run("a", i, task.OutcomeSucceeded))
	}
	if _, err := s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	live, copied := filepath.Join(dir, "taskhost.db"), filepath.Join(dir, "copy.db")
	if err := store.Backup(t.Context(), live, copied, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Backup(t.Context(), live, copied, false, nil); err == nil || !strings.Contains(err.Error(), copied) {
		t.Errorf("a backup over a file = %v", err)
	}
	for _, path := range []string{copied, filepath.Join(dir, "taskhost.db")} {
		if wrong, err := store.Check(t.Context(), path); err != nil || len(wrong) > 0 {
			t.Errorf("Check(%s) = %q, %v", path, wrong, err)
		}
		i, err := store.ReadInfo(t.Context(), path)
		if err != nil || i.Runs != 100 || i.Live != 0 || i.Format != store.Format || i.Bytes == 0 || i.Oldest.IsZero() || i.Commits == 0 {
			t.Errorf("ReadInfo(%s) = %+v, %v", path, i, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, %v", path, st.Mode(), err)
		}
	}
	again := openAt(t, copied, store.Options{})
	if v, ok, err := again.Load(t.Context(), "a", "k"); !ok || string(v) != "1" || err != nil {
		t.Errorf("the copy holds %s, %v, %v", v, ok, err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	for want, statements := range map[string]string{
		"another program": "CREATE TABLE t (x)",
		"newer than":      "PRAGMA application_id = 1952543595; PRAGMA user_version = 99; CREATE TABLE t (x)",
		"lost its tables": "PRAGMA application_id = 1952543595; PRAGMA user_version = 1",
	} {
		path := filepath.Join(t.TempDir(), "taskhost.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(statements); err != nil {
			t.Fatal(err)
		}
		db.Close()
		if s, err := store.Open(path, store.Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open = %v", want, err)
			if err == nil {
				s.Close()
			}
		}
	}
	if _, err := store.Check(t.Context(), filepath.Join(t.TempDir(), "none.db")); err == nil {
		t.Error("a file that is not there can be checked")
	}
}

func TestAnOlderFileInTheStoresPlaceIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := openAt(t, path, store.Options{})
	if err := s.SaveOverrides(t.Context(), "a", task.Overrides{}); err != nil {
		t.Fatal(err)
	}
	old := path + ".old"
	if err := store.Backup(t.Context(), path, old, false, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if err := os.Rename(old, path); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(path, store.Options{}); err == nil || !strings.Contains(err.Error(), "-acked") {
		t.Errorf("Open = %v; want a refusal that says what to do", err)
	}
	if wrong, err := store.Check(t.Context(), path); err != nil || len(wrong) != 1 {
		t.Errorf("Check = %q, %v", wrong, err)
	}
	if err := os.Remove(path + "-acked"); err != nil {
		t.Fatal(err)
	}
	openAt(t, path, store.Options{})
}

func TestWhatIsOverTheBoundsAtOpeningIsForgotten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := openAt(t, path, store.Options{})
	for i := range 300 {
		s.SaveRun(run(fmt.Sprint("t", i%3), i, task.OutcomeSucceeded))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, store.Options{Keep: task.Keep{Succeeded: 10}})
	s.Event(task.Event{Topic: "host", Kind: "started"})
	bound, look := time.After(20*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for n := -1; n != 30; {
		p, err := s.Runs(t.Context(), task.RunQuery{Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		n = len(p.Items)
		select {
		case <-bound:
			t.Fatalf("%d runs are kept; want 10 of each task", n)
		case <-look.C:
		}
	}
	if wrong, err := store.Check(t.Context(), path); err != nil || len(wrong) > 0 {
		t.Errorf("Check = %q, %v", wrong, err)
	}
}

func TestAnEventThatWasNeverGivenOutIsNotKnownAndNoFault(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	s := openAt(t, filepath.Join(t.TempDir(), "taskhost.db"), store.Options{Log: hclog.New(&hclog.LoggerOptions{Output: &said})})
	for _, seq := range []uint64{0, s.LastEvent() + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		if events, known := s.EventsSince(seq); known || len(events) > 0 {
			t.Errorf("EventsSince(%d) = %v, %v", seq, events, known)
		}
	}
	if said.Len() > 0 {
		t.Errorf("this was said:\n%s", &said)
	}
}
