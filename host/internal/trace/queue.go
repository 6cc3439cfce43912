package trace

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Queues makes a span of every delivery, in the trace that its message was posted in, and one of every commit that emits.
func (t *Tracer) Queues(inner task.Queues) task.Queues {
	if t == nil {
		return inner
	}
	return &queues{inner, t}
}

type queues struct {
	task.Queues
	t *Tracer
}

// Commit has a span when it emits: the messages are posted in it.
func (q *queues) Commit(ctx context.Context, c task.EmitCommit) error {
	_, span := q.t.tracer.Start(under(c.TraceParent), "emit "+c.Task, oteltrace.WithSpanKind(oteltrace.SpanKindProducer),
		oteltrace.WithAttributes(attribute.String("taskhost.task", c.Task), attribute.String("taskhost.run", c.Run), attribute.Int("taskhost.operations", len(c.Ops))))
	defer span.End()
	c.TraceParent = textOf(span)
	err := q.Queues.Commit(ctx, c)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

func (q *queues) Consume(def *task.Definition, run string, deliver func([]task.Delivery)) task.Consumer {
	c := &consumer{t: q.t, def: def, run: run, spans: map[uint64]*delivery{}}
	c.Consumer = q.Queues.Consume(def, run, func(ds []task.Delivery) {
		c.begin(ds)
		deliver(ds)
	})
	return c
}

// consumer follows the deliveries to one process.
type consumer struct {
	task.Consumer
	t   *Tracer
	def *task.Definition
	run string

	mu    sync.Mutex
	spans map[uint64]*delivery // by tag
}

type delivery struct {
	span oteltrace.Span
	text string
}

// begin makes the spans of deliveries, and puts author code into them.
func (c *consumer) begin(ds []task.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ds {
		m := &ds[i].Message
		_, span := c.t.tracer.Start(under(m.TraceParent), "process "+m.Queue, oteltrace.WithSpanKind(oteltrace.SpanKindConsumer), oteltrace.WithAttributes(
			attribute.String("messaging.system", "taskhost"), attribute.String("messaging.operation.name", "process"), attribute.String("messaging.destination.name", m.Queue),
			attribute.String("messaging.message.id", m.ID), attribute.String("taskhost.task", c.def.Name), attribute.String("taskhost.run", c.run),
			attribute.Int("taskhost.attempt", ds[i].Attempt)))
		m.TraceParent = textOf(span)
		c.spans[ds[i].Tag] = &delivery{span, m.TraceParent}
	}
}

// Entered notes when handlers were entered.
func (c *consumer) Entered(tags []uint64) {
	c.mu.Lock()
	now := time.Now()
	for _, tag := range tags {
		if d := c.spans[tag]; d != nil {
			d.span.AddEvent("entered", oteltrace.WithTimestamp(now))
		}
	}
	c.mu.Unlock()
	c.Consumer.Entered(tags)
}

// Handled ends the spans. What the handler emits is posted in the first of them.
func (c *consumer) Handled(h task.Handled) {
	c.mu.Lock()
	text := ""
	for _, m := range h.Messages {
		d := c.spans[m.Tag]
		if d == nil {
			continue
		}
		delete(c.spans, m.Tag)
		if text == "" {
			text = d.text
		}
		d.end(m)
	}
	c.mu.Unlock()
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == task.OpEmit && op.TraceParent == "" {
			op.TraceParent = text
		}
	}
	c.Consumer.Handled(h)
}

func (d *delivery) end(m task.HandledMessage) {
	d.span.SetAttributes(attribute.String("taskhost.status", string(m.Status)))
	switch m.Status {
	case task.StatusSucceeded, task.StatusSkipped, task.StatusInterrupted:
	default:
		d.span.SetStatus(codes.Error, m.Message)
	}
	d.span.End()
}

// Close ends the spans of what was not settled.
func (c *consumer) Close(crash string) {
	c.mu.Lock()
	for tag, d := range c.spans {
		if crash != "" {
			d.span.SetStatus(codes.Error, crash)
		}
		d.span.End()
		delete(c.spans, tag)
	}
	c.mu.Unlock()
	c.Consumer.Close(crash)
}
