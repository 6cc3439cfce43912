package task

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/taskhost/taskhost/sdk/internal/session"
)

// Consumer declares a continuous type that handles the messages of a queue: HCL says of which one, and how many at a
// time (`consume "urls" { concurrency = 8 }`). handle is called for each, from several goroutines at once. M is what
// messages hold, as JSON; the host checks them against it before they enter the queue.
//
// A message is acknowledged when its handler returns nil or [Skip]: in one commit with what the handler emitted and
// saved on it, so that it moves from queue to queue exactly once. After any other error it comes again, later, and
// after the queue's max_deliveries it becomes a dead letter; [Permanent] makes it one at once, [RetryAfter] says
// when it comes again. When its process dies it comes again, too: effects outside of the commit may so happen more
// than once, and the message's ID, which is always the same, tells them apart.
//
// The task's timeout counts for each call; see [Message.Extend]. While the task stops nothing new comes in, handlers at
// work finish, and [Interrupted] or [ErrStopping] gives a message back as it came. The rest of [Host] is there as
// in every type: what it commits by itself is durable at once, whatever becomes of the message.
func Consumer[C, M any](name string, handle func(ctx context.Context, h *Host, config C, m *Message[M]) error, options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	handles(d, handle == nil, func(ctx context.Context, h *Host, object any, m *Message[M]) error {
		return handle(ctx, h, object.(C), m)
	})
	return d.with(options, false)
}

// BatchConsumer is [Consumer] for a handler that takes several messages at once, as `consume { batch { size = 100
// wait = "1s" } }` says: up to size of them, the first waiting no longer than wait for others. An error of the handler
// fails all of them, [Batch.Fail] a single one.
func BatchConsumer[C, M any](name string, handle func(ctx context.Context, h *Host, config C, b *Batch[M]) error, options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	handlesBatches(d, handle == nil, func(ctx context.Context, h *Host, object any, b *Batch[M]) error {
		return handle(ctx, h, object.(C), b)
	})
	return d.with(options, false)
}

// Handler is what [OpenConsumer] opens.
type Handler[M any] interface {
	Handle(ctx context.Context, h *Host, m *Message[M]) error
}

// BatchHandler is what [OpenBatchConsumer] opens.
type BatchHandler[M any] interface {
	Handle(ctx context.Context, h *Host, b *Batch[M]) error
}

// OpenConsumer is [Consumer] for a type that holds something open; see [OpenPeriodic]. Handle is called from several
// goroutines at once, which share the object.
func OpenConsumer[C any, S Handler[M], M any](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	openWith(d, open)
	handles(d, open == nil, func(ctx context.Context, h *Host, object any, m *Message[M]) error {
		return object.(S).Handle(ctx, h, m)
	})
	return d.with(options, false)
}

// OpenBatchConsumer is [BatchConsumer] for a type that holds something open; see [OpenPeriodic].
func OpenBatchConsumer[C any, S BatchHandler[M], M any](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	openWith(d, open)
	handlesBatches(d, open == nil, func(ctx context.Context, h *Host, object any, b *Batch[M]) error {
		return object.(S).Handle(ctx, h, b)
	})
	return d.with(options, false)
}

// handles makes d a type that handles one message per call.
func handles[M any](d *definition, missing bool, call func(ctx context.Context, h *Host, object any, m *Message[M]) error) {
	d.message = reflect.TypeFor[M]()
	if missing {
		return
	}
	d.handle = func(ctx context.Context, w *session.Work, object any) error {
		m, err := messageOf[M](w, session.Whole, w.Messages[0])
		if err != nil {
			return err
		}
		return call(ctx, &Host{w.Handle(), w}, object, m)
	}
}

// handlesBatches makes d a type that handles several messages per call. Those that cannot be read fail by themselves.
func handlesBatches[M any](d *definition, missing bool, call func(ctx context.Context, h *Host, object any, b *Batch[M]) error) {
	d.message, d.batch = reflect.TypeFor[M](), true
	if missing {
		return
	}
	d.handle = func(ctx context.Context, w *session.Work, object any) error {
		b := &Batch[M]{Messages: make([]*Message[M], 0, len(w.Messages)), work: w}
		for i, d := range w.Messages {
			m, err := messageOf[M](w, i, d)
			if err != nil {
				w.Fail(i, err)
				continue
			}
			b.Messages = append(b.Messages, m)
		}
		if len(b.Messages) == 0 {
			return nil
		}
		return call(ctx, &Host{w.Handle(), w}, object, b)
	}
}

// decodeMessage reads the value of a message. One that cannot be read is a dead letter: it will never be another.
func decodeMessage(text []byte, value any) error {
	if raw, is := value.(*json.RawMessage); is { // the host lets in nothing but JSON
		*raw = text
		return nil
	}
	if err := json.Unmarshal(text, value); err != nil {
		return Permanent(fmt.Errorf("decode the message: %w", err))
	}
	return nil
}
