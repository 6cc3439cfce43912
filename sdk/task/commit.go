package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Op is one part of a commit, made by [Save], [SaveRun], [Delete] or [Emit].
type Op struct {
	op  *taskv1.Op
	err error // the value could not be encoded; the commit fails with it
}

// mistake is why the op cannot be committed.
func (o Op) mistake() error {
	if o.op == nil {
		return errors.New("an op is the zero Op: make it with Save, SaveRun, Delete or Emit")
	}
	return o.err
}

// Save keeps a value, as JSON, in the task's checkpoint: later runs find it with
// [Load], whatever becomes of this one. Of two in one commit the last wins.
func Save(key string, value any) Op {
	text, err := encode("save", key, value)
	return Op{&taskv1.Op{Op: &taskv1.Op_Save{Save: &taskv1.Save{Key: key, Value: text}}}, err}
}

// SaveRun keeps a value for this run only: its next attempt, after a retry or an
// interruption, finds it with [LoadRun]; another run does not.
func SaveRun(key string, value any) Op {
	text, err := encode("save", key, value)
	return Op{&taskv1.Op{Op: &taskv1.Op_SaveRun{SaveRun: &taskv1.Save{Key: key, Value: text}}}, err}
}

// Delete removes a value from the task's checkpoint.
func Delete(key string) Op {
	return Op{&taskv1.Op{Op: &taskv1.Op_Delete{Delete: key}}, nil}
}

// EmitOption adds something to a message.
type EmitOption func(*taskv1.Emit)

// ID gives a message an id of your own, up to 128 bytes, that does not begin with
// "~". The queue remembers ids for a while and takes a message with the same id and
// body only once, so an id that follows from the data makes work safe to repeat.
func ID(id string) EmitOption { return func(e *taskv1.Emit) { e.Id = id } }

// Key gives a message an ordering key, up to 256 bytes.
func Key(key string) EmitOption { return func(e *taskv1.Emit) { e.Key = key } }

// Emit sends a message, as JSON, to one of the type's outputs.
//
// Without [ID] its id follows from the run (in a handler, from the message at work), what was saved so far, and
// what the message says: a next attempt that does again what it could not save emits the same ids, in whatever
// order, and the queue takes none of them twice. Equal messages that one attempt emits are counted and all kept, and
// after a commit that saves they are new ones, even when it saves what was saved before.
func Emit(output string, value any, options ...EmitOption) Op {
	text, err := encode("emit to", output, value)
	e := &taskv1.Emit{Output: output, Value: text}
	for _, o := range options {
		o(e)
	}
	return Op{&taskv1.Op{Op: &taskv1.Op_Emit{Emit: e}}, err}
}

func encode(verb, key string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", verb, key, err)
	}
	return text, nil
}

// Commit applies all of ops or none. They are durable when it returns nil, and
// stay so whatever becomes of the run. At most 1,000 ops, and as many bytes as one
// frame takes (1 MiB). When ctx ends before the answer, the commit may have been
// done all the same; for a last one after the run's context has ended, use
// context.WithoutCancel.
func (h *Host) Commit(ctx context.Context, ops ...Op) error {
	raw := make([]*taskv1.Op, len(ops))
	for i, op := range ops {
		if err := op.mistake(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		raw[i] = op.op
	}
	if err := h.commit(ctx, raw); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (h *Host) commit(ctx context.Context, ops []*taskv1.Op) error {
	if h.work != nil {
		return h.work.Commit(ctx, ops)
	}
	return h.handle.Commit(ctx, ops)
}

// Load reads a value of the task's checkpoint; found is false when there is none.
// A value that does not fit T is an error, so a format may change only with care.
func Load[T any](ctx context.Context, h *Host, key string) (value T, found bool, err error) {
	text, found, err := h.handle.Load(ctx, key)
	return decodeValue[T](key, text, found, err)
}

// LoadRun reads a value that this run has saved with [SaveRun], in this attempt or
// an earlier one.
func LoadRun[T any](ctx context.Context, h *Host, key string) (value T, found bool, err error) {
	if ctx.Err() != nil {
		return value, false, fmt.Errorf("load %q: %w", key, context.Cause(ctx))
	}
	text, found, err := h.handle.LoadRun(key)
	return decodeValue[T](key, text, found, err)
}

func decodeValue[T any](key string, text []byte, found bool, err error) (T, bool, error) {
	var value T
	if err == nil && found {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		var zero T
		return zero, false, fmt.Errorf("load %q: %w", key, err)
	}
	return value, found, nil
}
