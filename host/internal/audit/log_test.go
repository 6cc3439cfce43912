package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, path string, size int64, keep int) *Log {
	t.Helper()
	l, err := Open(path, Options{MaxSize: size, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func page(t *testing.T, l *Log, q Query) ([]Record, uint64) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	items, next, err := l.Page(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return items, next
}

// lines are the records of one file, in their order.
func lines(t *testing.T, path string) (all []Record) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var r Record
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Errorf("%s: %v", s.Text(), err)
		}
		all = append(all, r)
	}
	return all
}

func TestRecordsAreThereBeforeWriteReturnsAndGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 1<<20, 3)
	l.Write(Record{Actor: "alice", Reason: "a\nline\x00 \"and\" more"})
	if got := lines(t, path); len(got) != 1 || got[0].Seq != 1 || got[0].Reason != "a\nline\x00 \"and\" more" || got[0].At.IsZero() {
		t.Errorf("%+v", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"seq":2,"act`) // a crash cut it
	f.Close()
	l.Close()
	l.Write(Record{Actor: "after the end"})
	again := open(t, path, 1<<20, 3)
	again.Write(Record{Actor: "bob"})
	got, next := page(t, again, Query{})
	if len(got) != 2 || got[0].Actor != "bob" || got[0].Seq != 2 || got[1].Actor != "alice" || next != 0 {
		t.Errorf("%+v %d", got, next)
	}
}

func TestFilesAreBoundedAndPagesGoThroughThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	const size, keep = 20_000, 3
	l := open(t, path, size, keep)
	for range 2000 {
		l.Write(Record{Actor: "alice", Route: "POST /v1/tasks/{task}/stop"})
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != keep+1 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > size {
			t.Errorf("%s: %v %v", e.Name(), info.Size(), err)
		}
	}
	want, before := uint64(2000), uint64(0)
	for {
		items, next := page(t, l, Query{Limit: 70, Before: before})
		for _, r := range items {
			if r.Seq != want {
				t.Fatalf("record %d, want %d", r.Seq, want)
			}
			want--
		}
		if before = next; next == 0 {
			break
		}
	}
	if first := lines(t, path+".3")[0].Seq; want != first-1 {
		t.Errorf("pages end before %d, the files begin with %d", want+1, first)
	}
	if seq := open(t, path, size, keep).seq; seq != 2000 {
		t.Errorf("after a restart the last is %d", seq)
	}
}

func TestPagesSelect(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "audit.jsonl"), 1<<20, 0)
	l.Write(Record{Actor: "alice", Task: "a"})
	l.Write(Record{Actor: "bob", Queue: "q"})
	l.Write(Record{Actor: "bob", Tasks: []string{"b", "a"}})
	for name, c := range map[string]struct {
		q    Query
		want []uint64
	}{
		"all": {Query{}, []uint64{3, 2, 1}}, "actor": {Query{Actor: "bob"}, []uint64{3, 2}}, "task": {Query{Task: "a"}, []uint64{3, 1}},
		"queue": {Query{Queue: "q"}, []uint64{2}}, "before": {Query{Before: 2}, []uint64{1}}, "since": {Query{Since: time.Now().Add(time.Hour)}, nil},
	} {
		items, next := page(t, l, c.q)
		var got []uint64
		for _, r := range items {
			got = append(got, r.Seq)
		}
		if len(got) != len(c.want) || next != 0 {
			t.Errorf("%s: %v, want %v; next %d", name, got, c.want, next)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}

func TestLikeRecordsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		l := open(t, path, 1<<20, 0)
		for range 100 {
			l.Repeated("x", Record{Actor: "x"})
		}
		l.Repeated("y", Record{Actor: "y"})
		if got := lines(t, path); len(got) != 2 || got[0].Count+got[1].Count != 0 {
			t.Errorf("at once: %+v", got)
		}
		<-time.After(repeatTime + 1)
		synctest.Wait()
		if got := lines(t, path); len(got) != 3 || got[2].Actor != "x" || got[2].Count != 99 {
			t.Errorf("a minute later: %+v", got)
		}
		l.Repeated("x", Record{Actor: "x"})
		l.Repeated("x", Record{Actor: "x"})
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := lines(t, path); len(got) != 5 || got[4].Count != 1 {
			t.Errorf("at the end: %+v", got)
		}
	})
}

func TestManyKeysAreNotKept(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "audit.jsonl"), 1<<20, 0)
	for i := range 2*maxRepeats + 10 {
		l.Repeated(string(rune(i)), Record{})
		l.Repeated(string(rune(i)), Record{})
	}
	if n := len(l.repeats); n > maxRepeats {
		t.Errorf("%d are kept", n)
	}
}

func TestLostRecordsAreToldOfAndCounted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.jsonl")
	l := open(t, path, 1<<20, 1)
	l.Write(Record{Actor: "before"})
	if err := l.Err(); err != nil {
		t.Error(err)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Actor: "lost"})
	l.Write(Record{Actor: "lost too"})
	if err := l.Err(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("while it cannot be written: %v", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Actor: "after"})
	if err := l.Err(); err != nil {
		t.Error(err)
	}
	if got := lines(t, path); len(got) != 2 || got[1].Actor != "after" || got[1].Lost != 2 || got[1].Seq != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAFileThatIsMovedAwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path, 1<<20, 1)
	l.Write(Record{Actor: "before"})
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Actor: "after"})
	if got := lines(t, path); len(got) != 1 || got[0].Actor != "after" || got[0].Seq != 2 {
		t.Errorf("%+v", got)
	}
}

func TestALogThatProvesNothingIsNotOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o622); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, says string }{
		"others may write it": {path, "chmod go-w"}, "a directory": {dir, "host.audit.path"}, "no directory": {filepath.Join(dir, "no", "x"), "host.audit.path"},
	} {
		if l, err := Open(c.path, Options{MaxSize: 1, Keep: 1}); err == nil || !strings.Contains(err.Error(), c.says) {
			l.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestItIsWrittenAndReadAtOnce(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "audit.jsonl"), 10_000, 20)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				l.Write(Record{Actor: "alice"})
				l.Repeated("k", Record{Actor: "bob"})
				if _, _, err := l.Page(t.Context(), Query{Limit: 10}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	items, _ := page(t, l, Query{Limit: 10_000})
	if len(items) != 402 {
		t.Errorf("%d records, want 402", len(items))
	}
}
