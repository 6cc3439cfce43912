package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// consumer is a session with one run that handles messages, and its host: it answers what a run asks before its
// first messages.
type consumer struct {
	*rig
	line   *line
	frames chan *taskv1.PluginFrame // all others
	mu     sync.Mutex               // of line.send, and what follows
	held   bool                     // nothing is answered
	asked  []uint64                 // while it is held
	tag    uint64
}

type handleFunc func(ctx context.Context, w *session.Work) error

// consume starts a run of a type that handles messages.
func consume(t *testing.T, how *taskv1.Consume, batch bool, handle handleFunc) *consumer {
	t.Helper()
	c := open(t, batch, handle)
	c.begin(how)
	c.want("run entered", fmt.Sprint("credit ", 2*max(how.GetConcurrency(), 1)*max(how.GetBatchSize(), 1)))
	return c
}

func open(t *testing.T, batch bool, handle handleFunc) *consumer {
	t.Helper()
	r := newRigOf(t, session.Type{
		Description: wire.Type{Modes: []string{"continuous"}, Batch: batch, Outputs: []wire.Output{{Name: "out"}}},
		Handle:      func(ctx context.Context, w *session.Work, _ any) error { return handle(ctx, w) },
	})
	return &consumer{rig: r, frames: make(chan *taskv1.PluginFrame, 10_000)}
}

// begin configures the task and starts its run r1.
func (c *consumer) begin(how *taskv1.Consume) {
	c.t.Helper()
	c.configure("a")
	c.start(how)
}

func (c *consumer) start(how *taskv1.Consume) {
	c.t.Helper()
	c.line, _, _ = c.connect("a", "token", 0, 0)
	go c.read()
	c.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: &taskv1.RunStart{Run: "r1", Attempt: 1, Consume: how}}})
}

func (c *consumer) read() {
	defer close(c.frames)
	for {
		f, err := c.line.stream.Recv()
		if err != nil {
			return
		}
		if load := f.GetLoad(); load != nil {
			c.ask(load.GetId())
			continue
		}
		c.frames <- f
	}
}

func (c *consumer) ask(id uint64) {
	c.mu.Lock()
	held := c.held
	if held {
		c.asked = append(c.asked, id)
	}
	c.mu.Unlock()
	if !held {
		c.answer(id)
	}
}

// hold answers nothing until release.
func (c *consumer) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

func (c *consumer) release() {
	c.mu.Lock()
	asked := c.asked
	c.held, c.asked = false, nil
	c.mu.Unlock()
	for _, id := range asked {
		c.answer(id)
	}
}

func (c *consumer) send(f *taskv1.HostFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line.send(f)
}

// deliver sends messages with these values, numbered from where the last one ended.
func (c *consumer) deliver(values ...string) {
	c.t.Helper()
	d := &taskv1.Deliver{Run: "r1"}
	for _, v := range values {
		c.tag++
		value, alone := strings.CutPrefix(v, "alone:")
		d.Messages = append(d.Messages, &taskv1.Delivery{
			Tag: c.tag, Queue: "q", Id: fmt.Sprint("m", c.tag), Attempt: 1, Value: []byte(value), Alone: alone,
		})
	}
	c.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Deliver{Deliver: d}})
}

// next is the next frame; nil at the end.
func (c *consumer) next() *taskv1.PluginFrame { return <-c.frames }

func (c *consumer) answer(id uint64) {
	c.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Reply{Reply: &taskv1.Reply{Id: id}}})
}

// want reads frames; signs of life among them count only where one is wanted.
func (c *consumer) want(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		got := say(c.next())
		for beats := 0; got == "beat" && want != "beat"; beats++ {
			if beats > 100 {
				c.t.Fatalf("%q does not come", want)
			}
			got = say(c.next())
		}
		if got != want {
			c.t.Errorf("frame %q, want %q", got, want)
		}
	}
}

// fates reads until so many messages are settled.
func (c *consumer) fates(n int) map[uint64]string {
	c.t.Helper()
	all := make(map[uint64]string)
	for len(all) < n {
		f := c.next()
		if f == nil {
			c.t.Fatalf("%d messages are settled, want %d", len(all), n)
		}
		for _, m := range f.GetMessagesHandled().GetMessages() {
			if all[m.GetTag()] != "" {
				c.t.Errorf("message %d is settled twice", m.GetTag())
			}
			all[m.GetTag()] = word(m.GetStatus())
		}
	}
	return all
}

// rest is what comes until the run's result, that included, signs of life left out, in alphabetical order.
func (c *consumer) rest() []string {
	var all []string
	for {
		f := c.next()
		if f.GetBeat() == nil {
			all = append(all, say(f))
		}
		if f == nil || f.GetRunResult() != nil {
			slices.Sort(all)
			return all
		}
	}
}

// say describes a frame in a few words.
func say(f *taskv1.PluginFrame) string {
	switch b := f.GetBody().(type) {
	case *taskv1.PluginFrame_RunEntered:
		return "run entered"
	case *taskv1.PluginFrame_Credit:
		return fmt.Sprint("credit ", b.Credit.GetWindow())
	case *taskv1.PluginFrame_MessagesEntered:
		return fmt.Sprint("entered ", b.MessagesEntered.GetTags())
	case *taskv1.PluginFrame_MessagesHandled:
		text := "handled"
		for _, m := range b.MessagesHandled.GetMessages() {
			text += strings.TrimRight(fmt.Sprintf(" %d:%s:%s", m.GetTag(), word(m.GetStatus()), m.GetMessage()), ":")
			if m.GetStack() != "" {
				text += " with stack"
			}
			if m.GetRetryAfter() != 0 {
				text += fmt.Sprint(" after ", time.Duration(m.GetRetryAfter()))
			}
		}
		if n := len(b.MessagesHandled.GetOps()); n > 0 {
			text += fmt.Sprintf(" + %d ops", n)
		}
		return text
	case *taskv1.PluginFrame_MessageExtend:
		return fmt.Sprintf("extend %d by %s", b.MessageExtend.GetTag(), time.Duration(b.MessageExtend.GetBy()))
	case *taskv1.PluginFrame_RunResult:
		return strings.TrimSpace(fmt.Sprintf("result %s %s", word(b.RunResult.GetStatus()), b.RunResult.GetMessage()))
	case *taskv1.PluginFrame_Commit:
		return fmt.Sprintf("commit of %d", len(b.Commit.GetOps()))
	case *taskv1.PluginFrame_Beat:
		return "beat"
	case nil:
		return "end"
	}
	return "?"
}

func word(s taskv1.RunStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "RUN_STATUS_"))
}

func (c *consumer) stop() {
	c.t.Helper()
	if _, err := c.client.Stop(c.t.Context(), &taskv1.StopRequest{Instance: "a"}); err != nil {
		c.t.Fatal(err)
	}
}

func value(w *session.Work) string { return string(w.Messages[0].GetValue()) }

func one() *taskv1.Consume { return &taskv1.Consume{Concurrency: 1} }

func emit(v string) *taskv1.Op {
	return &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: "out", Value: []byte(v)}}}
}

func TestMessagesAreHandledAndSettledOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan error)
		c := consume(t, one(), false, func(context.Context, *session.Work) error { return <-turn })
		slow := &closer{}
		c.object = slow
		c.deliver("1", "2")
		c.want("entered [1]")
		synctest.Wait()
		turn <- nil
		c.want("handled 1:succeeded", "entered [2]")
		c.deliver("3") // while 2 is at work
		turn <- errors.New("no")
		c.want("handled 2:failed:no", "entered [3]")
		turn <- nil
		c.want("handled 3:succeeded")
		c.stop()
		c.want("credit 0", "result succeeded", "end")
	})
}

func TestWhatAHandlerReturnsDecidesWhatBecomesOfItsMessage(t *testing.T) {
	t.Parallel()
	fail := func(s taskv1.RunStatus, err error) error {
		return &session.Verdict{Status: s, Err: err, After: 3 * time.Second}
	}
	note := func(s taskv1.RunStatus) error { return &session.Verdict{Status: s, Note: "why"} }
	plain := errors.New("no")
	for _, tc := range []struct {
		name   string
		handle func() error
		want   string
	}{
		{"nil", func() error { return nil }, "succeeded + 1 ops"},
		{"plain", func() error { return plain }, "failed:no"},
		{"permanent", func() error { return fail(taskv1.RunStatus_RUN_STATUS_PERMANENT, plain) }, "permanent:no after 3s"},
		{"retry after", func() error { return fail(taskv1.RunStatus_RUN_STATUS_RETRY_AFTER, plain) }, "retry_after:no after 3s"},
		{"skip", func() error { return note(taskv1.RunStatus_RUN_STATUS_SKIPPED) }, "skipped:why + 1 ops"},
		{"unhealthy", func() error { return note(taskv1.RunStatus_RUN_STATUS_UNHEALTHY) }, "failed:why"},
		{"interrupted by nothing", func() error { return note(taskv1.RunStatus_RUN_STATUS_INTERRUPTED) }, "failed:why"},
		{"stopping although it is not", func() error { return session.ErrStopping }, "failed"},
		{"cancelled by itself", func() error { return context.Canceled }, "failed:context canceled"},
		{"panic", func() error { panic("boom") }, "panic:panic: boom with stack"},
		{"goexit", func() error { runtime.Goexit(); return nil }, "failed:the function ended its goroutine (runtime.Goexit) instead of returning"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := consume(t, one(), false, func(_ context.Context, w *session.Work) error {
					w.Add(session.Whole, emit("1"), nil)
					if value(w) == "next" {
						return nil
					}
					return tc.handle()
				})
				c.deliver("1")
				c.want("entered [1]", "handled 1:"+tc.want)
				c.deliver("next") // it goes on all the same
				c.want("entered [2]", "handled 2:succeeded + 1 ops")
			})
		})
	}
}

func TestAHandlerThatCannotCommitFails(t *testing.T) {
	t.Parallel()
	large := `"` + strings.Repeat("x", 600<<10) + `"`
	for _, tc := range []struct {
		name string
		add  func(w *session.Work)
		want string
	}{
		{"too many", func(w *session.Work) {
			for range 1001 {
				w.Add(session.Whole, emit("1"), nil)
			}
		}, "1001 operations are too many for one commit, the limit is 1000"},
		{"too large", func(w *session.Work) {
			w.Add(session.Whole, emit(large), nil)
			w.Add(session.Whole, emit(large), nil)
		}, "what the handler commits is too large for one frame: 1228920B, the limit is 1023KiB"},
		{"not encoded", func(w *session.Work) { w.Add(session.Whole, nil, errors.New("no JSON")) }, "no JSON"},
		{"an unknown output", func(w *session.Work) {
			w.Add(session.Whole, &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: "ou"}}}, nil)
		}, `type "t" declares no output "ou"; did you mean "out"?`},
		{"an id that looks derived", func(w *session.Work) {
			w.Add(session.Whole, &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: "out", Id: "~1"}}}, nil)
		}, `the id "~1" begins with "~", as only those do that are derived for messages without one`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := consume(t, one(), false, func(_ context.Context, w *session.Work) error {
					tc.add(w)
					return nil
				})
				c.deliver("1")
				c.want("entered [1]")
				f := c.next().GetMessagesHandled()
				h := f.GetMessages()[0]
				if len(f.GetOps()) != 0 || h.GetStatus() != taskv1.RunStatus_RUN_STATUS_FAILED || !strings.Contains(h.GetMessage(), tc.want) {
					t.Errorf("%d ops, %s: %s; want %s", len(f.GetOps()), h.GetStatus(), h.GetMessage(), tc.want)
				}
			})
		})
	}
}

func TestAsManyHandlersAsSaidAreAtWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const width, n = 4, 200
		var now, most, handled atomic.Int64
		c := consume(t, &taskv1.Consume{Concurrency: width}, false, func(context.Context, *session.Work) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			handled.Add(1)
			return nil
		})
		sent, settled := 0, make(map[uint64]bool)
		entered := make(map[uint64]bool)
		for len(settled) < n {
			for sent < min(n, len(settled)+2*width) { // one by one, so that workers are found idle and busy
				c.deliver("1")
				sent++
			}
			f := c.next()
			for _, tag := range f.GetMessagesEntered().GetTags() {
				entered[tag] = true
			}
			for _, m := range f.GetMessagesHandled().GetMessages() {
				if settled[m.GetTag()] || !entered[m.GetTag()] {
					t.Errorf("message %d: settled %t, entered %t", m.GetTag(), settled[m.GetTag()], entered[m.GetTag()])
				}
				settled[m.GetTag()] = true
			}
		}
		if most.Load() != width || handled.Load() != n {
			t.Errorf("%d at a time, %d handled", most.Load(), handled.Load())
		}
	})
}

func TestAConsumerDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began sync.WaitGroup
		began.Add(1)
		slow := &closer{}
		c := open(t, false, func(_ context.Context, w *session.Work) error {
			if slow.closed {
				t.Error("the object was closed under a handler")
			}
			began.Done()
			time.Sleep(time.Minute)
			return nil
		})
		c.object = slow
		c.begin(one())
		c.want("run entered", "credit 2")
		c.deliver("1", "2")
		c.want("entered [1]")
		synctest.Wait()
		c.stop()
		c.want("credit 0", "handled 2:interrupted")
		c.deliver("3") // it was on its way
		c.want("handled 3:interrupted", "handled 1:succeeded", "result succeeded", "end")
		if !slow.closed {
			t.Error("the object is not closed")
		}
	})
}

func TestAStopInTheMiddleOfAHandlerGivesItsMessageBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, one(), false, func(ctx context.Context, w *session.Work) error {
			return w.Handle().Wait(ctx, time.Hour)
		})
		c.deliver("1")
		c.want("entered [1]")
		synctest.Wait()
		c.stop()
		if diff := cmp.Diff([]string{"credit 0", "handled 1:interrupted", "result succeeded"}, c.rest()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestACancelReachesHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, &taskv1.Consume{Concurrency: 2}, false, func(ctx context.Context, w *session.Work) error {
			<-ctx.Done()
			if value(w) == "cause" {
				return context.Cause(ctx)
			}
			return fmt.Errorf("get: %w", ctx.Err())
		})
		c.deliver("cause", "err")
		synctest.Wait()
		if _, err := c.client.Cancel(t.Context(), &taskv1.CancelRequest{Instance: "a", Run: "r1", Cause: taskv1.Cause_CAUSE_STOP_TIMEOUT}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[uint64]string{1: "interrupted", 2: "interrupted"}, c.fates(2)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheTimeoutOfAHandlerAndItsExtension(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, &taskv1.Consume{Concurrency: 1, Timeout: int64(time.Minute)}, false, func(ctx context.Context, w *session.Work) error {
			began := time.Now()
			if value(w) == "extend" {
				time.Sleep(50 * time.Second)
				if !w.Extend(time.Minute) || w.Extend(0) {
					t.Error("it is not extended as it asks")
				}
			}
			if end, ok := w.Deadline(); !ok || value(w) == "extend" && end != began.Add(2*time.Minute) {
				t.Errorf("deadline %s %t", end, ok)
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), session.ErrTimeout) || w.Extend(time.Minute) {
				t.Errorf("cause %v, or extended after it", context.Cause(ctx))
			}
			if took := time.Since(began); value(w) == "extend" && took != 2*time.Minute {
				t.Errorf("took %s", took)
			}
			return ctx.Err()
		})
		c.deliver("1")
		c.want("entered [1]", "handled 1:failed:the handler did not end within its timeout of 1m0s: context canceled")
		c.deliver("extend")
		c.want("entered [2]", "extend 2 by 1m0s", "handled 2:failed:the handler did not end within its timeout of 1m0s: context canceled")
	})
}

func TestBatchesFillOrWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		c := consume(t, &taskv1.Consume{Concurrency: 1, BatchSize: 3, BatchWait: int64(time.Second)}, true, func(_ context.Context, w *session.Work) error {
			text := ""
			for _, m := range w.Messages {
				text += string(m.GetValue())
			}
			got = append(got, fmt.Sprint(text, "@", time.Since(began)))
			return nil
		})
		c.deliver("a", "b", "c", "d")
		time.Sleep(400 * time.Millisecond)
		c.deliver("e")
		c.fates(5)
		c.deliver("f", "alone:g", "h")
		c.fates(3)
		want := []string{"abc@0s", "de@1s", "f@1s", "g@1s", "h@2s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEveryBatchHasItsOwnWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		c := consume(t, &taskv1.Consume{Concurrency: 2, BatchSize: 2, BatchWait: int64(time.Second)}, true, func(_ context.Context, w *session.Work) error {
			if len(w.Messages) == 2 {
				<-hold
			}
			return nil
		})
		c.deliver("a", "b", "c") // c waits for another, with a worker of its own
		if diff := cmp.Diff(map[uint64]string{3: "succeeded"}, c.fates(1)); diff != "" {
			t.Error(diff)
		}
		close(hold)
		c.fates(2)
	})
}

func TestMessagesOfABatchFailByThemselves(t *testing.T) {
	t.Parallel()
	how := &taskv1.Consume{Concurrency: 1, BatchSize: 3, BatchWait: int64(time.Second)}
	for _, tc := range []struct {
		name   string
		result error
		want   string
	}{
		{"some", nil, "handled 1:succeeded 2:permanent:bad 3:succeeded + 3 ops"},
		{"all", errors.New("no"), "handled 1:failed:no 2:permanent:bad 3:failed:no"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := consume(t, how, true, func(_ context.Context, w *session.Work) error {
					w.Add(session.Whole, emit("0"), nil)
					for i := range w.Messages {
						w.Add(i, emit("1"), nil)
					}
					w.Fail(1, &session.Verdict{Status: taskv1.RunStatus_RUN_STATUS_PERMANENT, Err: errors.New("bad")})
					w.Fail(2, nil)
					return tc.result
				})
				c.deliver("a", "b", "c")
				c.want("entered [1 2 3]", tc.want)
			})
		})
	}
	t.Run("every one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := consume(t, how, true, func(_ context.Context, w *session.Work) error {
				w.Add(session.Whole, emit("0"), nil)
				for i := range w.Messages {
					w.Fail(i, errors.New("bad"))
				}
				return nil
			})
			c.deliver("a", "b", "c")
			c.want("entered [1 2 3]", "handled 1:failed:bad 2:failed:bad 3:failed:bad")
		})
	})
	t.Run("one that is not there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := consume(t, how, true, func(_ context.Context, w *session.Work) error {
				w.Fail(3, errors.New("bad"))
				return nil
			})
			c.deliver("a", "b", "c")
			c.want("entered [1 2 3]")
			if text := say(c.next()); strings.Count(text, "the batch has 3 messages and none with index 3") != 3 || strings.Count(text, "stack") != 1 {
				t.Error(text)
			}
		})
	})
}

func TestALargeBatchThatFailsWithALongTextFitsIntoAFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, &taskv1.Consume{Concurrency: 1, BatchSize: 1000}, true, func(context.Context, *session.Work) error {
			panic(strings.Repeat("x", 1<<20))
		})
		c.deliver(slices.Repeat([]string{"1"}, 1000)...)
		for f := c.next(); ; f = c.next() {
			if n := len(f.GetMessagesHandled().GetMessages()); n == 1000 {
				break
			} else if n > 0 {
				t.Fatalf("a batch of %d", n)
			}
		}
	})
}

func TestAnIdleConsumerGivesSignsOfLifeAndABusyOneDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, one(), false, func(context.Context, *session.Work) error {
			time.Sleep(time.Hour)
			return nil
		})
		began := time.Now()
		c.want("beat", "beat", "beat")
		if since := time.Since(began); since != 6*time.Second {
			t.Errorf("three beats in %s", since)
		}
		c.deliver("1")
		c.want("entered [1]", "handled 1:succeeded", "beat")
	})
}

func TestTheFirstHandlersBeginWhenTheHostKnowsOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var entered atomic.Int64
		c := consume(t, one(), false, func(context.Context, *session.Work) error {
			entered.Add(1)
			return nil
		})
		c.hold()
		c.deliver("1")
		c.want("entered [1]")
		time.Sleep(time.Minute)
		if entered.Load() != 0 {
			t.Error("the handler was entered although the host may not know it")
		}
		c.release()
		c.want("handled 1:succeeded")
		c.deliver("2")
		c.want("entered [2]", "handled 2:succeeded")
		c.hold() // nothing is asked from here on
		c.deliver("3")
		c.want("entered [3]", "handled 3:succeeded")
	})
}

func TestAStopBeforeTheHostKnowsGivesTheMessageBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, one(), false, func(context.Context, *session.Work) error {
			t.Error("the handler was entered")
			return nil
		})
		c.hold()
		c.deliver("1")
		c.want("entered [1]")
		if _, err := c.client.Cancel(t.Context(), &taskv1.CancelRequest{Instance: "a", Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"credit 0", "handled 1:interrupted", "result failed the run was cancelled"}, c.rest()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAStopMayOvertakeTheStartOfAConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := open(t, false, func(context.Context, *session.Work) error { return nil })
		c.configure("a")
		if _, err := c.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a", Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		c.start(one())
		c.want("run entered", "credit 0", "result succeeded")
	})
}

func TestAConsumerNeedsAConsumeBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := open(t, false, func(context.Context, *session.Work) error { return nil })
		c.begin(nil)
		c.want("run entered", `result permanent type "t" handles messages: its task needs a consume block`)
	})
}

func TestMessagesForAnotherRunAndFramesOfTheFutureAreIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := consume(t, one(), false, func(context.Context, *session.Work) error { return nil })
		other := &taskv1.Deliver{Run: "r0", Messages: []*taskv1.Delivery{{Tag: 7}}}
		c.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Deliver{Deliver: other}})
		future := &taskv1.HostFrame{}
		future.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), []byte("new")))
		c.send(future)
		c.deliver("1")
		c.want("entered [1]", "handled 1:succeeded")
	})
}

func TestACommitWithinAHandlerIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kept *session.Work
		c := consume(t, one(), false, func(ctx context.Context, w *session.Work) error {
			kept = w
			save := &taskv1.Op{Op: &taskv1.Op_Save{Save: &taskv1.Save{Key: "k", Value: []byte("1")}}}
			w.Add(session.Whole, emit("1"), nil)
			return w.Commit(ctx, []*taskv1.Op{emit("1"), save})
		})
		c.deliver("1")
		c.want("entered [1]")
		f := c.next().GetCommit()
		if len(f.GetOps()) != 2 { // nothing is counted of what is saved here
			t.Errorf("commit %v", f)
		}
		id := f.GetOps()[0].GetEmit().GetId()
		c.answer(f.GetId())
		handled := c.next().GetMessagesHandled()
		if second := handled.GetOps()[0].GetEmit().GetId(); second != id+"-1" {
			t.Errorf("ids %q and %q", id, second)
		}
		if err := kept.Commit(t.Context(), []*taskv1.Op{emit("2")}); err == nil || !strings.Contains(err.Error(), "the handler has returned") {
			t.Errorf("commit of a handler that has returned: %v", err)
		}
	})
}
