package task_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func ExamplePeriodic() {
	type Config struct {
		Path string        `task:"path" doc:"file to look at"`
		Old  time.Duration `task:"old,optional" default:"1d" doc:"how old it may be"`
	}
	check := func(_ context.Context, h *task.Host, c Config) error {
		info, err := os.Stat(c.Path)
		if err != nil {
			return err // the check itself failed
		}
		if err := h.Publish("size", info.Size()); err != nil {
			return err
		}
		if age := time.Since(info.ModTime()); age > c.Old {
			return task.Unhealthy(fmt.Sprintf("older than %s", c.Old))
		}
		return nil
	}
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "backup")
	_ = os.WriteFile(path, []byte("data"), 0o600)
	_ = os.Chtimes(path, time.Time{}, time.Now().Add(-48*time.Hour))

	r := show(task.Periodic("check", check), fmt.Sprintf("path = %q", path))
	fmt.Println("size:", r.State("size"))
	// Output:
	// outcome: failed
	// message: older than 24h0m0s
	// size: 4
}

func ExampleJob() {
	type Input struct {
		From int `json:"from"`
		To   int `json:"to"`
	}
	type Result struct {
		Sum int `json:"sum"`
	}
	sum := func(_ context.Context, h *task.Host, _ struct{}, in Input) (Result, error) {
		var r Result
		for i := in.From; i <= in.To; i++ {
			r.Sum += i
			h.Progress(int64(i-in.From+1), int64(in.To-in.From+1), "")
		}
		return r, nil
	}
	show(task.Job("sum", sum), ``, tasktest.Input(Input{1, 10}))
	// Output:
	// outcome: succeeded
	// result: {"sum":55}
}

func ExampleContinuous() {
	watch := func(ctx context.Context, h *task.Host, _ struct{}) error {
		h.Ready("watching")
		for {
			switch err := h.Wait(ctx, time.Hour); {
			case errors.Is(err, task.ErrStopping):
				return h.Commit(ctx, task.Save("seen", 3)) // finish in peace
			case err != nil:
				return err // hard: the context has ended
			}
		}
	}
	r := showStopped(task.Continuous("watch", watch), ``)
	fmt.Println("seen:", r.Checkpoint("seen"))
	// Output:
	// outcome: succeeded
	// seen: 3
}

// tally is a live object: it takes steps and answers.
type tally struct{ steps, votes atomic.Int64 }

func (t *tally) Step(_ context.Context, h *task.Host) error {
	t.steps.Add(1)
	return h.Publish("votes", t.votes.Load())
}

func ExampleOpenLoop() {
	open := func(_ context.Context, h *task.Host, _ struct{}) (*tally, error) {
		h.Ready("open")
		return &tally{}, nil
	}
	type Vote struct {
		Weight int64 `json:"weight"`
	}
	vote := func(_ context.Context, t *tally, in Vote) (int64, error) {
		return t.votes.Add(in.Weight), nil
	}
	typ := task.OpenLoop("tally", open, task.Method("vote", vote))
	showStopped(typ, ``, tasktest.Pause(time.Millisecond))
	// Output:
	// outcome: succeeded
}

// A run that is stopped in the middle says how far it came; its next attempt goes
// on from there.
func ExampleLoadRun() {
	work := func(ctx context.Context, h *task.Host, _ struct{}) error {
		n, _, err := task.LoadRun[int](ctx, h, "n")
		for ; err == nil && n < 6; n++ {
			if n == 3 && h.Info().Attempt == 1 {
				h.Ready("half way")
				<-h.Stopping()
			}
			if h.Stopped() {
				return errors.Join(h.Commit(ctx, task.SaveRun("n", n)), task.Interrupted(fmt.Sprint("at ", n)))
			}
		}
		if err != nil {
			return err
		}
		return h.Commit(ctx, task.Save("done", n))
	}
	s := &stage{}
	r := tasktest.Run(s, task.Periodic("work", work), ``)
	r.WaitReady()
	r.Stop(time.Minute)
	fmt.Println(r.Outcome(), r.Message())
	r = r.Retry()
	fmt.Println(r.Outcome(), r.Checkpoint("done"))
	// Output:
	// interrupted at 3
	// succeeded 6
}

// What a handler emits and saves is one commit with the acknowledgement of its message.
func ExampleConsumer() {
	type Order struct {
		ID    string `json:"id"`
		Total int    `json:"total"`
	}
	type Invoice struct {
		Order string `json:"order"`
	}
	bill := func(_ context.Context, _ *task.Host, _ struct{}, m *task.Message[Order]) error {
		if m.Value.Total == 0 {
			return task.Skip("nothing to pay")
		}
		m.Emit("invoices", Invoice{m.Value.ID}, task.ID("invoice-"+m.Value.ID))
		m.Save("last", m.Value.ID)
		return nil
	}
	s := &stage{}
	defer s.end()
	r := tasktest.Run(s, task.Consumer("bill", bill, task.Output[Invoice]("invoices", "one per order")), ``)
	r.Send(Order{"7", 120})
	r.Send(Order{"8", 0})
	r.WaitHandled()
	fmt.Println("acknowledged:", r.Acknowledged())
	fmt.Println("invoices:", r.Emitted("invoices"))
	fmt.Println("last:", r.Checkpoint("last"))
	// Output:
	// acknowledged: [m1 m2]
	// invoices: [{invoice-7  {"order":"7"}}]
	// last: "7"
}

func ExampleBatchConsumer() {
	load := func(_ context.Context, _ *task.Host, _ struct{}, b *task.Batch[int]) error {
		sum := 0
		for i, m := range b.Messages {
			if m.Value < 0 {
				b.Fail(i, task.Permanent(errors.New("a negative amount")))
				continue
			}
			sum += m.Value
		}
		b.Emit("sums", sum)
		return nil
	}
	s := &stage{}
	defer s.end()
	typ := task.BatchConsumer("load", load, task.Output[int]("sums", "one per batch"))
	r := tasktest.Run(s, typ, ``, tasktest.Batch(3, time.Minute))
	for _, amount := range []int{1, -2, 3} {
		r.Send(amount)
	}
	r.WaitHandled()
	fmt.Println("sum:", r.Emitted("sums")[0].Value)
	fmt.Println("dead letters:", r.DeadLetters())
	// Output:
	// sum: 4
	// dead letters: [{m2 permanent a negative amount 1}]
}

// table is a live object that messages are written to.
type table struct{ rows atomic.Int64 }

func (t *table) Handle(_ context.Context, _ *task.Host, m *task.Message[string]) error {
	t.rows.Add(1)
	return nil
}

func ExampleOpenConsumer() {
	open := func(context.Context, *task.Host, struct{}) (*table, error) { return &table{}, nil }
	rows := func(_ context.Context, t *table, _ struct{}) (int64, error) { return t.rows.Load(), nil }
	s := &stage{}
	defer s.end()
	r := tasktest.Run(s, task.OpenConsumer("insert", open, task.Method("rows", rows)), ``)
	r.Send("a")
	r.Send("b")
	r.WaitHandled()
	var n int64
	fmt.Println(r.Call("rows", struct{}{}, &n), n)
	// Output:
	// <nil> 2
}

// A page and where the next begins are one commit: a poller that is killed between two pages emits none
// twice and leaves none out.
func ExampleHost_Commit() {
	pages := [][]string{{"a", "b"}, {"c"}}
	poll := func(ctx context.Context, h *task.Host, _ struct{}) error {
		cursor, _, err := task.Load[int](ctx, h, "cursor")
		for err == nil && cursor < len(pages) {
			var ops []task.Op
			for _, item := range pages[cursor] {
				ops = append(ops, task.Emit("items", item))
			}
			cursor++
			err = h.Commit(ctx, append(ops, task.Save("cursor", cursor))...)
		}
		return err
	}
	s := &stage{}
	defer s.end()
	r := tasktest.Run(s, task.Periodic("poll", poll, task.Output[string]("items", "one per item")), ``, tasktest.KillAfterCommit(1))
	fmt.Println(r.Outcome(), len(r.Emitted("items")))
	r = r.Retry()
	fmt.Println(r.Outcome(), len(r.Emitted("items")))
	// Output:
	// failed 2
	// succeeded 3
}

func ExampleRetryAfter() {
	poll := func(context.Context, *task.Host, struct{}) error {
		return task.RetryAfter(30*time.Second, errors.New("too many requests"))
	}
	r := show(task.Periodic("poll", poll), ``)
	fmt.Println("again after", r.RetryAfter())
	// Output:
	// outcome: failed
	// message: too many requests
	// again after 30s
}

func ExampleSecret() {
	type Config struct {
		Token task.Secret `task:"token"`
	}
	login := func(_ context.Context, _ *task.Host, c Config) error {
		fmt.Println("for people:", c)
		fmt.Println("for the server:", c.Token.Reveal())
		return nil
	}
	show(task.Periodic("login", login), `token = "hunter2"`)
	// Output:
	// for people: {***}
	// for the server: hunter2
	// outcome: succeeded
}

// rangeConfig checks what no attribute can say by itself.
type rangeConfig struct {
	From int `task:"from"`
	To   int `task:"to"`
}

func (c rangeConfig) Validate() []task.Problem {
	if c.To < c.From {
		return []task.Problem{task.Wrong("to", "must not be less than from")}
	}
	return nil
}

func ExampleWrong() {
	_, err := tasktest.Config[rangeConfig](&stage{}, "from = 5\nto   = 3\n")
	fmt.Println(err)
	// Output:
	// config.hcl:2,8-9: to: must not be less than from
}
