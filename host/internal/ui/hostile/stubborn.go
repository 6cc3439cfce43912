package main

import (
	"context"
	"errors"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// deaf hears neither that it should stop nor that it must: only a kill ends it.
func deaf(_ context.Context, h *task.Host, _ config) error {
	h.Ready(markup)
	select {}
}

// parcel is a message.
type parcel struct {
	For  string `json:"for,omitempty"` // how long it is handled
	Fail bool   `json:"fail,omitempty"`
}

func handle(ctx context.Context, h *task.Host, _ config, m *task.Message[parcel]) error {
	if m.Value.Fail {
		return task.Permanent(errors.New(markup))
	}
	if d, err := time.ParseDuration(m.Value.For); err == nil {
		return h.Wait(ctx, d)
	}
	return nil
}

// slow takes longer than a second.
func slow(ctx context.Context, h *task.Host, _ config) error {
	return h.Wait(ctx, 1500*time.Millisecond)
}

func talk(h *task.Host, lines int) {
	for n := 1; n <= lines; n++ {
		if n%10 == 0 {
			h.Log().Warn("a warning", "n", n)
		} else {
			h.Log().Info("a word", "n", n)
		}
	}
}
