package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
	"github.com/taskhost/taskhost/sdk/wire"
)

// loader is an object that handles messages, with a method beside it.
type loader struct {
	mu     sync.Mutex
	loaded []string
	closed bool
}

func (l *loader) Handle(_ context.Context, _ *task.Host, m *task.Message[order]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded = append(l.loaded, m.Value.ID)
	return nil
}

func (l *loader) Close() error { l.closed = true; return nil }

func loaded(_ context.Context, l *loader, _ struct{}) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loaded, nil
}

// batchLoader takes several at once.
type batchLoader struct{ sizes []int }

func (l *batchLoader) Handle(_ context.Context, _ *task.Host, b *task.Batch[order]) error {
	l.sizes = append(l.sizes, len(b.Messages))
	return nil
}

func TestAnOpenConsumerNeedsNoTypeArguments(t *testing.T) {
	t.Parallel()
	inBubble(t, "one at a time, with a method", func(t *testing.T) {
		var l loader
		typ := task.OpenConsumer("load", func(context.Context, *task.Host, none) (*loader, error) { return &l, nil }, task.Method("loaded", loaded))
		r := tasktest.Run(t, typ, ``)
		r.Send(order{"7"})
		r.Send(order{"8"})
		r.WaitHandled()
		var ids []string
		if err := r.Call("loaded", struct{}{}, &ids); err != nil || !slices.Equal(ids, []string{"7", "8"}) {
			t.Errorf("loaded: %v %v", ids, err)
		}
		r.Close(time.Second)
		if !l.closed {
			t.Error("the object is not closed")
		}
	})
	inBubble(t, "in batches", func(t *testing.T) {
		var l batchLoader
		typ := task.OpenBatchConsumer("load", func(context.Context, *task.Host, none) (*batchLoader, error) { return &l, nil })
		r := tasktest.Run(t, typ, ``, tasktest.Batch(2, time.Second))
		for range 3 {
			r.Send(order{"7"})
		}
		r.WaitHandled()
		r.Close(time.Second)
		if !slices.Equal(l.sizes, []int{2, 1}) {
			t.Errorf("batches of %d", l.sizes)
		}
	})
}

func TestTheDescriptionOfAConsumer(t *testing.T) {
	t.Parallel()
	d, _, err := task.Plugin{Name: "p", Types: []task.Type{
		task.Consumer("one", func(context.Context, *task.Host, none, *task.Message[order]) error { return nil }),
		task.BatchConsumer("many", func(context.Context, *task.Host, none, *task.Batch[int]) error { return nil }),
		task.Loop("loop", nop),
	}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(d.Features, wire.FeatureQueues) {
		t.Errorf("features %q", d.Features)
	}
	var got []string
	for _, typ := range d.Types {
		kind := "none"
		if typ.Message != nil {
			kind = string(typ.Message.JSONSchema())
		}
		got = append(got, fmt.Sprint(typ.Name, typ.Modes, typ.Batch, strings.Contains(kind, `"id"`), strings.Contains(kind, "integer")))
	}
	want := []string{"one[continuous] false true false", "many[continuous] true false true", "loop[continuous] false false false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAHandlerKnowsItsMessage(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		var kept *task.Host
		var seen task.Message[order]
		typ := task.Consumer("work", func(_ context.Context, h *task.Host, _ none, m *task.Message[order]) error {
			kept, seen = h, *m
			h.Log().Info("at work")
			if until, ok := h.Deadline(); !ok || time.Until(until) != time.Minute {
				t.Errorf("deadline %s %t", until, ok)
			}
			if h.Info().Run != "run1" || h.Stopped() {
				t.Errorf("info %+v", h.Info())
			}
			if !m.Extend(time.Minute) {
				t.Error("not extended")
			}
			if until, _ := h.Deadline(); time.Until(until) != 2*time.Minute {
				t.Errorf("deadline %s after extending", until)
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.Timeout(time.Minute), tasktest.Queue("orders"))
		sent := time.Now()
		r.Send(order{"7"}, tasktest.MessageID("id7"), tasktest.MessageKey("ann"))
		r.WaitHandled()
		if seen.ID != "id7" || seen.Queue != "orders" || seen.Key != "ann" || seen.Attempt != 1 || !seen.Posted.Equal(sent) || seen.Value.ID != "7" {
			t.Errorf("message %+v", seen)
		}
		lines := r.Logs()
		if i := slices.IndexFunc(lines, func(l tasktest.Line) bool { return l.Message == "at work" }); i < 0 || lines[i].Fields["message"] != "id7" || lines[i].Fields["run"] != "run1" {
			t.Errorf("log %v", lines)
		}
		if err := kept.Commit(t.Context(), task.Save("k", 1)); err == nil || !strings.Contains(err.Error(), "the handler has returned") {
			t.Errorf("commit after the handler: %v", err)
		}
	})
}

func TestABufferOfAHandlerEndsWithIt(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := task.Consumer("work", func(ctx context.Context, h *task.Host, _ none, m *task.Message[string]) error {
			if err := h.Buffer(task.MaxDelay(time.Hour)).Add(ctx, task.Save(m.Value, m.Attempt)); err != nil {
				return err
			}
			if m.Value == "fails" {
				return errors.New("no")
			}
			return nil
		})
		r := tasktest.Run(t, typ, ``, tasktest.MaxDeliveries(1))
		r.Send("fails")
		r.Send("goes well")
		r.WaitHandled()
		equal(t, "of the one that failed", r.Checkpoint("fails"), "")
		equal(t, "of the other", r.Checkpoint("goes well"), "1")
	})
}

func TestMessagesOfABatchThatFailEmitNothing(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := task.BatchConsumer("work", func(_ context.Context, _ *task.Host, _ none, b *task.Batch[order]) error {
			b.Save("last", len(b.Messages))
			for i, m := range b.Messages {
				m.Emit("out", m.Value)
				if m.Value.ID == "bad" && m.Attempt == 1 {
					b.Fail(i, errors.New("not now"))
				}
			}
			return nil
		}, task.Output[order]("out", ""))
		r := tasktest.Run(t, typ, ``, tasktest.Batch(3, time.Second))
		for _, id := range []string{"1", "bad", "2"} {
			r.Send(order{id}, tasktest.MessageID(id))
		}
		r.WaitHandled()
		if diff := cmp.Diff([]string{"1", "2", "bad"}, r.Acknowledged()); diff != "" {
			t.Error(diff)
		}
		var values []string
		for _, m := range r.Emitted("out") {
			values = append(values, m.Value)
		}
		if diff := cmp.Diff([]string{`{"id":"1"}`, `{"id":"2"}`, `{"id":"bad"}`}, values); diff != "" {
			t.Error(diff)
		}
		equal(t, "last", r.Checkpoint("last"), "1")
	})
}

// picky decodes even numbers only.
type picky int

func (p *picky) UnmarshalJSON(text []byte) error {
	if _, err := fmt.Sscan(string(text), (*int)(p)); err != nil || *p%2 != 0 {
		return fmt.Errorf("%s is odd", text)
	}
	return nil
}

func TestAMessageThatIsNoneIsADeadLetterAtOnce(t *testing.T) {
	t.Parallel()
	type number struct {
		N picky `json:"n"`
	}
	want := []tasktest.DeadLetter{{ID: "m2", Reason: "permanent", Error: "decode the message: 3 is odd", Attempts: 1}}
	for name, typ := range map[string]task.Type{
		"one at a time": task.Consumer("work", func(context.Context, *task.Host, none, *task.Message[number]) error { return nil }),
		"in batches":    task.BatchConsumer("work", func(context.Context, *task.Host, none, *task.Batch[number]) error { return nil }),
	} {
		inBubble(t, name, func(t *testing.T) {
			r := tasktest.Run(t, typ, ``, tasktest.Batch(3, time.Second))
			for n := 2; n <= 4; n++ {
				r.Send(number{picky(n)})
			}
			r.WaitHandled()
			if diff := cmp.Diff(want, r.DeadLetters()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"m1", "m3"}, r.Acknowledged()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestALogTailIsAFewCommitsASecond plays a log with 1,000 lines a second.
func TestALogTailIsAFewCommitsASecond(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		const seconds = 10
		typ := task.Continuous("tail", func(ctx context.Context, h *task.Host, _ none) error {
			b := h.Buffer(task.MaxOps(1000), task.MaxDelay(200*time.Millisecond))
			for n := range seconds * 1000 {
				if err := b.Add(ctx, task.Emit("lines", "the same line"), task.Save("offset", n+1)); err != nil {
					return err
				}
				if err := h.Wait(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		}, task.Output[string]("lines", ""))
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "lines", len(r.Emitted("lines")), seconds*1000)
		equal(t, "offset", r.Checkpoint("offset"), fmt.Sprint(seconds*1000))
		if n := r.Commits(); n > 6*seconds {
			t.Errorf("%d commits in %d s", n, seconds)
		}
	})
}

// TestAnAttemptThatRepeatsEmitsTheSameIDs kills a poller wherever it commits: the emits of what it could not save come
// again, in another order, and equal pages after a save are new ones.
func TestAnAttemptThatRepeatsEmitsTheSameIDs(t *testing.T) {
	t.Parallel()
	poll := func(ctx context.Context, h *task.Host, _ none) error {
		page, _, err := task.LoadRun[int](ctx, h, "page")
		for err == nil && page < 3 {
			lines := []string{"first", "second"}
			if h.Info().Attempt > 1 {
				slices.Reverse(lines)
			}
			for _, line := range lines {
				if err := h.Commit(ctx, task.Emit("lines", line)); err != nil {
					return err
				}
			}
			page++
			err = h.Commit(ctx, task.SaveRun("page", page))
		}
		return err
	}
	typ := task.Periodic("poll", poll, task.Output[string]("lines", ""))
	for kill := 1; kill <= 9; kill++ {
		inBubble(t, fmt.Sprint("kill after ", kill), func(t *testing.T) {
			r := tasktest.Run(t, typ, ``, tasktest.KillAfterCommit(kill))
			equal(t, "outcome", r.Outcome(), "failed")
			r = r.Retry()
			equal(t, "outcome", r.Outcome(), "succeeded")
			equal(t, "lines", len(r.Emitted("lines")), 6)
			equal(t, "saves", r.RunValue(wire.SavesKey), "3")
		})
	}
}

func TestTheCountOfSavesIsTheSDKsOwn(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			if err := h.Commit(ctx, task.Save("a", 1)); err != nil {
				return err
			}
			if v, found, err := task.LoadRun[int](ctx, h, wire.SavesKey); found || err != nil {
				t.Errorf("an author finds %d %v", v, err)
			}
			return h.Commit(ctx, task.SaveRun(wire.SavesKey, 7))
		}, task.Output[order]("orders", ""))
		r := tasktest.Run(t, typ, ``)
		equal(t, "message", r.Message(), `commit: the key "~saves" is used by the SDK: take another`)
		equal(t, "saves", r.RunValue(wire.SavesKey), "1")
	})
	inBubble(t, "and only where something can be emitted", func(t *testing.T) {
		r := tasktest.Run(t, periodic(func(ctx context.Context, h *task.Host) error { return h.Commit(ctx, task.Save("a", 1)) }), ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "saves", r.RunValue(wire.SavesKey), "")
	})
}

func TestCommitsThatSaveGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		typ := periodic(func(ctx context.Context, h *task.Host) error {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if err := h.Commit(ctx, task.Save("a", 1), task.Emit("orders", order{"same"})); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			return nil
		}, task.Output[order]("orders", ""))
		r := tasktest.Run(t, typ, ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "orders", len(r.Emitted("orders")), 20)
		equal(t, "saves", r.RunValue(wire.SavesKey), "20")
	})
}
