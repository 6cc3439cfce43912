package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/store/storetest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Conformance(t, func(_ *testing.T, o store.Options) store.Store { return store.NewMemory(o) })
}

func run(name string, i int, o task.Outcome) task.Run {
	at := time.Unix(int64(i), 0)
	r := task.Run{ID: fmt.Sprint(name, "-", i), Task: name, Trigger: task.TriggerSlot, State: task.RunEnded, Outcome: o, Queued: at, Ended: at}
	return r
}

func TestBytesBoundTheHistory(t *testing.T) {
	t.Parallel()
	s := store.NewMemory(store.Options{KeepBytes: 1 << 20})
	for i := range 100 {
		r := run("a", i, task.OutcomeSucceeded)
		r.Result = make([]byte, 100<<10)
		s.SaveRun(r)
	}
	p, err := s.Runs(t.Context(), task.RunQuery{})
	if err != nil || len(p.Items) == 0 || len(p.Items) > 10 {
		t.Errorf("%d runs of 100 KiB are kept, %v; want at most 10", len(p.Items), err)
	}
}

func TestValuesOfARemovedTaskAreForgottenAfterThirtyDays(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	s := store.NewMemory(store.Options{Now: func() time.Time { return now }})
	s.SaveStatus(task.Status{Task: "a"})
	if _, err := s.SetCheckpoint(t.Context(), "a", "k", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	s.RemoveStatus("a")
	for _, c := range []struct {
		days int
		kept bool
	}{{29, true}, {2, false}} {
		now = now.Add(time.Duration(c.days) * 24 * time.Hour)
		s.SaveStatus(task.Status{Task: "b"})
		if _, ok, err := s.Load(t.Context(), "a", "k"); ok != c.kept || err != nil {
			t.Errorf("after %d more days the checkpoint is kept: %v, %v", c.days, ok, err)
		}
	}
}

func BenchmarkSaveStatus(b *testing.B) {
	s := store.NewMemory(store.Options{})
	for i := range 1000 {
		s.SaveStatus(task.Status{Task: fmt.Sprint("t", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.SaveStatus(task.Status{Task: "t500"})
	}
}

func BenchmarkStatusesOf1000TasksUnchanged(b *testing.B) { benchStatuses(b, false) }

func BenchmarkStatusesOf1000TasksAfterEachChange(b *testing.B) { benchStatuses(b, true) }

func benchStatuses(b *testing.B, change bool) {
	s := store.NewMemory(store.Options{})
	for i := range 1000 {
		s.SaveStatus(task.Status{Task: fmt.Sprint("t", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if change {
			s.SaveStatus(task.Status{Task: "t500"})
		}
		s.Statuses()
	}
}

func BenchmarkRunLifecycle(b *testing.B) {
	s := store.NewMemory(store.Options{Keep: task.Keep{Succeeded: 1000}})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		r := run("a", i, "")
		r.State = task.RunRunning
		s.SaveRun(r)
		s.SaveRun(run("a", i, task.OutcomeSucceeded))
	}
}

// The rarest outcome forces a page to look at all records.
func BenchmarkPageOf100By10OutOf100000(b *testing.B) {
	s := store.NewMemory(store.Options{})
	for i := range 100_000 {
		o := task.OutcomeSucceeded
		if i%10_000 == 0 {
			o = task.OutcomeTimedOut
		}
		s.SaveRun(run(fmt.Sprint("t", i%100), i, o))
	}
	for b.Loop() {
		if p, err := s.Runs(b.Context(), task.RunQuery{Outcomes: []task.Outcome{task.OutcomeTimedOut}}); err != nil || len(p.Items) != 10 {
			b.Fatal(len(p.Items), err)
		}
	}
}
