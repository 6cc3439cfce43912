package trace

import (
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/taskhost/taskhost/host/internal/task"
)

// runs are the spans of runs that have not ended, and the contexts of those that ended last.
type runs struct {
	mu    sync.Mutex
	live  map[string]*liveRun
	ended map[string]string // trace contexts, for the runs that follow
	order []string          // of ended, the oldest first
}

// maxEnded bounds how many runs are remembered for those that follow them, which is at once.
const maxEnded = 1024

// liveRun is the span of a run, and of its attempt.
type liveRun struct {
	span    oteltrace.Span
	attempt oteltrace.Span // nil while none is going
	number  int            // of the newest attempt
	text    string         // trace context of the attempt
	queued  bool           // the span of the wait was made
}

// Journal makes spans of what passes on its way to inner.
func (t *Tracer) Journal(inner task.Journal) task.Journal {
	if t == nil {
		return inner
	}
	return &journal{inner, t}
}

type journal struct {
	task.Journal
	t *Tracer
}

func (j *journal) SaveRun(r task.Run) {
	j.t.saved(&r)
	j.Journal.SaveRun(r)
}

// Engine gives runs that start the trace context of their attempt.
func (t *Tracer) Engine(inner task.Engine) task.Engine {
	if t == nil {
		return inner
	}
	return &engine{inner, t}
}

type engine struct {
	task.Engine
	t *Tracer
}

func (e *engine) StartRun(id task.ProcessID, start task.RunStart) {
	if text := e.t.attemptOf(start.Run); text != "" {
		start.TraceParent = text
	}
	e.Engine.StartRun(id, start)
}

func (t *Tracer) attemptOf(run string) string {
	t.runs.mu.Lock()
	defer t.runs.mu.Unlock()
	if l := t.runs.live[run]; l != nil {
		return l.text
	}
	return ""
}

// saved follows a run: its span begins when it is first written down and ends with it, its attempts have spans in it.
func (t *Tracer) saved(r *task.Run) {
	t.runs.mu.Lock()
	defer t.runs.mu.Unlock()
	l := t.runs.live[r.ID]
	if l == nil {
		l = t.begin(r)
	}
	t.attempts(l, r)
	if r.State == task.RunEnded {
		t.end(l, r)
	}
}

func (t *Tracer) begin(r *task.Run) *liveRun {
	parent := r.TraceParent
	if before := t.runs.ended[r.Source]; r.Trigger == task.TriggerAfterRun && before != "" {
		parent = before
	}
	ctx := under(parent)
	options := []oteltrace.SpanStartOption{
		oteltrace.WithTimestamp(r.Queued),
		oteltrace.WithAttributes(attribute.String("taskhost.task", r.Task), attribute.String("taskhost.run", r.ID), attribute.String("taskhost.trigger", string(r.Trigger))),
	}
	_, span := t.tracer.Start(ctx, "run "+r.Task, options...)
	if !r.Slot.IsZero() {
		span.SetAttributes(attribute.String("taskhost.slot", r.Slot.UTC().Format(time.RFC3339Nano)))
	}
	l := &liveRun{span: span}
	if t.runs.live == nil {
		t.runs.live, t.runs.ended = map[string]*liveRun{}, map[string]string{}
	}
	t.runs.live[r.ID] = l
	return l
}

// attempts follows the newest attempt: the wait before the first has a span of its own.
func (t *Tracer) attempts(l *liveRun, r *task.Run) {
	if len(r.Attempts) == 0 {
		return
	}
	a := &r.Attempts[len(r.Attempts)-1]
	ctx := oteltrace.ContextWithSpan(under(""), l.span)
	if !l.queued {
		l.queued = true
		_, wait := t.tracer.Start(ctx, "queued", oteltrace.WithTimestamp(r.Queued))
		wait.End(oteltrace.WithTimestamp(a.Started))
	}
	if a.Number > l.number {
		l.number = a.Number
		_, l.attempt = t.tracer.Start(ctx, "attempt "+r.Task, oteltrace.WithTimestamp(a.Started),
			oteltrace.WithAttributes(attribute.Int("taskhost.attempt", a.Number), attribute.Int("process.pid", a.PID)))
		l.text = textOf(l.attempt)
	}
	if l.attempt == nil {
		return
	}
	if !r.Started.IsZero() && r.State == task.RunRunning && a.Number == 1 && r.Started.After(a.Started) {
		l.attempt.AddEvent("running", oteltrace.WithTimestamp(r.Started))
	}
	if !a.Ended.IsZero() {
		status(l.attempt, a.Outcome, a.Error)
		l.attempt.End(oteltrace.WithTimestamp(a.Ended))
		l.attempt = nil
	}
}

func (t *Tracer) end(l *liveRun, r *task.Run) {
	if l.attempt != nil { // of a run that was lost
		l.attempt.End(oteltrace.WithTimestamp(r.Ended))
	}
	status(l.span, r.Outcome, r.Error)
	l.span.End(oteltrace.WithTimestamp(r.Ended))
	delete(t.runs.live, r.ID)
	t.runs.ended[r.ID] = textOf(l.span)
	t.runs.order = append(t.runs.order, r.ID)
	if len(t.runs.order) > maxEnded {
		delete(t.runs.ended, t.runs.order[0])
		t.runs.order = t.runs.order[1:]
	}
}

// status says how it ended. The text of an error is what the run's record says, secrets taken out.
func status(s oteltrace.Span, o task.Outcome, err *task.RunError) {
	s.SetAttributes(attribute.String("taskhost.outcome", string(o)))
	if !o.Failure() {
		return
	}
	text := string(o)
	if err != nil {
		text = err.Message
		s.SetAttributes(attribute.String("error.type", string(err.Class)))
	}
	s.SetStatus(codes.Error, text)
}
