package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// golden writes a store in which every write was acknowledged, and returns copies of its files as they lie on the
// disk while it runs: most of it stands in the log still.
func golden(t *testing.T, settled bool) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "taskhost.db")
	s, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range goldenRuns {
		s.SaveRun(run("a", i, task.OutcomeSucceeded))
		if _, err := s.SetCheckpoint(t.Context(), "a", fmt.Sprint("k", i), []byte(fmt.Sprint(i)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if settled {
		s.Close()
	}
	files := map[string][]byte{}
	for _, suffix := range []string{"-acked", "-wal", ""} { // the mark first: it must not be ahead
		if b, err := os.ReadFile(path + suffix); err == nil {
			files[suffix] = b
		} else if !settled {
			t.Fatal(err)
		}
	}
	return files
}

const goldenRuns = 40

// judge opens a store made of the files. Either an error names the file, or everything is there.
func judge(t *testing.T, what string, files map[string][]byte) (named bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	for suffix, b := range files {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	naming := func(err error) bool {
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file: %v", what, err)
		}
		return err != nil
	}
	s, err := store.Open(path, store.Options{})
	if naming(err) {
		return true
	}
	defer s.Close()
	all, err := s.Checkpoints(t.Context(), "a")
	named = naming(err)
	page, err := s.Runs(t.Context(), task.RunQuery{})
	named = naming(err) || named
	if named {
		return true
	}
	wrong := len(all) != goldenRuns || len(page.Items) != goldenRuns
	for i := range goldenRuns {
		wrong = wrong || string(all[fmt.Sprint("k", i)].Value) != fmt.Sprint(i)
		r, ok, err := s.Run(t.Context(), fmt.Sprint("a-", i))
		if naming(err) {
			return true
		}
		wrong = wrong || !ok || !r.Ended.Equal(time.Unix(int64(i), 0))
	}
	if !wrong {
		return false
	}
	if findings, err := store.Check(t.Context(), path); err == nil && len(findings) == 0 {
		t.Errorf("%s: %d values and %d runs of %d are there and nobody says why", what, len(all), len(page.Items), goldenRuns)
	}
	return true
}

func TestADamagedEndOfTheLogIsNamed(t *testing.T) {
	t.Parallel()
	files := golden(t, false)
	if judge(t, "whole", files) {
		t.Fatal("the store that was not damaged is refused")
	}
	log := files["-wal"]
	for cut := 1; cut < len(log); cut = cut*3/2 + 100 {
		files["-wal"] = log[:len(log)-cut]
		// The very end holds events that nobody waited for.
		if !judge(t, fmt.Sprintf("%d bytes cut off", cut), files) && cut > len(log)/20 {
			t.Errorf("%d of %d bytes of the log are cut off, and the store opens as if nothing had been", cut, len(log))
		}
	}
	for at := len(log) - 2; at > 0; at -= len(log)/60 + 13 {
		files["-wal"] = flip(log, at)
		judge(t, fmt.Sprintf("bit flipped in the log at %d", at), files)
	}
	delete(files, "-wal")
	if !judge(t, "no log", files) {
		t.Error("the log is gone, and the store opens as if nothing had been")
	}
}

func TestADamagedDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	files := golden(t, true)
	if judge(t, "whole", files) {
		t.Fatal("the store that was not damaged is refused")
	}
	db := files[""]
	for cut := 1; cut < len(db); cut = cut*3/2 + 700 {
		files[""] = db[:len(db)-cut]
		if !judge(t, fmt.Sprintf("%d bytes cut off", cut), files) && cut > 4096 {
			t.Errorf("%d of %d bytes of the database are cut off, and the store opens as if nothing had been", cut, len(db))
		}
	}
	for at := 0; at < len(db); at += len(db)/150 + 7 {
		files[""] = flip(db, at)
		judge(t, fmt.Sprintf("bit flipped in the database at %d", at), files)
	}
	for what, b := range map[string][]byte{"emptied": {}, "another file": []byte(strings.Repeat("no database ", 1000))} {
		if files[""] = b; !judge(t, what, files) {
			t.Errorf("%s: the store opens", what)
		}
	}
	delete(files, "")
	if !judge(t, "deleted", files) {
		t.Error("the database is gone, and the store opens as if nothing had been")
	}
}

func flip(b []byte, at int) []byte {
	flipped := append([]byte(nil), b...)
	flipped[at] ^= 1 << (at % 8)
	return flipped
}
