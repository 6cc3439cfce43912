package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

type page struct {
	URL string `json:"url"`
}

// fetch commits one message by itself and emits another with the acknowledgement.
func fetch(ctx context.Context, h *task.Host, _ config, m *task.Message[page]) error {
	if err := h.Commit(ctx, task.Emit("log", "fetching "+m.Value.URL)); err != nil {
		return err
	}
	m.Emit("pages", m.Value)
	m.Save("last", m.ID)
	return nil
}

var fetcher = task.Consumer("fetch", fetch, task.Output[page]("pages", ""), task.Output[string]("log", ""))

func TestAConsumerThatIsKilledBeforeAnyAcknowledgementLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for kill := 1; kill <= 3; kill++ {
		t.Run(fmt.Sprint("kill before ", kill), func(t *testing.T) {
			t.Parallel()
			tasktest.Test(t, func(t *testing.T) {
				r := tasktest.Run(t, fetcher, ``, tasktest.KillBeforeAck(kill))
				for _, url := range []string{"a", "b", "c"} {
					r.Send(page{url})
				}
				if got := r.Class(); got != "crash" {
					t.Errorf("class %q", got)
				}
				r = r.Next()
				r.WaitHandled()
				if diff := cmp.Diff([]string{"m1", "m2", "m3"}, r.Acknowledged()); diff != "" {
					t.Error(diff)
				}
				if len(r.Emitted("pages")) != 3 || len(r.Emitted("log")) != 3 || r.Checkpoint("last") != `"m3"` {
					t.Errorf("%v %v %s", r.Emitted("pages"), r.Emitted("log"), r.Checkpoint("last"))
				}
				want := []tasktest.Delivery{{ID: "m1", Attempt: 1}, {ID: "m2", Attempt: 1}, {ID: "m3", Attempt: 1}}
				again := tasktest.Delivery{ID: fmt.Sprint("m", kill), Attempt: 2, Alone: true}
				want = append(want[:kill], append([]tasktest.Delivery{again}, want[kill:]...)...)
				if diff := cmp.Diff(want, r.Deliveries()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestAConsumerThatIsKilledAfterAnyCommitLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for kill := 1; kill <= 6; kill++ { // two for each message: one by the handler, one with the acknowledgement
		t.Run(fmt.Sprint("kill after ", kill), func(t *testing.T) {
			t.Parallel()
			tasktest.Test(t, func(t *testing.T) {
				r := tasktest.Run(t, fetcher, ``, tasktest.KillAfterCommit(kill))
				for _, url := range []string{"a", "b", "c"} {
					r.Send(page{url})
				}
				r.Wait()
				r = r.Next()
				r.WaitHandled()
				if len(r.Acknowledged()) != 3 || len(r.Emitted("pages")) != 3 || len(r.Emitted("log")) != 3 {
					t.Errorf("%v %v %v", r.Acknowledged(), r.Emitted("pages"), r.Emitted("log"))
				}
			})
		})
	}
}

func TestFailedMessagesComeAgainAndAreGivenUp(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		began := time.Now()
		typ := task.Consumer("work", func(_ context.Context, _ *task.Host, _ config, m *task.Message[string]) error {
			switch m.Value {
			case "bad":
				return task.Permanent(errors.New("never"))
			case "poison":
				return fmt.Errorf("attempt %d", m.Attempt)
			case "later":
				if m.Attempt == 1 {
					return task.RetryAfter(time.Hour, errors.New("not yet"))
				}
			case "none":
				return task.Skip("nothing to do")
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.MaxDeliveries(3), tasktest.Redeliver(time.Second), tasktest.Queue("work"))
		for _, v := range []string{"bad", "poison", "later", "none"} {
			r.Send(v, tasktest.MessageID(v))
		}
		r.WaitHandled()
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %s", took)
		}
		if diff := cmp.Diff([]string{"none", "later"}, r.Acknowledged()); diff != "" {
			t.Error(diff)
		}
		want := []tasktest.DeadLetter{
			{ID: "bad", Reason: "permanent", Error: "never", Attempts: 1},
			{ID: "poison", Reason: "failed", Error: "attempt 3", Attempts: 3},
		}
		if diff := cmp.Diff(want, r.DeadLetters()); diff != "" {
			t.Error(diff)
		}
		r.Close(time.Second)
		if r.Outcome() != "succeeded" {
			t.Errorf("%s: %s", r.Outcome(), r.Message())
		}
	})
}
