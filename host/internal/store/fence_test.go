package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/task"
)

// impatient is for stores that are made to fail.
var impatient = tuning{busy: 20 * time.Millisecond, pace: time.Millisecond, retry: 5 * time.Millisecond, backlog: 100, many: 4, look: 5}

func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	bound, look := time.After(20*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !check() {
		select {
		case <-bound:
			t.Fatalf("%s: not in time", what)
		case <-look.C:
		}
	}
}

func endedRun(i int) task.Run {
	at := time.Unix(int64(1e9+i), 0)
	return task.Run{ID: fmt.Sprint("r", i), Task: "a", State: task.RunEnded, Outcome: task.OutcomeSucceeded, Queued: at, Ended: at}
}

// holdBack keeps the store from writing, as a process that will not let go would.
func holdBack(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() { lock.Rollback(); db.Close() }
}

func TestNothingIsAcknowledgedWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	var fed atomic.Int64
	s, err := open(path, Options{Publish: func(e []task.Event) { fed.Add(int64(len(e))) }}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	release := holdBack(t, path)
	refused := func(err error) {
		t.Helper()
		var e *task.Error
		if !errors.As(err, &e) || e.Code != CodeUnavailable || !strings.Contains(e.Detail, path) || e.Remedy == "" {
			t.Errorf("a write that cannot be done = %v; want a refusal that names the file", err)
		}
	}
	save := []task.Op{{Kind: task.OpSave, Key: "k", Value: []byte("1")}}
	refused(s.Commit(t.Context(), "a", "r", save))
	refused(s.Ready())
	refused(s.SaveOverrides(t.Context(), "a", task.Overrides{Paused: &task.Override{By: "ann"}}))
	_, err = s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0)
	refused(err)
	before := fed.Load()
	for i := range 50 {
		s.SaveRun(endedRun(i))
		s.Event(task.Event{Topic: "run", Kind: "ended"})
	}
	until(t, "events reach the feed nevertheless", func() bool { return fed.Load() == before+50 })
	if p, err := s.Runs(t.Context(), task.RunQuery{}); err != nil || len(p.Items) != 50 || p.Items[0].ID != "r49" {
		t.Errorf("%d runs are shown while they wait, %v; want 50", len(p.Items), err)
	}
	release()
	until(t, "it recovers by itself", func() bool { return s.Ready() == nil })
	if err := s.Commit(t.Context(), "a", "r", save); err != nil {
		t.Error(err)
	}
	if n := fed.Load(); n != before+50 {
		t.Errorf("the feed got %d events; want each once", n-before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if p, err := again.Runs(t.Context(), task.RunQuery{}); err != nil || len(p.Items) != 50 {
		t.Errorf("%d runs that waited are on the disk, %v; want 50", len(p.Items), err)
	}
	if m, _ := again.Recall(t.Context(), "a"); m.Overrides.Paused != nil {
		t.Error("an override that was refused is there")
	}
}

func TestWhatIsHeldBackIsBoundedAndTheLossIsSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := open(path, Options{}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	release := holdBack(t, path)
	for i := range 500 {
		s.SaveRun(endedRun(i))
	}
	until(t, "the fence is up", func() bool { return s.Ready() != nil })
	base := s.LastEvent()
	release()
	until(t, "it recovers by itself, however much there is to do", func() bool {
		s.SaveStatus(task.Status{Task: "a"})
		return s.Ready() == nil
	})
	p, err := s.Runs(t.Context(), task.RunQuery{Limit: 500})
	if err != nil || len(p.Items) > 101 || len(p.Items) < 80 || p.Items[0].ID != "r499" {
		t.Errorf("%d runs are kept, %v; want the newest 100, or a few less", len(p.Items), err)
	}
	until(t, "the loss is told by events, all of it", func() bool {
		events, ok := s.EventsSince(base)
		lost := 0
		for _, e := range events {
			var runs int
			if _, err := fmt.Sscanf(e.Text, "the disk did not keep up and records were given up: %d of runs", &runs); e.Kind == "gap" && err == nil {
				lost += runs
			}
		}
		return ok && lost == 500-len(p.Items)
	})
}

func TestGivingUpBeforeTheWriteWritesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := open(path, Options{}, tuning{busy: time.Minute, pace: time.Millisecond, retry: time.Millisecond, backlog: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	release := holdBack(t, path)
	s.SaveRun(endedRun(1)) // the writer waits for the lock with it
	until(t, "the writer is at it", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.inflight != nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Commit(ctx, "a", "r", []task.Op{{Kind: task.OpSave, Key: "k", Value: []byte("1")}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Commit = %v; want the end of its context", err)
	}
	release()
	if err := s.SaveOverrides(t.Context(), "b", task.Overrides{}); err != nil {
		t.Fatal(err)
	}
	if _, there, err := s.Load(t.Context(), "a", "k"); there || err != nil {
		t.Errorf("what was given up is there: %v, %v", there, err)
	}
}

// TestAFullDiskIsSurvived needs the right to mount.
func TestAFullDiskIsSurvived(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "taskhost.db")
	s, err := open(path, Options{Reserve: -1}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := 0
	big := []byte(`"` + strings.Repeat("x", 50_000) + `"`)
	for ; err == nil; acked++ {
		if acked > 100 {
			t.Fatal("the disk does not get full")
		}
		if acked%2 == 0 {
			_, err = s.SetCheckpoint(t.Context(), "a", fmt.Sprint("k", acked), big, 0)
		} else {
			err = writeAll(t, s, &task.QueueWrite{Put: []task.Put{{Message: &task.Message{Queue: "q", ID: fmt.Sprint("k", acked), Body: big}}}})
		}
	}
	acked--
	var e *task.Error
	if !errors.As(err, &e) || !strings.Contains(e.Detail, "disk is full") || s.Ready() == nil {
		t.Errorf("on a full disk: %v; ready: %v", err, s.Ready())
	}
	s.SaveRun(endedRun(1))
	if v, ok, err := s.Load(t.Context(), "a", "k0"); !ok || err != nil || len(v) != len(big) {
		t.Errorf("a value cannot be read on a full disk: %v, %v", ok, err)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	until(t, "it recovers by itself", func() bool { return s.Ready() == nil })
	if _, err := s.SetCheckpoint(t.Context(), "a", "after", []byte("1"), 0); err != nil {
		t.Error(err)
	}
	s.Close()
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	all, err := again.Checkpoints(t.Context(), "a")
	if n := (acked+1)/2 + 1; err != nil || len(all) < n || len(all) > n+1 { // one more may be whole
		t.Errorf("%d values are there, %v; %d were acknowledged", len(all), err, (acked+1)/2+1)
	}
	var places []uint64
	if err := again.Backlog(t.Context(), func(m task.Message) error { places = append(places, m.Seq); return nil }); err != nil || len(places) < acked/2 || len(places) > acked/2+1 {
		t.Errorf("%d messages are there, %v; %d were acknowledged", len(places), err, acked/2)
	}
	bodies, err := again.Bodies(t.Context(), places)
	for _, b := range bodies {
		if string(b) != string(big) {
			t.Errorf("a body has %d bytes; want %d", len(b), len(big))
		}
	}
	if err != nil {
		t.Error(err)
	}
	if _, ok, _ := again.Run(t.Context(), "r1"); !ok {
		t.Error("the run that ended while the disk was full is not there")
	}
}
