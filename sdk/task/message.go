package task

import (
	"time"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Message is one message of a queue, in the hands of a handler. Its methods are safe for concurrent use.
type Message[M any] struct {
	ID      string // the same whenever the message is delivered
	Queue   string
	Key     string    // that its producer gave it, for order
	Attempt int       // from 1: how often a handler was entered with it, this time included
	Posted  time.Time // UTC
	Value   M

	work  *session.Work // nil of one that was not delivered
	index int           // in the batch; session.Whole without one
}

// Emit sends a message, as JSON, to one of the type's outputs, when the handler has succeeded with this one: in the
// same commit that acknowledges it, so that both happen or neither. What is wrong with it fails the message. See the
// function [Emit] for ids.
func (m *Message[M]) Emit(output string, value any, options ...EmitOption) {
	collect(m.work, m.index, Emit(output, value, options...))
}

// Save keeps a value in the task's checkpoint, in the commit that acknowledges the message; see the function [Save].
func (m *Message[M]) Save(key string, value any) {
	collect(m.work, m.index, Save(key, value))
}

// Delete removes a value from the task's checkpoint, in the commit that acknowledges the message; see the function [Delete].
func (m *Message[M]) Delete(key string) {
	collect(m.work, m.index, Delete(key))
}

// Extend gives the handler d more than the task's timeout. It reports whether there is still something to
// extend; without a timeout it is always so. In a batch it counts for the whole.
func (m *Message[M]) Extend(d time.Duration) bool {
	return m.work != nil && m.work.Extend(d)
}

// Batch is several messages for one call of a handler. Those that the handler did not [Batch.Fail] are acknowledged
// together when it returns nil, in one commit with what was emitted and saved on the batch and on them. What was
// emitted on a message that failed is dropped. Its methods are safe for concurrent use.
type Batch[M any] struct {
	Messages []*Message[M]

	work *session.Work
}

// Fail says that the message with that index in Messages failed, with an error as a handler returns it. The others
// are not touched by it. Fail with nil does nothing.
func (b *Batch[M]) Fail(i int, err error) {
	m := b.Messages[i]
	if b.work != nil {
		b.work.Fail(m.index, err)
	}
}

// Emit is [Message.Emit] for the batch as a whole.
func (b *Batch[M]) Emit(output string, value any, options ...EmitOption) {
	collect(b.work, session.Whole, Emit(output, value, options...))
}

// Save is [Message.Save] for the batch as a whole.
func (b *Batch[M]) Save(key string, value any) {
	collect(b.work, session.Whole, Save(key, value))
}

// Delete is [Message.Delete] for the batch as a whole.
func (b *Batch[M]) Delete(key string) {
	collect(b.work, session.Whole, Delete(key))
}

// Extend is [Message.Extend].
func (b *Batch[M]) Extend(d time.Duration) bool {
	return b.work != nil && b.work.Extend(d)
}

func collect(w *session.Work, index int, op Op) {
	if w != nil {
		w.Add(index, op.op, op.err)
	}
}

// messageOf makes a message of a delivery; the error says that its value is no M.
func messageOf[M any](w *session.Work, index int, d *taskv1.Delivery) (*Message[M], error) {
	m := &Message[M]{
		ID: d.GetId(), Queue: d.GetQueue(), Key: d.GetKey(), Attempt: int(d.GetAttempt()), Posted: session.At(d.GetPosted()),
		work: w, index: index,
	}
	return m, decodeMessage(d.GetValue(), &m.Value)
}
