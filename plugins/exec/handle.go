package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
)

// handler runs the configured program for messages.
type handler struct{ shop *shop }

// single runs it once for each message.
type single struct{ handler }

// several runs it once for the messages of a batch.
type several struct{ handler }

var (
	_ task.Handler[json.RawMessage]      = (*single)(nil)
	_ task.BatchHandler[json.RawMessage] = (*several)(nil)
)

func openSingle(_ context.Context, _ *task.Host, p Program) (*single, error) {
	s, err := newShop(p)
	return &single{handler{s}}, err
}

func openSeveral(_ context.Context, _ *task.Host, p Program) (*several, error) {
	s, err := newShop(p)
	return &several{handler{s}}, err
}

// Close ends what open began.
func (r handler) Close() error { return r.shop.close() }

// Handle runs the program with the message on its standard input.
func (s *single) Handle(ctx context.Context, h *task.Host, m *task.Message[json.RawMessage]) error {
	env := []string{
		"TASKHOST_QUEUE=" + m.Queue,
		"TASKHOST_MESSAGE_ID=" + inEnv(m.ID),
		"TASKHOST_MESSAGE_KEY=" + inEnv(m.Key),
		"TASKHOST_MESSAGE_ATTEMPT=" + strconv.Itoa(m.Attempt),
		"TASKHOST_MESSAGE_POSTED=" + stamp(m.Posted),
	}
	return s.handle(ctx, h, append(bytes.Clone(m.Value), '\n'), env, m)
}

// line is a message of a batch, as the command reads it.
type line struct {
	ID      string          `json:"id"`
	Key     string          `json:"key,omitempty"`
	Attempt int             `json:"attempt"`
	Posted  time.Time       `json:"posted"`
	Value   json.RawMessage `json:"value"`
}

// Handle runs the program with the messages on its standard input, a line of JSON for each.
func (s *several) Handle(ctx context.Context, h *task.Host, b *task.Batch[json.RawMessage]) error {
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	lines.SetEscapeHTML(false)
	for _, m := range b.Messages {
		if err := lines.Encode(line{m.ID, m.Key, m.Attempt, m.Posted, m.Value}); err != nil {
			return task.Permanent(fmt.Errorf("encode message %q: %w", m.ID, err))
		}
	}
	env := []string{"TASKHOST_QUEUE=" + b.Messages[0].Queue, "TASKHOST_MESSAGES=" + strconv.Itoa(len(b.Messages))}
	return s.handle(ctx, h, in.Bytes(), env, b)
}

// delivery is a message or a batch of them: what is collected on it is committed with its acknowledgement.
type delivery interface {
	Save(key string, value any)
	Delete(key string)
	Emit(output string, value any, options ...task.EmitOption)
}

// handle runs the program; how it ends is what becomes of the delivery.
func (r handler) handle(ctx context.Context, h *task.Host, stdin []byte, env []string, to delivery) error {
	e := errand{stdin: stdin, env: env, stop: r.shop.program.stopSignal(false), kept: &held{}}
	d, err := r.shop.run(ctx, h, e)
	if err != nil {
		return err
	}
	well, verdict := d.verdict(r.shop.program.ExitCodes)
	if d.cut(verdict) {
		return task.Interrupted("the command was stopped: " + d.end.String())
	}
	if well {
		collect(to, e.kept.take())
	}
	return verdict
}

// collect puts what the command saved, deleted and emitted into the commit of the delivery.
func collect(to delivery, ops []notify.Op) {
	for _, op := range ops {
		switch {
		case op.Output != "":
			to.Emit(op.Output, op.Value, emitOptions(op)...)
		case op.Delete:
			to.Delete(op.Key)
		default:
			to.Save(op.Key, op.Value)
		}
	}
}

// inEnv makes a text fit for a variable, which ends at a NUL byte.
func inEnv(text string) string { return strings.ReplaceAll(text, "\x00", "") }
