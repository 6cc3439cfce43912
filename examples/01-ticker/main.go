// Command ticker is a plugin with one continuous task: it publishes the time every
// second, appends it to a journal, and shows how a graceful and a hard stop look from inside.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config is what `config {}` of a ticker takes.
type Config struct {
	Every   time.Duration `task:"every,optional" default:"1s" doc:"time from tick to tick"`
	Write   time.Duration `task:"write,optional" default:"200ms" doc:"how long one entry takes to write"`
	Journal string        `task:"journal" doc:"file that each tick appends an entry to"`
}

func main() {
	task.Serve(task.Plugin{Name: "ticker", Version: "1.0.0", Types: []task.Type{
		task.Continuous("ticker", tick, task.CallsReady(), task.Doc("publishes now and appends it to a journal")),
	}})
}

func tick(ctx context.Context, h *task.Host, c Config) error {
	f, err := os.OpenFile(c.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Ready("ticking")
	for n := int64(1); ; n++ {
		if err := h.Publish("now", time.Now().UTC()); err != nil {
			return err
		}
		h.Progress(n, 0, fmt.Sprintf("tick %d", n))
		if err := write(ctx, f, n, c.Write); err != nil {
			return err // a hard stop: the context ended in the middle of the entry
		}
		if err := h.Wait(ctx, c.Every); errors.Is(err, task.ErrStopping) {
			h.Log().Info("stopping; the journal ends with a whole entry", "ticks", n)
			return nil // a graceful stop: every entry that was begun is whole
		} else if err != nil {
			return err
		}
	}
}

// write begins an entry, works on it for a while and ends it. It does not look at
// Stopping: what was begun is finished, unless the context says that there is no time left.
func write(ctx context.Context, f *os.File, n int64, takes time.Duration) error {
	if _, err := fmt.Fprintf(f, "begin %d\n", n); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(takes):
	}
	_, err := fmt.Fprintf(f, "end %d\n", n)
	return err
}
