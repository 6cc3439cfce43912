package store

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

func opened(t *testing.T, path string) *SQLite {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTheNewestGenerationsAreRemembered(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := opened(t, path)
	snapshot := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, 100_000) }
	for n := 1; n <= KeepGenerations+3; n++ {
		a := task.Applied{Number: n, Digest: strings.Repeat("d", n), At: s.opts.Now().UTC().Round(0), How: task.HowReload, By: "anna", Summary: "1 changed"}
		if err := s.SaveGeneration(t.Context(), a, snapshot(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = opened(t, path)
	all, err := s.Generations(t.Context())
	if err != nil || len(all) != KeepGenerations || all[0].Number != KeepGenerations+3 || all[KeepGenerations-1].Number != 4 {
		t.Fatalf("%d generations, %v", len(all), err)
	}
	a, text, found, err := s.Generation(t.Context(), 7)
	if err != nil || !found || !bytes.Equal(text, snapshot(7)) {
		t.Errorf("generation 7: %t, %d bytes, %v", found, len(text), err)
	}
	if d := cmp.Diff(all[KeepGenerations+3-7], a); d != "" {
		t.Error(d)
	}
	if _, _, found, err := s.Generation(t.Context(), 3); err != nil || found {
		t.Errorf("generation 3: %t, %v", found, err)
	}
	if err := s.Close(); err != nil { // with the room that is laid out in its log
		t.Fatal(err)
	}
	if i, err := ReadInfo(t.Context(), path); err != nil || i.Generations != KeepGenerations || i.Bytes > 4<<20 {
		t.Errorf("info: %+v, %v", i, err)
	}
}

func TestADamagedGenerationIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := opened(t, path)
	for n := 1; n <= 3; n++ {
		if err := s.SaveGeneration(t.Context(), task.Applied{Number: n}, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	execIn(t, path, "UPDATE generations SET snapshot = x'0102030405060708' WHERE number = 2; UPDATE generations SET number = 9 WHERE number = 3")
	wrong, err := Check(t.Context(), path)
	if err != nil || len(wrong) != 2 || !strings.Contains(wrong[0], "generations, 2") || !strings.Contains(wrong[1], "generations, 9") {
		t.Errorf("Check = %q, %v", wrong, err)
	}
	s = opened(t, path)
	if _, _, _, err := s.Generation(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Generation = %v", err)
	}
}

func TestAFileOfTheSecondFormatIsBroughtToThisOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := opened(t, path)
	s.SaveRun(task.Run{ID: "r", Task: "a", State: task.RunEnded, Outcome: task.OutcomeSucceeded})
	if err := writeAll(t, s, manyPuts(3)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	execIn(t, path, "DROP TABLE generations; PRAGMA user_version = 2")
	if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 || formatOf(t, path) != 2 {
		t.Fatalf("before: Check = %q, %v", wrong, err)
	}
	s = opened(t, path)
	if err := s.SaveGeneration(t.Context(), task.Applied{Number: 1}, nil); err != nil {
		t.Error(err)
	}
	if _, found, err := s.Run(t.Context(), "r"); err != nil || !found {
		t.Errorf("its run: %t, %v", found, err)
	}
	s.Close()
	if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 || formatOf(t, path) != Format {
		t.Errorf("after: Check = %q, %v", wrong, err)
	}
}
