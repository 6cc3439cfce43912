package task_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestInfoSaysWhatTheRunIsAbout(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
		var got []task.Info
		typ := periodic(func(_ context.Context, h *task.Host) error {
			got = append(got, h.Info())
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.Name("nightly"), tasktest.Trigger("slot"), tasktest.Slot(at),
			tasktest.PreviousSlot(at.Add(-24*time.Hour)), tasktest.LastSuccess(at.Add(-48*time.Hour)), tasktest.Actor("ann"))
		r.Retry().Wait()
		want := task.Info{Task: "nightly", Type: "run", Mode: task.ModePeriodic, Run: "run1", Attempt: 1, Trigger: "slot",
			Slot: at, PreviousSlot: at.Add(-24 * time.Hour), LastSuccess: at.Add(-48 * time.Hour), Actor: "ann"}
		second := want
		second.Attempt = 2
		if diff := cmp.Diff([]task.Info{want, second}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDeadlineIsTheEndOfTheStage(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		began := time.Now()
		step := make(chan string)
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			for range 5 {
				<-step
				at, ok := h.Deadline()
				_ = h.Publish("left", []any{ok, at.Sub(began).Seconds()})
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.Timeout(time.Minute))
		look := func(want string) {
			t.Helper()
			step <- ""
			equal(t, "deadline", r.State("left"), want)
		}
		look(`[true,60]`)
		r.Stop(10 * time.Second)
		look(`[true,10]`)
		r.Cancel()
		look(`[false,-9223372036.854776]`) // the kit does not say when it would kill
		r.Kill()
		close(step)
		r.Wait()
	})
}

func TestExtendMovesTheTimeoutAndTheDrain(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		var granted []bool
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			granted = append(granted, h.Extend(time.Minute), h.Extend(0))
			<-h.Stopping()
			granted = append(granted, h.Extend(40*time.Second))
			<-ctx.Done()
			granted = append(granted, h.Extend(time.Second))
			return context.Cause(ctx)
		})
		r := tasktest.Run(t, typ, ``, tasktest.Timeout(time.Minute))
		synctest.Wait()
		began := time.Now()
		time.Sleep(90 * time.Second) // beyond the first timeout
		r.Stop(10 * time.Second)
		equal(t, "outcome", r.Outcome(), "interrupted") // at the end of the extended drain: a timeout counts no more in it
		equal(t, "end", time.Since(began), 140*time.Second)
		if diff := cmp.Diff([]bool{true, false, true, false}, granted); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		own := errors.New("mine")
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			began := time.Now()
			if err := h.Wait(ctx, time.Hour); err != nil || time.Since(began) != time.Hour {
				t.Errorf("Wait: %v after %s", err, time.Since(began))
			}
			if err := h.Wait(ctx, -1); err != nil {
				t.Errorf("Wait without time: %v", err)
			}
			short, cancel := context.WithTimeoutCause(ctx, time.Second, own)
			defer cancel()
			if err := h.Wait(short, time.Hour); err != own {
				t.Errorf("Wait beyond its context: %v", err)
			}
			if h.Stopped() {
				t.Error("stopped too early")
			}
			if err := h.Wait(ctx, time.Hour); err != task.ErrStopping || !h.Stopped() {
				t.Errorf("Wait while stopping: %v, %v", err, h.Stopped())
			}
			if err := h.Wait(ctx, 0); err != task.ErrStopping {
				t.Errorf("Wait while stopping, without time: %v", err)
			}
			<-ctx.Done()
			if err := h.Wait(ctx, 0); !errors.Is(err, task.ErrStopTimeout) {
				t.Errorf("Wait after the end: %v", err)
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``)
		time.Sleep(90 * time.Minute)
		r.Stop(time.Second)
		equal(t, "outcome", r.Outcome(), "succeeded")
	})
}

func TestReportsArrive(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := task.Continuous("up", func(ctx context.Context, h *task.Host, _ none) error {
			h.Ready("listening")
			h.Beat("a")
			for i := range 100 {
				h.Progress(int64(i), 0, "n\xff")
				if err := h.Publish("n", i); err != nil {
					return err
				}
			}
			return h.Wait(ctx, time.Hour)
		})
		r := tasktest.Run(t, typ, ``)
		equal(t, "state", r.State("n"), "99")
		equal(t, "ready", strings.Join(r.Ready(), ","), "listening")
		done, total, note := r.Progress()
		if done != 99 || total != 0 || note != "n\uFFFD" || r.Beats() == 0 {
			t.Errorf("progress %d/%d %q, %d beats", done, total, note, r.Beats())
		}
		r.Stop(time.Second)
		equal(t, "outcome", r.Outcome(), "interrupted")
		equal(t, "mode", r.Outcome(), "interrupted")
	})
}

func TestPublishRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(_ context.Context, h *task.Host) error {
			for _, c := range []struct {
				key   string
				value any
				want  string
			}{
				{"", 1, "a key has 1 to 128 bytes"},
				{strings.Repeat("k", 129), 1, "a key has 1 to 128 bytes"},
				{"a\xff", 1, "a key has 1 to 128 bytes of UTF-8"},
				{"a\nb", 1, "unprintable character U+000A"},
				{"a\u00a0b", 1, "unprintable character U+00A0"},
				{"f", func() {}, "unsupported type"},
				{"big", strings.Repeat("x", 1<<20), "publish \"big\": the value is too large for one frame: 1048578B, the limit is 1023KiB"},
			} {
				err := h.Publish(c.key, c.value)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Publish(%.10q): %v, want %q", c.key, err, c.want)
				}
			}
			return h.Publish("big", strings.Repeat("x", 1<<20-2000))
		})
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "size", len(r.State("big")), 1<<20-1998)
	})
}

func TestLogLinesCarryTheRun(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(_ context.Context, h *task.Host) error {
			h.Log().Info("hclog", "n", 1)
			h.Slog().Warn("slog", "n", 2)
			h.Log().Debug("unseen")
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.LogLevel("info"))
		r.Wait()
		want := []tasktest.Line{
			{Level: "info", Message: "hclog", Fields: map[string]any{"run": "run1", "n": 1.0}},
			{Level: "warn", Message: "slog", Fields: map[string]any{"run": "run1", "n": 2.0}},
		}
		if diff := cmp.Diff(want, r.Logs()); diff != "" {
			t.Error(diff)
		}
	})
}
