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
