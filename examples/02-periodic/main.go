// Command periodic is a plugin whose run takes a while and sometimes fails: what a
// sleep-then-run loop and a fixed rate make of the same work.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config is what `config {}` of a periodic task takes.
type Config struct {
	Work      time.Duration `task:"work,optional" default:"100ms" doc:"how long one run works"`
	FailEvery int           `task:"fail_every,optional" default:"0" min:"0" doc:"every n-th run fails; 0 is none"`
}

func main() {
	task.Serve(task.Plugin{Name: "periodic", Version: "1.0.0", Types: []task.Type{
		task.Periodic("work", work, task.Doc("works for a while and counts its runs")),
	}})
}

func work(ctx context.Context, h *task.Host, c Config) error {
	count, _, err := task.Load[int](ctx, h, "count")
	if err != nil {
		return err
	}
	count++
	if err := h.Commit(ctx, task.Save("count", count)); err != nil {
		return err
	}
	if err := h.Publish("count", count); err != nil {
		return err
	}
	select {
	case <-ctx.Done(): // cancelled over HTTP, or out of time
		return context.Cause(ctx)
	case <-time.After(c.Work):
	}
	if c.FailEvery > 0 && count%c.FailEvery == 0 {
		return fmt.Errorf("run %d fails, as it was told to", count)
	}
	return nil
}
