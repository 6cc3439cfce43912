package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// filled makes a store with a bit of everything, as a host leaves it that was killed.
func filled(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "taskhost.db")
	for suffix, b := range golden(t, false) {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// contents are the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestLookingIntoAStoreChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filled(t, dir)
	before := contents(t, dir)
	i, err := store.ReadInfo(t.Context(), path)
	if err != nil || i.Runs == 0 || i.Checkpoints != goldenRuns || i.IDs != goldenRuns {
		t.Errorf("ReadInfo = %+v, %v", i, err)
	}
	if want := []store.QueueInfo{{Name: "q", Messages: 26, DeadLetters: 14}}; !cmp.Equal(i.Queues, want) {
		t.Errorf("the queues are %+v; want %+v", i.Queues, want)
	}
	if wrong, err := store.Check(t.Context(), path); err != nil || len(wrong) > 0 {
		t.Errorf("Check = %q, %v", wrong, err)
	}
	if err := store.Backup(t.Context(), path, filepath.Join(t.TempDir(), "copy"), false, nil); err != nil {
		t.Error(err)
	}
	after := contents(t, dir)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestARestoredStoreHoldsWhatTheCopyHeld(t *testing.T) {
	t.Parallel()
	copied := filepath.Join(t.TempDir(), "copy.db")
	var done, about int64
	if err := store.Backup(t.Context(), filled(t, t.TempDir()), copied, false, func(d, a int64) { done, about = d, a }); err != nil {
		t.Fatal(err)
	}
	if done == 0 || done != about {
		t.Errorf("the progress ends at %d of %d", done, about)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "taskhost.db")
	// The mark of the store that was lost is ahead of the copy.
	s := openAt(t, path, store.Options{})
	for range 300 {
		if _, err := s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if err := store.Restore(t.Context(), copied, path, nil); err == nil || !strings.Contains(err.Error(), "not written over") {
		t.Errorf("Restore over a store = %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-wal", []byte("of the lost one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Restore(t.Context(), copied, path, nil); err == nil || !strings.Contains(err.Error(), path+"-wal") {
		t.Errorf("Restore beside the log of another store = %v", err)
	}
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	if err := store.Restore(t.Context(), copied, path, nil); err != nil {
		t.Fatal(err)
	}
	if judge(t, "restored", readAll(t, path)) {
		t.Error("the restored store does not hold what the copy held")
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the restored store has the mode %v, %v", st.Mode(), err)
	}
	again := openAt(t, path, store.Options{})
	if err := again.SaveOverrides(t.Context(), "a", task.Overrides{}); err != nil {
		t.Error(err)
	}
}

func readAll(t *testing.T, path string) map[string][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"": b}
}

func TestADamagedStoreIsNeitherBackedUpNorRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	if err := store.Backup(t.Context(), filled(t, t.TempDir()), good, false, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.db")
	at := strings.Index(string(b), `{ "n": 20, "x"`)
	if err := os.WriteFile(bad, flip(b, at+8), 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	named := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), `table messages, body of record`) {
			t.Errorf("%s = %v; want the damage with its place", what, err)
		}
	}
	named("Backup", store.Backup(t.Context(), bad, good, true, nil))
	named("Restore", store.Restore(t.Context(), bad, filepath.Join(dir, "taskhost.db"), nil))
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("the directory has changed (-before +after):\n%s", diff)
	}
	if err := store.Backup(t.Context(), good, good, true, nil); err == nil || !strings.Contains(err.Error(), "the store itself") {
		t.Errorf("Backup onto itself = %v", err)
	}
	if err := store.Backup(t.Context(), good, dir, true, nil); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("Backup onto a directory = %v", err)
	}
	if err := store.Backup(t.Context(), filepath.Join(dir, "none.db"), filepath.Join(dir, "x"), false, nil); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("Backup of nothing = %v", err)
	}
	if err := store.Backup(t.Context(), good, bad, true, nil); err != nil {
		t.Errorf("Backup with force = %v", err)
	}
	if wrong, err := store.Check(t.Context(), bad); err != nil || len(wrong) > 0 {
		t.Errorf("what was replaced: %q, %v", wrong, err)
	}
}
