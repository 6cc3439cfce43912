package store

import (
	"compress/gzip"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/task"
)

// format1 puts a file of the first format into a directory, as the version before queues wrote it.
func format1(t *testing.T) string {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", "format1.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "taskhost.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func execIn(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

func formatOf(t *testing.T, path string) int {
	t.Helper()
	i, err := ReadInfo(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return i.Format
}

func TestAFileOfTheFirstFormatIsBroughtToThisOne(t *testing.T) {
	t.Parallel()
	path := format1(t)
	if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 || formatOf(t, path) != 1 {
		t.Fatalf("before: Check = %q, %v", wrong, err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t, s, manyPuts(10)); err != nil {
		t.Error(err)
	}
	p, err := s.Runs(t.Context(), task.RunQuery{})
	if err != nil || len(p.Items) != 21 || p.Items[0].ID != "live" || p.Items[1].ID != "r19" {
		t.Errorf("%d runs are there, %v; want 21", len(p.Items), err)
	}
	if m, err := s.Recall(t.Context(), "a"); err != nil || m.Overrides.Paused == nil || len(m.Live) != 1 {
		t.Errorf("Recall = %+v, %v", m, err)
	}
	if v, _, err := s.Load(t.Context(), "a", "k"); err != nil || string(v) != `{ "v": 1 }` {
		t.Errorf("Load = %s, %v", v, err)
	}
	if v, err := s.RunValues(t.Context(), "live"); err != nil || string(v["cursor"]) != "5" {
		t.Errorf("RunValues = %s, %v", v, err)
	}
	if v, err := s.State(t.Context(), "a"); err != nil || string(v["n"].Value) != "7" {
		t.Errorf("State = %v, %v", v, err)
	}
	if slots, err := s.Slots(t.Context(), task.SlotQuery{}); err != nil || len(slots.Items) != 1 {
		t.Errorf("Slots = %v, %v", slots.Items, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 || formatOf(t, path) != Format {
		t.Errorf("after: Check = %q, %v, format %d", wrong, err, formatOf(t, path))
	}
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := format1(t)
	execIn(t, path, "CREATE TABLE message_ids (x)") // in the way, at the end of the migration
	if s, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "from format 1 to 2") {
		if err == nil {
			s.Close()
		}
		t.Fatalf("Open = %v", err)
	}
	if n := formatOf(t, path); n != 1 {
		t.Errorf("the format is %d", n)
	}
	execIn(t, path, "DROP TABLE message_ids")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatalf("what the migration had begun is in the way of the next: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := formatOf(t, path); n != Format {
		t.Errorf("the format is %d", n)
	}
}

func TestTheNextFormatIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execIn(t, path, "PRAGMA user_version = 4")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, open := Open(path, Options{})
	_, check := Check(t.Context(), path)
	_, info := ReadInfo(t.Context(), path)
	for what, err := range map[string]error{"Open": open, "Check": check, "ReadInfo": info} {
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "format 4 is newer") {
			t.Errorf("%s = %v", what, err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, or cannot be read: %v", err)
	}
}
