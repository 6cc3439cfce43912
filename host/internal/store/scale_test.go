package store

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// BenchmarkAMillionRuns fills a store with the history of 1,000 tasks and measures boot and pages of 100.
func BenchmarkAMillionRuns(b *testing.B) {
	const runs, tasks = 1_000_000, 1000
	path := filepath.Join(b.TempDir(), "taskhost.db")
	o := Options{KeepTotal: 2 * runs}
	s, err := Open(path, o)
	if err != nil {
		b.Fatal(err)
	}
	first := time.Now().Add(-runs * time.Second)
	began := time.Now()
	s.mu.Lock()
	for i := range runs {
		s.savePast(pastRun(i, tasks, first))
		if len(s.pending.runs) == 10_000 {
			s.mu.Unlock()
			if err := s.SaveOverrides(b.Context(), "t1", task.Overrides{}); err != nil {
				b.Fatal(err)
			}
			s.mu.Lock()
		}
	}
	s.mu.Unlock()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d runs a second were written", int(runs/time.Since(began).Seconds()))
	b.Run("boot", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(path, o)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			s.Close()
			b.StartTimer()
		}
	})
	if s, err = Open(path, o); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	month := first.Add(runs / 2 * time.Second)
	some := make([]string, 0, 300)
	for i := range 300 {
		some = append(some, fmt.Sprint("t", 3*i))
	}
	for _, q := range []struct {
		name string
		q    task.RunQuery
	}{
		{"all", task.RunQuery{}},
		{"one task", task.RunQuery{Tasks: []string{"t500"}}},
		{"a rare task", task.RunQuery{Tasks: []string{"rare"}}},
		{"300 tasks", task.RunQuery{Tasks: some}},
		{"a common outcome", task.RunQuery{Outcomes: []task.Outcome{task.OutcomeSucceeded}}},
		{"a rare outcome", task.RunQuery{Outcomes: []task.Outcome{task.OutcomeTimedOut}}},
		{"a trigger", task.RunQuery{Triggers: []task.Trigger{task.TriggerManual}}},
		{"300 tasks, a rare outcome", task.RunQuery{Tasks: some, Outcomes: []task.Outcome{task.OutcomeTimedOut}}},
		{"until the middle", task.RunQuery{Until: month}},
		{"since the middle, a rare outcome", task.RunQuery{Since: month, Outcomes: []task.Outcome{task.OutcomeTimedOut}}},
		{"an hour in the middle", task.RunQuery{Since: month.Add(-time.Hour), Until: month}},
		{"a task, an hour in the middle", task.RunQuery{Tasks: []string{"t500"}, Since: month.Add(-time.Hour), Until: month}},
	} {
		b.Run(q.name, func(b *testing.B) {
			q.q.Limit = 100
			n := 0
			for b.Loop() {
				p, err := s.Runs(context.Background(), q.q)
				if err != nil {
					b.Fatal(err)
				}
				n = len(p.Items)
			}
			b.ReportMetric(float64(n), "runs/page")
		})
	}
	b.Run("deep in the history", func(b *testing.B) {
		at := place{phaseEnded, micros(month)}
		for b.Loop() {
			if _, err := s.Runs(context.Background(), task.RunQuery{Limit: 100, Cursor: at.cursor(fingerprint(task.RunQuery{}))}); err != nil {
				b.Fatal(err)
			}
		}
	})
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.Logf("heap in use: %d MiB, kinds: %d", m.HeapInuse>>20, len(s.kinds.byID))
}

// savePast saves an ended run with a place in the past. The lock is held.
func (s *SQLite) savePast(r task.Run) {
	s.pending.putRun(&savedRun{run: &r, ended: true, seq: micros(r.Ended), fresh: true})
	s.signal(s.wake)
}

func pastRun(i, tasks int, first time.Time) task.Run {
	at := first.Add(time.Duration(i) * time.Second)
	r := task.Run{
		ID: task.NewID(at), Task: fmt.Sprint("t", i%tasks), State: task.RunEnded, Outcome: task.OutcomeSucceeded, Trigger: task.TriggerSlot, EndedIn: "return",
		Queued: at, Slot: at, Started: at.Add(2 * time.Millisecond), Ended: at.Add(time.Duration(i%3000) * time.Millisecond),
		Attempts: []task.Attempt{{Number: 1, PID: 4711, Started: at, Ended: at.Add(time.Second), Outcome: task.OutcomeSucceeded}},
		Plugin:   "http", Version: "1.2.3", Digest: "5f4dcc3b5aa765d61d8327deb882cf99", Generation: 3,
	}
	switch {
	case i%50_000 == 0:
		r.Task = "rare"
	case i%5000 == 7:
		r.Outcome = task.OutcomeTimedOut
	case i%10 == 3:
		r.Outcome = task.OutcomeFailed
	}
	if i%17 == 0 {
		r.Trigger = task.TriggerManual
	}
	if i%1000 == 11 {
		r.Ended = at.Add(3 * time.Hour)
	}
	return r
}

// BenchmarkCommit is a synced commit of one value, with writers side by side.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(writers, " writers"), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "taskhost.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			ops := []task.Op{{Kind: task.OpSave, Key: "n", Value: []byte("1")}}
			b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Commit(context.Background(), "a", "r", ops); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkSaveRunNobodyWaits is what the dispatch path pays for a run with its end, and what writing it costs beside.
func BenchmarkSaveRunNobodyWaits(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "taskhost.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := pastRun(1, 1, time.Now())
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i++; i%1000 == 0 {
			b.StopTimer()
			s.SaveOverrides(b.Context(), "a", task.Overrides{})
			b.StartTimer()
		}
		r.ID = fmt.Sprint("r", i)
		r.State = task.RunRunning
		s.SaveRun(r)
		r.State = task.RunEnded
		s.SaveRun(r)
	}
}
