package task_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestATypeMayEmitToAnyOutput(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			if err := h.Commit(ctx, task.Emit("", 1)); err == nil {
				t.Error("an output without a name is taken")
			}
			if err := h.Commit(ctx, task.Emit("a\xff", 1)); err == nil || !strings.Contains(err.Error(), "declares no output") {
				t.Errorf("a name that no frame can carry: %v", err)
			}
			return h.Commit(ctx, task.Emit("found", 1, task.ID("a")), task.Emit("lost", "x", task.ID("b")))
		}, task.AnyOutput("what is found"))
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		got := append(r.Emitted("found"), r.Emitted("lost")...)
		if diff := cmp.Diff([]tasktest.Message{{ID: "a", Value: "1"}, {ID: "b", Value: `"x"`}}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAuthorsLearnTheWatchdogsTime(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		var got time.Duration
		r := tasktest.Run(t, periodic(func(_ context.Context, h *task.Host) error {
			got = h.Info().Watchdog
			return nil
		}), ``, tasktest.Watchdog(time.Minute))
		r.Wait()
		equal(t, "the longest silence", got, time.Minute)
	})
}
