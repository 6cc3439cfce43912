package task_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// counter is an object that runs, steps, answers and is closed.
type counter struct {
	mu     sync.Mutex
	steps  int
	closed chan struct{}
	host   *task.Host
	block  chan struct{} // when set, a step waits for it
}

func (c *counter) Run(ctx context.Context, h *task.Host) error {
	err := h.Wait(ctx, time.Minute)
	if errors.Is(err, task.ErrStopping) {
		return nil
	}
	return err
}

func (c *counter) Step(ctx context.Context, h *task.Host) error {
	c.mu.Lock()
	c.steps++
	c.mu.Unlock()
	if c.block != nil {
		select {
		case <-c.block:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return h.Publish("steps", c.count())
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

func (c *counter) Close() error {
	close(c.closed)
	return errors.New("close went wrong")
}

type amount struct {
	N int `json:"n"`
}

func add(_ context.Context, c *counter, in amount) (amount, error) {
	switch {
	case in.N < 0:
		return amount{}, errors.New("negative")
	case in.N == 666:
		panic("beast")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps += in.N
	return amount{c.steps}, nil
}

func hang(ctx context.Context, _ *counter, _ struct{}) (struct{}, error) {
	<-ctx.Done()
	return struct{}{}, context.Cause(ctx)
}

func opener(c *counter) func(context.Context, *task.Host, none) (*counter, error) {
	return func(_ context.Context, h *task.Host, _ none) (*counter, error) {
		h.Log().Info("opened")
		h.Ready("open")
		c.host, c.closed = h, make(chan struct{})
		return c, nil
	}
}

func TestLoopStepsWithItsPauseAndEndsAfterTheStep(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		c := &counter{}
		r := tasktest.Run(t, task.OpenLoop("loop", opener(c)), ``, tasktest.Pause(10*time.Second))
		equal(t, "steps at once", r.State("steps"), "1")
		time.Sleep(95 * time.Second)
		equal(t, "steps", r.State("steps"), "10")
		if r.Beats() < 40 {
			t.Errorf("%d beats in 95 s", r.Beats())
		}
		r.Stop(time.Second)
		equal(t, "outcome", r.Outcome(), "succeeded")
		r.Close(time.Second)
		select {
		case <-c.closed:
		default:
			t.Error("the object is not closed")
		}
		logs := fmt.Sprint(r.Logs())
		if !strings.Contains(logs, "opened") || !strings.Contains(logs, "close went wrong") {
			t.Errorf("logs: %s", logs)
		}
	})
}

func TestLoopEndsOnlyAfterTheStepInWork(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		c := &counter{block: make(chan struct{})}
		r := tasktest.Run(t, task.OpenLoop("loop", opener(c)), ``)
		r.Stop(time.Hour)
		synctest.Wait()
		c.block <- struct{}{}
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "steps", r.State("steps"), "1")
	})
}

func TestLoopFailsWithItsStep(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		n := 0
		r := tasktest.Run(t, task.Loop("loop", func(context.Context, *task.Host, none) error {
			if n++; n == 1000 {
				return task.Permanent(errors.New("step 1000"))
			}
			return nil
		}), ``)
		equal(t, "message", r.Message(), "step 1000")
		equal(t, "class", r.Class(), "permanent")
		equal(t, "cancelled loop", tasktest.Run(t, task.Loop("loop", func(ctx context.Context, h *task.Host, _ none) error {
			return nil
		}), ``, tasktest.Pause(time.Hour), tasktest.Timeout(time.Minute)).Outcome(), "timed_out")
	})
}

func TestMethodsAreServedBesideTheStep(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		c := &counter{block: make(chan struct{})}
		typ := task.OpenLoop("loop", opener(c), task.Method("add", add, "adds"), task.Method("hang", hang))
		r := tasktest.Run(t, typ, ``)
		var calls sync.WaitGroup
		for range 100 { // while the one step is blocked
			calls.Go(func() {
				var out amount
				if err := r.Call("add", amount{1}, &out); err != nil || out.N < 2 {
					t.Errorf("add: %+v %v", out, err)
				}
			})
		}
		calls.Wait()
		equal(t, "count", c.count(), 101)
		for _, bad := range []struct {
			method string
			in     any
			want   string
		}{
			{"add", amount{-1}, "negative"},
			{"add", amount{666}, "panic: beast"},
			{"add", map[string]any{"m": 1}, "input: "},
			{"nope", struct{}{}, `type "loop" has no method "nope"`},
		} {
			if err := r.Call(bad.method, bad.in, nil); err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("Call(%s, %v): %v, want %q", bad.method, bad.in, err, bad.want)
			}
		}
		hung := make(chan error, 1)
		go func() { hung <- r.Call("hang", struct{}{}, nil) }()
		synctest.Wait()
		r.Stop(time.Hour)
		synctest.Wait()
		if err := r.Call("add", amount{1}, nil); err != nil {
			t.Errorf("while the task drains: %v", err)
		}
		close(c.block)
		r.Close(time.Hour)
		if err := <-hung; err == nil || !strings.Contains(err.Error(), "the task is closed in this process") {
			t.Errorf("a call that hangs is ended with: %v", err)
		}
		if err := r.Call("add", amount{1}, nil); err == nil {
			t.Error("a closed task answers")
		}
	})
}

func TestTheHostOfAnOpenFunctionIsBoundToNoRun(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		c := &counter{}
		save := func(ctx context.Context, c *counter, in amount) (amount, error) {
			if err := c.host.Commit(ctx, task.Save("saved", in.N)); err != nil {
				return amount{}, err
			}
			n, _, err := task.Load[int](ctx, c.host, "saved")
			return amount{n}, err
		}
		typ := task.OpenContinuous("c", func(ctx context.Context, h *task.Host, _ none) (*counter, error) {
			c.host, c.closed = h, make(chan struct{})
			if _, _, err := task.Load[int](ctx, h, "x"); err == nil || !strings.Contains(err.Error(), "there is no session yet") {
				t.Errorf("Load in open: %v", err)
			}
			if err := h.Commit(ctx, task.SaveRun("x", 1)); err == nil {
				t.Error("SaveRun in open")
			}
			if h.Extend(time.Second) {
				t.Error("Extend in open")
			}
			equal(t, "info", h.Info(), task.Info{Task: "test", Type: "c", Mode: task.ModeContinuous})
			return c, h.Publish("opened", true)
		}, task.Method("save", save))
		r := tasktest.Run(t, typ, ``)
		equal(t, "published in open", r.State("opened"), "true")
		var out amount
		if err := r.Call("save", amount{7}, &out); err != nil || out.N != 7 {
			t.Errorf("save: %v %v", out, err)
		}
		equal(t, "checkpoint", r.Checkpoint("saved"), "7")
		if c.host.Stopped() {
			t.Error("stopped too early")
		}
		r.Close(time.Second)
		if !c.host.Stopped() {
			t.Error("the object does not learn that the task stops")
		}
	})
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  func() error
		want string
	}{
		{"error", func() error { return errors.New("refused") }, "open: refused"},
		{"permanent", func() error { return task.Permanent(errors.New("no such host")) }, "the plugin rejects its config: no such host"},
		{"panic", func() error { panic("boom") }, "open: panic: boom"},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			typ := task.OpenPeriodic("p", func(context.Context, *task.Host, none) (*counter, error) { return nil, c.err() })
			_, err := tasktest.Open(t, typ, ``)
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

type job struct{ factor int }

func (j job) Run(_ context.Context, _ *task.Host, in amount) (amount, error) {
	return amount{in.N * j.factor}, nil
}

func TestJobs(t *testing.T) {
	t.Parallel()
	type config struct {
		Factor int `task:"factor"`
	}
	double := func(_ context.Context, h *task.Host, c config, in amount) (amount, error) {
		switch in.N {
		case -1:
			<-h.Stopping()
			return amount{5}, task.Interrupted("partial")
		case -2:
			return amount{5}, errors.New("failed")
		}
		return amount{in.N * c.Factor}, nil
	}
	large := func(context.Context, *task.Host, config, struct{}) (string, error) {
		return strings.Repeat("x", 1<<20), nil
	}
	nothing := func(context.Context, *task.Host, config, struct{}) (struct{}, error) { return struct{}{}, nil }
	bad := func(context.Context, *task.Host, config, struct{}) (any, error) { return func() {}, nil }
	for _, c := range []struct {
		name    string
		typ     task.Type
		options []tasktest.Option
		outcome string
		result  string
		message string
	}{
		{"result", task.Job("double", double), []tasktest.Option{tasktest.Input(amount{4})}, "succeeded", `{"n":8}`, ""},
		{"no input", task.Job("double", double), nil, "succeeded", `{"n":0}`, ""},
		{"partial result", task.Job("double", double), []tasktest.Option{tasktest.Input(amount{-1})}, "interrupted", `{"n":5}`, "partial"},
		{"result of a failure", task.Job("double", double), []tasktest.Option{tasktest.Input(amount{-2})}, "failed", ``, "failed"},
		{"open", task.OpenJob("open", func(_ context.Context, _ *task.Host, c config) (job, error) { return job{c.Factor}, nil }),
			[]tasktest.Option{tasktest.Input(amount{4})}, "succeeded", `{"n":8}`, ""},
		{"too large", task.Job("large", large), nil, "failed", "", "the run's result is too large for one frame: 1048578B, the limit is 1023KiB"},
		{"nothing", task.Job("nothing", nothing), nil, "succeeded", "", ""},
		{"no JSON", task.Job("bad", bad), nil, "failed", "", "encode result: json: unsupported type: func()"},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			r := tasktest.Run(t, c.typ, `factor = 2`, c.options...)
			if c.outcome == "interrupted" {
				r.Stop(time.Minute)
			}
			equal(t, "outcome", r.Outcome(), c.outcome)
			equal(t, "result", r.Result(), c.result)
			equal(t, "message", r.Message(), c.message)
		})
	}
	inBubble(t, "input is checked", func(t *testing.T) {
		_, err := tasktest.Open(t, task.Job("double", double), `factor = 2`, tasktest.Input(map[string]any{"n": "four"}))
		if err == nil || !strings.Contains(err.Error(), "input: n: ") {
			t.Errorf("error %v", err)
		}
	})
}

// quitter ends the goroutine that it is called in, as FailNow of a test does.
type quitter struct{}

func (*quitter) Run(context.Context, *task.Host) error { return nil }

func (*quitter) Close() error {
	runtime.Goexit()
	return nil
}

func TestCodeThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	t.Parallel()
	const text = "the function ended its goroutine (runtime.Goexit) instead of returning"
	inBubble(t, "open", func(t *testing.T) {
		_, err := tasktest.Open(t, task.OpenPeriodic("quit", func(context.Context, *task.Host, none) (*quitter, error) {
			runtime.Goexit()
			return nil, nil
		}), ``)
		if err == nil || err.Error() != "open: "+text {
			t.Errorf("open: %v", err)
		}
	})
	inBubble(t, "close", func(t *testing.T) {
		r := tasktest.Run(t, task.OpenPeriodic("quit", func(context.Context, *task.Host, none) (*quitter, error) { return &quitter{}, nil }), ``)
		equal(t, "outcome", r.Outcome(), "succeeded")
		r.Close(time.Second)
		contains(t, "log", fmt.Sprint(r.Logs()), text)
	})
	inBubble(t, "validate", func(t *testing.T) {
		_, err := tasktest.Config[quitting](t, ``)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("validate: %v", err)
		}
	})
}

// quitting is a config whose check does not return.
type quitting struct{}

func (quitting) Validate() []task.Problem {
	runtime.Goexit()
	return nil
}
