// Command plugin is a plugin for the tests of package task: one type for each thing
// that can be seen from outside a process.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

type config struct {
	Name  string        `task:"name" doc:"whom to greet"`
	Times int           `task:"times,optional" default:"1" min:"1"`
	Pause time.Duration `task:"pause,optional" default:"0s"`
	Token task.Secret   `task:"token,optional"`
}

func (c config) Validate() []task.Problem {
	if c.Name == "nobody" {
		return []task.Problem{task.Wrong("name", "nobody cannot be greeted")}
	}
	return nil
}

type greeting struct {
	Text string `json:"text"`
}

func greet(ctx context.Context, h *task.Host, c config) error {
	for i := range c.Times {
		h.Log().Info("hello", "name", c.Name, "token", c.Token)
		h.Progress(int64(i+1), int64(c.Times), "greeting")
		if err := h.Wait(ctx, c.Pause); err != nil {
			return err
		}
	}
	if err := h.Publish("greeted", c.Times); err != nil {
		return err
	}
	return h.Commit(ctx, task.Save("last", c.Name))
}

func answer(_ context.Context, _ *task.Host, c config, in greeting) (greeting, error) {
	return greeting{in.Text + ", " + c.Name}, nil
}

func talk(ctx context.Context, h *task.Host, c config) error {
	fmt.Println("printed to stdout")
	fmt.Println("inherited by children:", os.Getenv("TASKHOST_PLUGIN")+os.Getenv("TASKHOST_LIFELINE")+os.Getenv("PLUGIN_PROTOCOL_VERSIONS")+os.Getenv("PLUGIN_OF_TASK"))
	fmt.Fprintln(os.Stderr, "printed to stderr")
	log.Print("[WARN] through log")
	slog.Info("through slog", "n", 1)
	h.Slog().Info("through the host", "token", c.Token)
	h.Ready("talking")
	return h.Wait(ctx, time.Hour)
}

// linger holds on until its context ends, and then a little more.
func linger(ctx context.Context, h *task.Host, _ config) error {
	h.Log().Info("lingering")
	h.Ready("lingering")
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "cause:", context.Cause(ctx), errors.Is(context.Cause(ctx), task.ErrHostGone))
	return context.Cause(ctx)
}

// wedge never returns.
func wedge(_ context.Context, h *task.Host, _ config) error {
	h.Log().Info("wedged")
	h.Ready("wedged")
	select {}
}

// stuck never opens.
type stuck struct{}

func (stuck) Run(context.Context, *task.Host) error { return nil }

func openStuck(_ context.Context, h *task.Host, _ config) (stuck, error) {
	h.Log().Info("opening")
	select {}
}

// crash panics where nobody can catch it.
func crash(ctx context.Context, h *task.Host, _ config) error {
	go func() { panic("in a goroutine") }()
	return h.Wait(ctx, time.Hour)
}

// shout emits what it gets, in capitals.
func shout(_ context.Context, _ *task.Host, _ config, m *task.Message[greeting]) error {
	switch m.Value.Text {
	case "quiet":
		return task.Skip("nothing to shout")
	case "no":
		return errors.New("hoarse")
	}
	m.Emit("shouts", greeting{strings.ToUpper(m.Value.Text)})
	return nil
}

// count says how many came at once.
func count(_ context.Context, _ *task.Host, _ config, b *task.Batch[greeting]) error {
	b.Emit("counts", len(b.Messages))
	return nil
}

func main() {
	task.Serve(task.Plugin{Name: "greeter", Version: "1.2.3", Doc: "Greets.", Types: []task.Type{
		task.Periodic("greet", greet, task.Doc("greet somebody")),
		task.Job("answer", answer),
		task.Continuous("talk", talk),
		task.Continuous("linger", linger),
		task.Continuous("wedge", wedge),
		task.OpenContinuous("stuck", openStuck),
		task.Continuous("crash", crash),
		task.Consumer("shout", shout, task.Output[greeting]("shouts", "")),
		task.BatchConsumer("count", count, task.Output[int]("counts", "")),
	}})
}
