package runner

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// queues is a task.Queues that writes down what it is told.
type queues struct {
	mu      sync.Mutex
	deliver func([]task.Delivery)
	windows []int
	entered []uint64
	handled []task.Handled
	closed  []string
	commits []task.EmitCommit
	full    bool // commits wait until their context ends
}

func (q *queues) Commit(ctx context.Context, c task.EmitCommit) error {
	q.mu.Lock()
	full := q.full
	q.commits = append(q.commits, c)
	q.mu.Unlock()
	if full {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (q *queues) Consume(_ *task.Definition, _ string, deliver func([]task.Delivery)) task.Consumer {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deliver = deliver
	return q
}

func (q *queues) note(f func()) { q.mu.Lock(); defer q.mu.Unlock(); f() }

func (q *queues) Window(n int)           { q.note(func() { q.windows = append(q.windows, n) }) }
func (q *queues) Entered(tags []uint64)  { q.note(func() { q.entered = append(q.entered, tags...) }) }
func (q *queues) Handled(h task.Handled) { q.note(func() { q.handled = append(q.handled, h) }) }
func (q *queues) Close(crash string)     { q.note(func() { q.closed = append(q.closed, crash) }) }

// ends returns how consumers were closed.
func (q *queues) ends() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.closed...)
}

// consuming runs a test with a process that is at a run which handles messages.
func consuming(t *testing.T, author func(context.Context, *hosttest.Run) task.RunResult, change func(*task.Definition), test func(h *house, q *queues)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queues{}
		h := newHouse(t, Config{Queues: q}, hosttest.Plugin{Run: author})
		defer h.Shutdown()
		def := definition()
		def.Mode, def.Consume, def.Outputs = task.Continuous, &task.Consume{Queue: "urls", Concurrency: 3}, map[string]string{"pages": "pages"}
		if change != nil {
			change(def)
		}
		h.Launch(1, def)
		next[task.ProcessReady](h)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		test(h, q)
	})
}

func delivery(tag uint64, size int) task.Delivery {
	return task.Delivery{Tag: tag, Attempt: 1, Message: task.Message{Queue: "urls", ID: "m", Body: json.RawMessage(`"` + strings.Repeat("x", size) + `"`)}}
}

func TestMessagesGoToTheRunAndComeBackSettled(t *testing.T) {
	var sizes []int
	author := func(_ context.Context, r *hosttest.Run) task.RunResult {
		if r.Start.Consume == nil || r.Start.Consume.Concurrency != 3 {
			t.Errorf("the run is told %+v", r.Start.Consume)
		}
		r.Credit(6)
		for handled := 0; handled < 4; {
			frame := <-r.Frames()
			sizes = append(sizes, len(frame))
			for _, d := range frame {
				r.Enter(d.Tag)
				r.Handle(task.Handled{Messages: []task.HandledMessage{{Tag: d.Tag, Status: task.StatusSucceeded}}})
				handled++
			}
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		synctest.Wait()
		// Two of 500 KB do not fit into one frame.
		q.deliver([]task.Delivery{delivery(1, 10), delivery(2, 500<<10), delivery(3, 500<<10), delivery(4, 10)})
		next[task.RunReturned](h)
		if diff := cmp.Diff([]int{2, 2}, sizes); diff != "" {
			t.Error("frames", diff)
		}
		if diff := cmp.Diff([]uint64{1, 2, 3, 4}, q.entered); diff != "" || len(q.handled) != 4 {
			t.Error(diff, q.handled)
		}
		if diff := cmp.Diff([]int{6}, q.windows); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{""}, q.ends()); diff != "" {
			t.Error("a run that returns is no crash", diff)
		}
	})
}

func TestACrashIsTold(t *testing.T) {
	author := func(_ context.Context, r *hosttest.Run) task.RunResult {
		d := (<-r.Frames())[0]
		r.Enter(d.Tag)
		r.Crash(task.ExitCause{Code: 3})
		return task.RunResult{}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		q.deliver([]task.Delivery{delivery(1, 10)})
		next[task.ProcessGone](h)
		if diff := cmp.Diff([]string{"exit 3"}, q.ends()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAKillIsNoCrashOfTheMessage(t *testing.T) {
	author := func(ctx context.Context, r *hosttest.Run) task.RunResult {
		<-ctx.Done()
		return task.RunResult{}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		h.Kill(1)
		next[task.ProcessGone](h)
		if diff := cmp.Diff([]string{""}, q.ends()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADrainStopsTheIntakeBeforeThePluginHearsOfIt(t *testing.T) {
	author := func(_ context.Context, r *hosttest.Run) task.RunResult {
		r.Credit(6)
		<-r.Stopping()
		return task.RunResult{Status: task.StatusInterrupted}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		synctest.Wait()
		h.Drain(1, "r1", time.Second, "stop")
		next[task.RunReturned](h)
		if diff := cmp.Diff([]int{6, 0}, q.windows); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAHandlerThatOutlivesItsTimeoutHasItsProcessKilled(t *testing.T) {
	began := time.Time{}
	author := func(ctx context.Context, r *hosttest.Run) task.RunResult {
		began = time.Now()
		for _, d := range <-r.Frames() {
			r.Enter(d.Tag)
			if d.Tag == 1 {
				r.ExtendMessage(1, time.Minute)
			}
		}
		<-ctx.Done()
		return task.RunResult{}
	}
	limit := func(d *task.Definition) { d.Timeout = 10 * time.Second }
	consuming(t, author, limit, func(h *house, q *queues) {
		q.deliver([]task.Delivery{delivery(1, 10)})
		next[task.ProcessGone](h)
		// The timeout, what it was extended by, the cancel stage and the margin.
		if took := time.Since(began).Round(time.Second); took != 73*time.Second {
			t.Errorf("it was killed after %s", took)
		}
		said := func(l task.LogLine) bool { return strings.Contains(l.Message, "has not returned 3s after its timeout") }
		if !slices.ContainsFunc(h.log.Lines(), said) {
			t.Error("the log does not say why")
		}
	})
}

func TestEmitsGoByWayOfTheQueuesAndSavesDoNot(t *testing.T) {
	errs := make(chan error, 3)
	author := func(_ context.Context, r *hosttest.Run) task.RunResult {
		errs <- r.Commit(task.Op{Kind: task.OpEmit, Output: "pages", Value: json.RawMessage(`1`)}, task.Op{Kind: task.OpSave, Key: "k", Value: json.RawMessage(`1`)})
		errs <- r.Commit(task.Op{Kind: task.OpSave, Key: "k", Value: json.RawMessage(`2`)})
		errs <- r.Commit(task.Op{Kind: task.OpEmit, Output: "other", Value: json.RawMessage(`1`)})
		return task.RunResult{Status: task.StatusSucceeded}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		next[task.RunReturned](h)
		if err := <-errs; err != nil {
			t.Error(err)
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "not wired") {
			t.Errorf("an output that is not wired: %v", err)
		}
		want := []task.EmitCommit{{Task: "sync", Run: "r1", Outputs: map[string]string{"pages": "pages"}, Ops: q.commits[0].Ops}}
		if diff := cmp.Diff(want, q.commits); diff != "" || len(q.commits[0].Ops) != 2 {
			t.Error(diff)
		}
	})
}

func TestACommitThatWaitsForRoomEndsWithItsProcess(t *testing.T) {
	author := func(_ context.Context, r *hosttest.Run) task.RunResult {
		<-r.Frames()
		_ = r.Commit(task.Op{Kind: task.OpEmit, Output: "pages", Value: json.RawMessage(`1`)})
		return task.RunResult{Status: task.StatusSucceeded}
	}
	consuming(t, author, nil, func(h *house, q *queues) {
		q.note(func() { q.full = true })
		q.deliver([]task.Delivery{delivery(1, 10)})
		synctest.Wait()
		h.Kill(1)
		next[task.ProcessGone](h)
	})
}
