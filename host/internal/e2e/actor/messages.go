package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Parcel is a message that says what becomes of it.
type Parcel struct {
	Name string `json:"name"`
	Line string `json:"line,omitempty"` // parcels of one line go one after the other, where the task says order_by
	Work string `json:"work,omitempty"`
	Fail string `json:"fail,omitempty"` // as in Config, or exit

	Trace string `json:"trace,omitempty"` // that its handler was in when it sent it on
}

// handle does with a message what it says, and sends it on. Its journal has a line for each beginning and end.
func handle(ctx context.Context, h *task.Host, c Config, m *task.Message[Parcel]) error {
	note := func(what string) error {
		return journal(c.Journal, what, m.Value.Name, fmt.Sprintf("%d %d", m.Attempt, time.Now().UnixNano()), os.Getpid())
	}
	if err := note("begin"); err != nil {
		return err
	}
	d := c.Work
	if m.Value.Work != "" {
		var err error
		if d, err = time.ParseDuration(m.Value.Work); err != nil {
			return task.Permanent(err)
		}
	}
	if err := spend(ctx, h, d, "cancel"); err != nil {
		return err
	}
	if m.Value.Fail == "exit" {
		os.Exit(3)
	}
	if err := fail(m.Value.Fail); err != nil {
		return err
	}
	m.Value.Trace = task.TraceParent(ctx)
	m.Emit("out", m.Value)
	return note("end")
}

// gather journals the names of each batch; the parcels that are told to fail do.
func gather(_ context.Context, _ *task.Host, c Config, b *task.Batch[Parcel]) error {
	var names []string
	for i, m := range b.Messages {
		names = append(names, m.Value.Name)
		if err := fail(m.Value.Fail); err != nil {
			b.Fail(i, err)
		}
	}
	return journal(c.Journal, "batch", strings.Join(names, ","), fmt.Sprintf("0 %d", time.Now().UnixNano()), os.Getpid())
}
