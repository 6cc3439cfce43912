package store

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// What is saved while a transaction is being written is in the next one, and the mark of a host that dies between the
// two must not be ahead of it.
func TestTheHighWaterMarkIsNeverAheadOfItsRecords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	slot := func(n int) task.SlotRecord {
		at := time.Unix(int64(1000+n), 0).UTC()
		return task.SlotRecord{ID: "one", Task: "a", Reason: task.SkippedOverlap, First: time.Unix(1001, 0).UTC(), Last: at, Count: n, At: at}
	}
	died := filepath.Join(t.TempDir(), "taskhost.db")
	s.SaveSlot(slot(1))
	err = s.do(t.Context(), &op{
		do: func(context.Context, *tx) error {
			s.SaveSlot(slot(2))
			return nil
		},
		after: func() { // the transaction is on the disk, and the next one is not begun
			for _, suffix := range []string{"", "-wal"} {
				data, err := os.ReadFile(path + suffix)
				if err == nil {
					err = os.WriteFile(died+suffix, data, 0o600)
				}
				if err != nil {
					t.Error(err)
				}
			}
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Open(died, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	m, err := next.Recall(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	page, err := next.Slots(t.Context(), task.SlotQuery{Task: "a"})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d records, %v", len(page.Items), err)
	}
	if got := page.Items[0]; m.LastSlot.After(got.Last) {
		t.Errorf("the mark is at %s, and the record ends with the slot of %s", m.LastSlot, got.Last)
	}
}
