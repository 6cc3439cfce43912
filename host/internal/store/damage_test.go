package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/store/storetest"
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
		// Every third message dies; bodies are of the sizes that stand in a page, and over several.
		w := task.QueueWrite{Put: []task.Put{{Message: goldenMessage(i), RememberFor: time.Hour, Digest: []byte{byte(i)}}}}
		goldenWrite(t, s, &w)
		if i%3 == 0 {
			u := task.MessageUpdate{Seq: w.Put[0].Message.Seq, Attempts: i + 1}
			goldenWrite(t, s, &task.QueueWrite{Bury: []task.Burial{{MessageUpdate: u, Reason: task.DeadFailed, At: time.Unix(1e9, 0)}}})
		} else {
			goldenWrite(t, s, &task.QueueWrite{Update: []task.MessageUpdate{{Seq: w.Put[0].Message.Seq, Attempts: i + 1}}})
		}
	}
	if settled {
		s.Close()
	}
	files := map[string][]byte{}
	for _, suffix := range []string{"-acked", "-wal", ""} { // the mark first: it must not be ahead
		if b, err := os.ReadFile(path + suffix); err == nil {
			files[suffix] = b
			if suffix == "-wal" {
				files[suffix] = storetest.WrittenLog(b)
			}
		} else if !settled {
			t.Fatal(err)
		}
	}
	return files
}

const goldenRuns = 40

func goldenMessage(i int) *task.Message {
	body := fmt.Sprintf(`{ "n": %d, "x": %q }`, i, strings.Repeat("x", i*i*5))
	return &task.Message{Queue: "q", ID: fmt.Sprint("m", i), Posted: time.Unix(1e9, 0), Source: "somebody", Body: []byte(body)}
}

func goldenWrite(t *testing.T, s *store.SQLite, w *task.QueueWrite) {
	t.Helper()
	done := make(chan error, 1)
	w.Waiting, w.Done = true, func(err error) { done <- err }
	s.WriteQueues(w)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// goldenMessages reads all messages and dead letters, and returns those that are as they were written.
func goldenMessages(t *testing.T, s *store.SQLite) (whole int, err error) {
	t.Helper()
	var all []task.Message
	var places []uint64
	err = s.Backlog(t.Context(), func(m task.Message) error {
		all, places = append(all, m), append(places, m.Seq)
		return nil
	})
	if err != nil {
		return 0, err
	}
	bodies, err := s.Bodies(t.Context(), places)
	if err != nil {
		return 0, err
	}
	for i := range all {
		all[i].Body = bodies[i]
	}
	dead, err := s.DeadLetters(t.Context(), task.DeadQuery{Queue: "q"})
	for _, l := range dead.Items {
		all = append(all, l.Message)
	}
	for _, m := range all {
		var i int
		if _, err := fmt.Sscanf(m.ID, "m%d", &i); err != nil {
			continue
		}
		want := goldenMessage(i)
		if string(m.Body) == string(want.Body) && m.Queue == want.Queue && m.Source == want.Source && m.Posted.Equal(want.Posted) && m.Attempts == i+1 {
			whole++
		}
	}
	return whole, err
}

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
	messages, err := goldenMessages(t, s)
	named = naming(err) || named
	if named {
		return true
	}
	wrong := messages != goldenRuns || len(all) != goldenRuns || len(page.Items) != goldenRuns
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
		t.Errorf("%s: %d values, %d runs and %d messages of %d are there and nobody says why", what, len(all), len(page.Items), messages, goldenRuns)
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
	for at := 0; at < len(db); at += len(db)/200 + 7 {
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

// TestADamagedMessageIsNamedByItsPlace flips one bit in each part of one message's row.
func TestADamagedMessageIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	files := golden(t, true)
	db := files[""]
	for what, text := range map[string]string{
		"record": `"id":"m20"`, "body": `{ "n": 20, "x"`, "record of a dead letter": `"id":"m21"`, "body of a dead letter": `{ "n": 21, "x"`, "tries": `{"attempts":21}`,
	} {
		at := strings.Index(string(db), text)
		if at < 0 {
			t.Fatalf("the %s is not found in the file", what)
		}
		files[""] = flip(db, at+len(text)-2)
		if !judge(t, what, files) {
			t.Errorf("%s: a bit is flipped, and everything is read as if nothing had been", what)
		}
		path := filepath.Join(t.TempDir(), "taskhost.db")
		for suffix, b := range files {
			if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		table := "table messages"
		if strings.Contains(what, "dead") {
			table = "table dead_letters"
		}
		wrong, err := store.Check(t.Context(), path)
		if err != nil || len(wrong) != 1 || !strings.Contains(wrong[0], table) || !strings.Contains(wrong[0], `of queue "q"`) {
			t.Errorf("%s: Check = %q, %v; want the record's place", what, wrong, err)
		}
	}
}

func TestADamagedBodyDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	files := golden(t, true)
	path := filepath.Join(t.TempDir(), "taskhost.db")
	at := strings.Index(string(files[""]), `{ "n": 20, "x"`)
	files[""] = flip(files[""], at+8)
	for suffix, b := range files {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, path, store.Options{})
	var places []uint64
	want := map[int]string{}
	err := s.Backlog(t.Context(), func(m task.Message) error {
		var i int
		fmt.Sscanf(m.ID, "m%d", &i)
		if want[len(places)] = string(goldenMessage(i).Body); i == 20 {
			want[len(places)] = ""
		}
		places = append(places, m.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	bodies, err := s.Bodies(t.Context(), places)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "table messages, body of record") || len(bodies) != len(places) {
		t.Fatalf("Bodies = %d, %v", len(bodies), err)
	}
	for i, b := range bodies {
		if string(b) != want[i] {
			t.Errorf("body %d = %.40s; want %.40s", i, b, want[i])
		}
	}
}

// TestADamagedRecordRefusesOnlyTheWriteThatNeedsIt damages a remembered id and a message in an open store's file.
func TestADamagedRecordRefusesOnlyTheWriteThatNeedsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s := openAt(t, path, store.Options{})
	mine := func() *task.QueueWrite {
		return &task.QueueWrite{Put: []task.Put{{Message: goldenMessage(1), RememberFor: time.Hour, Digest: []byte("the digest")}}}
	}
	first := mine()
	goldenWrite(t, s, first)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"the digest", `"id":"m1"`} {
		at := strings.Index(string(db), text)
		if at < 0 {
			t.Fatalf("%q is not found in the file", text)
		}
		db = flip(db, at+len(text)-2)
	}
	if err := os.WriteFile(path, db, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, store.Options{})
	burial := &task.QueueWrite{Bury: []task.Burial{{MessageUpdate: task.MessageUpdate{Seq: first.Put[0].Message.Seq}}}}
	ends := make(chan error, 3)
	for _, w := range []*task.QueueWrite{mine(), burial, {Put: []task.Put{{Message: goldenMessage(2)}}}} {
		w.Done = func(err error) { ends <- err }
		s.WriteQueues(w)
	}
	for i, place := range []string{"table message_ids", "table messages", ""} {
		err := <-ends
		var e *task.Error
		if place == "" {
			if err != nil {
				t.Errorf("a write that needs nothing of it = %v", err)
			}
		} else if !errors.As(err, &e) || e.Code != store.CodeDamaged || !strings.Contains(e.Detail, path) || !strings.Contains(e.Detail, place) {
			t.Errorf("write %d = %v; want a refusal that names %s and %s", i, err, path, place)
		}
	}
	if err := s.Ready(); err != nil {
		t.Errorf("the store is not ready: %v", err)
	}
	if err := s.Backlog(t.Context(), func(task.Message) error { return nil }); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Backlog = %v; want the file named", err)
	}
}
