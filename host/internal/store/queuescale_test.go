package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// writeAll waits for one write.
func writeAll(tb testing.TB, s Store, w *task.QueueWrite) error {
	tb.Helper()
	done := make(chan error, 1)
	w.Waiting, w.Done = true, func(err error) { done <- err }
	s.WriteQueues(w)
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		tb.Fatal("nobody tells how the write ended")
		return nil
	}
}

func manyPuts(n int) *task.QueueWrite {
	w := &task.QueueWrite{}
	for i := range n {
		m := &task.Message{Queue: fmt.Sprint("q", i%10), ID: fmt.Sprint("m", i), Posted: time.Unix(1e9, 0), Body: fmt.Append(nil, i)}
		w.Put = append(w.Put, task.Put{Message: m})
	}
	return w
}

func TestOneWriteIsOneSyncedTransaction(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for rest := false; !rest; { // what the first look after the bounds has left for a second one
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		rest = s.pending.empty() && s.inflight == nil
		s.mu.Unlock()
	}
	before := readAcked(path)
	w := manyPuts(1000)
	w.Task = "a"
	for i := range 500 {
		w.Ops = append(w.Ops, task.Op{Kind: task.OpSave, Key: fmt.Sprint("k", i), Value: []byte("1")})
	}
	if err := writeAll(t, s, w); err != nil {
		t.Fatal(err)
	}
	if n := readAcked(path) - before; n != 1 {
		t.Errorf("one write took %d transactions", n)
	}
}

func TestAHundredThousandMessagesAreThereAfterAnotherOpening(t *testing.T) {
	t.Parallel()
	const messages = 100_000
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for range messages / 1000 {
		w := manyPuts(1000)
		if err := writeAll(t, s, w); err != nil {
			t.Fatal(err)
		}
		last = w.Put[999].Message.Seq
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	opened := time.Since(began)
	n, before := 0, uint64(0)
	err = s.Backlog(t.Context(), func(m task.Message) error {
		if m.Seq <= before || m.ID != fmt.Sprint("m", n%1000) {
			return fmt.Errorf("message %d is %s at %d, after %d", n, m.ID, m.Seq, before)
		}
		n, before = n+1, m.Seq
		return nil
	})
	if err != nil || n != messages {
		t.Fatalf("%d messages are there, %v", n, err)
	}
	t.Logf("opened in %v, %d messages read in %v", opened, n, time.Since(began)-opened)

	// A place is not given out again, even when nothing is left that stands there and the clock went back.
	var w task.QueueWrite
	if err := s.Backlog(t.Context(), func(m task.Message) error { w.Delete = append(w.Delete, m.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := writeAll(t, s, &w); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{Now: func() time.Time { return time.Unix(1e9, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	one := manyPuts(1)
	if err := writeAll(t, again, one); err != nil {
		t.Fatal(err)
	}
	if seq := one.Put[0].Message.Seq; seq <= last {
		t.Errorf("place %d is given out after %d", seq, last)
	}
}
