package tasktest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

type config struct {
	Name string `task:"name,optional" default:"x"`
}

func TestStopTurnsIntoCancel(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		r := tasktest.Run(t, task.Continuous("deaf", func(ctx context.Context, h *task.Host, _ config) error {
			_ = h.Publish("up", true)
			<-ctx.Done()
			return context.Cause(ctx)
		}), ``)
		if got := r.State("up"); got != "true" {
			t.Errorf("state %q", got)
		}
		began := time.Now()
		r.Stop(10 * time.Second)
		if got := r.Outcome(); got != "interrupted" {
			t.Errorf("outcome %s", got)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestKillAfterCommitAndRetry(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		count := task.Periodic("count", func(ctx context.Context, h *task.Host, _ config) error {
			n, _, err := task.LoadRun[int](ctx, h, "n")
			for err == nil && n < 5 {
				n++
				err = h.Commit(ctx, task.SaveRun("n", n), task.Save("total", n))
			}
			return err
		})
		for kill := 1; kill <= 5; kill++ {
			r := tasktest.Run(t, count, ``, tasktest.KillAfterCommit(kill))
			if got := r.Outcome(); got != "failed" {
				t.Errorf("outcome %s", got)
			}
			if r.Commits() != kill {
				t.Errorf("commits %d, want %d", r.Commits(), kill)
			}
			r = r.Retry()
			if got := r.Outcome(); got != "succeeded" {
				t.Errorf("outcome %s %s", got, r.Message())
			}
			if r.Commits() != 5 || r.Checkpoint("total") != "5" {
				t.Errorf("commits %d total %s", r.Commits(), r.Checkpoint("total"))
			}
			next := r.Next()
			if next.Outcome() != "succeeded" || next.Commits() != 10 {
				t.Errorf("next: %s, %d", next.Outcome(), next.Commits())
			}
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		r := tasktest.Run(t, task.Periodic("wait", func(ctx context.Context, h *task.Host, _ config) error {
			err := h.Wait(ctx, time.Hour)
			if !errors.Is(err, task.ErrCancelled) {
				return errors.New("not the cause")
			}
			return err
		}), ``)
		r.Cancel()
		if got := r.Outcome(); got != "cancelled" {
			t.Errorf("outcome %s: %s", got, r.Message())
		}
	})
}

func TestLoseHost(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		r := tasktest.Run(t, task.Continuous("deaf", func(ctx context.Context, h *task.Host, _ config) error {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), task.ErrHostGone) {
				t.Errorf("cause %v", context.Cause(ctx))
			}
			if err := h.Commit(context.WithoutCancel(ctx), task.Save("a", 1)); !errors.Is(err, task.ErrHostGone) {
				t.Errorf("commit without a host: %v", err)
			}
			return nil
		}), ``)
		r.LoseHost()
		if got := r.Outcome(); got != "lost" || r.Commits() != 0 {
			t.Errorf("outcome %s, %d commits", got, r.Commits())
		}
	})
}
