package store

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func unavailable(t *testing.T, err error, words ...string) {
	t.Helper()
	var e *task.Error
	if !errors.As(err, &e) || e.Code != CodeUnavailable || e.Remedy == "" {
		t.Errorf("error = %v; want a refusal with a remedy", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(e.Detail, word) {
			t.Errorf("the refusal %q does not say %q", e.Detail, word)
		}
	}
}

func TestWritesToQueuesAreRefusedWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := open(path, Options{}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := manyPuts(3)
	if err := writeAll(t, s, kept); err != nil {
		t.Fatal(err)
	}
	release := holdBack(t, path)
	failed := manyPuts(3) // finds out
	unavailable(t, writeAll(t, s, failed), path)
	if failed.Put[0].Message.Seq != 0 {
		t.Error("a message that was refused has a place")
	}
	unavailable(t, s.Ready())
	for range 3 { // while the writer waits for the lock, too
		unavailable(t, writeAll(t, s, &task.QueueWrite{Delete: []uint64{kept.Put[0].Message.Seq}}), path)
	}
	release()
	until(t, "it recovers by itself", func() bool { return s.Ready() == nil })
	if err := writeAll(t, s, &task.QueueWrite{Delete: []uint64{kept.Put[0].Message.Seq}}); err != nil {
		t.Error(err)
	}
	n := 0
	if err := s.Backlog(t.Context(), func(task.Message) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d messages are there, %v; want what was acknowledged, 2", n, err)
	}
}

func TestAWriteToQueuesAfterCloseIsRefused(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "taskhost.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	for range 50 { // whatever the store was doing, each is told before Close returns
		w := manyPuts(1)
		w.Done = func(error) { told.Add(1) }
		s.WriteQueues(w)
	}
	if err := s.Close(); err != nil || told.Load() != 50 {
		t.Errorf("%d of 50 writes were told their end when the store was closed: %v", told.Load(), err)
	}
	if err := writeAll(t, s, manyPuts(1)); !errors.Is(err, errClosed) {
		t.Errorf("a write after Close = %v", err)
	}
	s.SetQueue("q", task.DeadLetters{Max: 1})
}

func TestTheReserveOfTheDiskIsKept(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(100 << 20)
	path := filepath.Join(t.TempDir(), "taskhost.db")
	o := Options{Room: func(dir string) (int64, int64, error) {
		if dir != filepath.Dir(path) {
			t.Errorf("the store looks at %s", dir)
		}
		return free.Load(), 10 << 30, nil
	}}
	tune := impatient
	tune.room = time.Millisecond
	s, err := open(path, o, tune)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := manyPuts(2)
	if err := writeAll(t, s, in); err != nil {
		t.Fatal(err)
	}
	free.Store(63 << 20)
	until(t, "the store notices", func() bool { return s.Ready() != nil })
	unavailable(t, s.Ready(), path, "63 MiB", "64 MiB")
	unavailable(t, writeAll(t, s, manyPuts(1)), "63 MiB", "64 MiB")
	unavailable(t, s.Commit(t.Context(), "a", "r", []task.Op{{Kind: task.OpSave, Key: "k", Value: []byte("1")}}))
	_, err = s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0)
	unavailable(t, err)
	if err := writeAll(t, s, &task.QueueWrite{Delete: []uint64{in.Put[0].Message.Seq}}); err != nil {
		t.Errorf("a write that makes room = %v", err)
	}
	s.SaveRun(endedRun(1))
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("what the host must write all the same: %v", err)
	}
	free.Store(64 << 20)
	until(t, "it recovers by itself", func() bool { return s.Ready() == nil })
	if err := writeAll(t, s, manyPuts(1)); err != nil {
		t.Error(err)
	}
}

func TestTheReserveFitsTheDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, size, want int64 }{
		{0, 10 << 30, 64 << 20}, {0, 80 << 20, 10 << 20}, {1 << 20, 80 << 20, 1 << 20}, {1 << 40, 1 << 20, 1 << 40},
	} {
		if got := (Options{Reserve: c.set}).reserve(c.size); got != c.want {
			t.Errorf("of %d bytes, with %d set, %d are kept free; want %d", c.size, c.set, got, c.want)
		}
	}
	off, err := open(filepath.Join(t.TempDir(), "taskhost.db"), Options{Reserve: -1, Room: func(string) (int64, int64, error) { return 0, 1, nil }}, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer off.Close()
	if err := writeAll(t, off, manyPuts(1)); err != nil {
		t.Errorf("a write without a reserve = %v", err)
	}
	if free, size, err := statfs(t.TempDir()); err != nil || free <= 0 || size < free {
		t.Errorf("statfs = %d, %d, %v", free, size, err)
	}
	if _, _, err := statfs(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there has room")
	}
}
