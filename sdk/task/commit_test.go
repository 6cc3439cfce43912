package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

type order struct {
	ID string `json:"id"`
}

func TestCommitIsAllOrNothing(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			if err := h.Commit(ctx, task.Save("a", 1), task.Save("b", []int{2}), task.Save("a", 3), task.SaveRun("c", "x"),
				task.Emit("orders", order{"7"}, task.ID("id7"), task.Key("ann"))); err != nil {
				return err
			}
			if err := h.Commit(ctx); err != nil {
				return err
			}
			a, found, err := task.Load[int](ctx, h, "a")
			if a != 3 || !found || err != nil {
				t.Errorf("Load: %v %v %v", a, found, err)
			}
			c, found, err := task.LoadRun[string](ctx, h, "c")
			if c != "x" || !found || err != nil {
				t.Errorf("LoadRun: %v %v %v", c, found, err)
			}
			_, found, err = task.Load[int](ctx, h, "none")
			if found || err != nil {
				t.Errorf("Load of nothing: %v %v", found, err)
			}
			_, found, err = task.Load[int](ctx, h, "b")
			if found || err == nil || !strings.Contains(err.Error(), `load "b": json: cannot unmarshal array`) {
				t.Errorf("Load of another type: %v %v", found, err)
			}
			return h.Commit(ctx, task.Delete("b"))
		}, task.Output[order]("orders", "one per order"))
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "a", r.Checkpoint("a"), "3")
		equal(t, "b", r.Checkpoint("b"), "")
		equal(t, "c", r.RunValue("c"), `"x"`)
		equal(t, "commits", r.Commits(), 2)
		if diff := cmp.Diff([]tasktest.Message{{ID: "id7", Key: "ann", Value: `{"id":"7"}`}}, r.Emitted("orders")); diff != "" {
			t.Error(diff)
		}
		// The run's own values are gone for the next run, the task's are not.
		next := r.Next()
		equal(t, "outcome", next.Outcome(), "succeeded")
		equal(t, "c of the next run", next.RunValue("c"), `"x"`)
	})
}

func TestCommitRefusesBeforeItSends(t *testing.T) {
	t.Parallel()
	many := make([]task.Op, 1001)
	for i := range many {
		many[i] = task.Save("k", i)
	}
	for _, c := range []struct {
		name string
		ops  []task.Op
		want string
	}{
		{"too many", many, "1001 operations are too many for one commit, the limit is 1000"},
		{"too large", []task.Op{task.Save("a", strings.Repeat("x", 600<<10)), task.Save("b", strings.Repeat("x", 600<<10))}, "the commit is too large for one frame"},
		{"no JSON", []task.Op{task.Save("a", make(chan int))}, `commit: save "a": json: unsupported type`},
		{"no key", []task.Op{task.Save("", 1)}, "a key has 1 to 128 bytes"},
		{"no op", []task.Op{{}}, "the zero Op"},
		{"unknown output", []task.Op{task.Emit("order", order{})}, `type "run" declares no output "order"; did you mean "orders"?`},
		{"unknown output, none near", []task.Op{task.Emit("zzz", order{})}, `type "run" declares no output "zzz"`},
		{"long id", []task.Op{task.Emit("orders", order{}, task.ID(strings.Repeat("i", 129)))}, "at most 128 bytes"},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			typ := periodic(func(ctx context.Context, h *task.Host) error { return h.Commit(ctx, c.ops...) }, task.Output[order]("orders", ""))
			r := tasktest.Run(t, typ, ``)
			equal(t, "outcome", r.Outcome(), "failed")
			if !strings.Contains(r.Message(), c.want) {
				t.Errorf("message %q, want %q", r.Message(), c.want)
			}
			equal(t, "commits", r.Commits(), 0)
		})
	}
}

func TestEmitToAnUnwiredOutputFails(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			return h.Commit(ctx, task.Save("n", 1), task.Emit("orders", order{}))
		}, task.Output[order]("orders", ""))
		r := tasktest.Run(t, typ, ``, tasktest.Unwired())
		equal(t, "message", r.Message(), `commit: output "orders" is not wired to a queue`)
		equal(t, "checkpoint", r.Checkpoint("n"), "")
	})
}

func TestCommitAfterTheEnd(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		var kept *task.Host
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			kept = h
			<-ctx.Done()
			if err := h.Commit(ctx, task.Save("a", 1)); !errors.Is(err, task.ErrCancelled) {
				t.Errorf("with the context that has ended: %v", err)
			}
			return h.Commit(context.WithoutCancel(ctx), task.Save("b", 1))
		})
		r := tasktest.Run(t, typ, ``)
		r.Cancel()
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "b", r.Checkpoint("b"), "1")
		if err := kept.Commit(t.Context(), task.Save("c", 1)); err == nil || !strings.Contains(err.Error(), "the run has ended") {
			t.Errorf("after the run: %v", err)
		}
		if kept.Extend(time.Second) {
			t.Error("extended after the run")
		}
	})
}

func TestBuffer(t *testing.T) {
	t.Parallel()
	inBubble(t, "commits by number, by time and at the end", func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			b := h.Buffer(task.MaxOps(3), task.MaxDelay(time.Second))
			for i := range 4 {
				if err := b.Add(ctx, task.Save("n", i)); err != nil {
					return err
				}
			}
			if err := h.Wait(ctx, 999*time.Millisecond); err != nil {
				return err
			}
			if n, _, _ := task.Load[int](ctx, h, "n"); n != 2 {
				t.Errorf("before the delay n is %d, want 2", n)
			}
			if err := h.Wait(ctx, 2*time.Millisecond); err != nil {
				return err
			}
			if n, _, _ := task.Load[int](ctx, h, "n"); n != 3 {
				t.Errorf("after the delay n is %d, want 3", n)
			}
			return b.Add(ctx, task.Save("n", 9))
		})
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "n", r.Checkpoint("n"), "9")
		equal(t, "commits", r.Commits(), 3)
	})
	inBubble(t, "is dropped when the run fails and kept when it is interrupted", func(t *testing.T) {
		var result error
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			if err := h.Buffer().Add(ctx, task.Save("n", 1)); err != nil {
				return err
			}
			if h.Info().Run == "run2" {
				<-h.Stopping()
			}
			return result
		})
		result = errors.New("x")
		r := tasktest.Run(t, typ, ``)
		r.Wait()
		equal(t, "n of a failed run", r.Checkpoint("n"), "")
		result = task.Interrupted("x")
		r = r.Next()
		r.Stop(time.Minute)
		equal(t, "outcome", r.Outcome(), "interrupted")
		equal(t, "n of an interrupted run", r.Checkpoint("n"), "1")
	})
	inBubble(t, "reports the failure of a late commit", func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			b := h.Buffer(task.MaxDelay(time.Second))
			if err := b.Add(ctx, task.Emit("orders", order{})); err != nil {
				return err
			}
			if err := h.Wait(ctx, time.Minute); err != nil {
				return err
			}
			return fmt.Errorf("add: %w", b.Add(ctx, task.Save("n", 1)))
		}, task.Output[order]("orders", ""))
		r := tasktest.Run(t, typ, ``, tasktest.Unwired())
		equal(t, "message", r.Message(), `add: commit buffer: output "orders" is not wired to a queue`)
	})
	inBubble(t, "splits what would not fit into a frame", func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			b := h.Buffer(task.MaxOps(5000), task.MaxDelay(time.Hour))
			for i := range 2500 {
				if err := b.Add(ctx, task.Save(fmt.Sprint("k", i), strings.Repeat("x", 1000))); err != nil {
					return err
				}
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "commits", r.Commits(), 3)
	})
	inBubble(t, "leaves room for what the commit itself takes", func(t *testing.T) {
		const frame = 64 << 10
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			for n := frame - 42_000; n < frame-40_000; n += 10 {
				b := h.Buffer(task.MaxDelay(time.Hour))
				if err := b.Add(ctx, task.Save("a", strings.Repeat("x", 40_000))); err != nil {
					return err
				}
				if err := errors.Join(b.Add(ctx, task.Save("b", strings.Repeat("x", n))), b.Flush(ctx)); err != nil {
					return fmt.Errorf("%d bytes: %w", n, err)
				}
			}
			return nil
		}, task.Output[order]("orders", ""))
		r := tasktest.Run(t, typ, ``, tasktest.MaxFrame(frame))
		equal(t, "message", r.Message(), "")
		equal(t, "outcome", r.Outcome(), "succeeded")
	})
	inBubble(t, "refuses an op that is none", func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error { return h.Buffer().Add(ctx, task.Op{}) })
		equal(t, "message", tasktest.Run(t, typ, ``).Message(), "buffer: an op is the zero Op: make it with Save, SaveRun, Delete or Emit")
	})
}

func TestAnEarlierAttemptsValuesAreThereAfterAKillAtEveryCommit(t *testing.T) {
	t.Parallel()
	const steps = 4
	typ := periodic(func(ctx context.Context, h *task.Host) error {
		n, _, err := task.LoadRun[int](ctx, h, "n")
		for err == nil && n < steps {
			n++
			err = h.Commit(ctx, task.SaveRun("n", n), task.Emit("orders", order{fmt.Sprint(n)}))
		}
		return err
	}, task.Output[order]("orders", ""))
	for n := 1; n <= steps; n++ {
		inBubble(t, fmt.Sprint("kill after ", n), func(t *testing.T) {
			r := tasktest.Run(t, typ, ``, tasktest.KillAfterCommit(n))
			equal(t, "class", r.Class(), "crash")
			equal(t, "message", r.Message(), fmt.Sprintf("the process was killed after commit %d", n))
			r = r.Retry()
			equal(t, "outcome", r.Outcome(), "succeeded")
			equal(t, "messages", len(r.Emitted("orders")), steps)
		})
	}
}
