package main

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/taskhost/taskhost/sdk/task"
)

// command runs the configured program, once per run.
type command struct {
	config Config
	shop   *shop
}

var _ task.JobRunner[json.RawMessage, json.RawMessage] = (*command)(nil)

func open(_ context.Context, _ *task.Host, c Config) (*command, error) {
	s, err := newShop(c.Program)
	if err != nil {
		return nil, err
	}
	return &command{config: c, shop: s}, nil
}

// Close ends what open began.
func (c *command) Close() error { return c.shop.close() }

// Run runs the program and returns its result, if it gives one. What it saved and emitted is committed when it has
// ended well. One that is kept going may never end: what it says takes effect at once.
func (c *command) Run(ctx context.Context, h *task.Host, input json.RawMessage) (json.RawMessage, error) {
	continuous := h.Info().Mode == task.ModeContinuous
	e := errand{stop: c.config.stopSignal(continuous), ready: c.config.Ready, json: c.config.Result == "json"}
	if !continuous {
		e.kept = &held{}
	}
	if c.config.Input == "stdin" && len(input) > 0 {
		e.stdin = append(bytes.Clone(input), '\n')
	}
	d, err := c.shop.run(ctx, h, e)
	if err != nil {
		return nil, err
	}
	if err := h.Publish("exit_code", d.end.shellCode()); err != nil {
		h.Log().Warn("cannot publish the exit code", "err", err)
	}
	well, verdict := d.verdict(c.config.ExitCodes)
	if !continuous && d.cancelled == nil && d.cut(verdict) {
		return nil, task.Interrupted("the command was stopped: " + d.end.String())
	}
	if !well {
		return nil, verdict
	}
	if e.kept != nil {
		if ops := e.kept.take(); len(ops) > 0 {
			if err := h.Commit(ctx, commits(ops)...); err != nil {
				return nil, err
			}
		}
	}
	if verdict != nil || d.end.by(d.stopped) || d.stopped != noSignal && d.end.code != 0 {
		return nil, verdict // it was stopped as it should be, or had nothing to do, and owes no result
	}
	return d.out.resultLine()
}
