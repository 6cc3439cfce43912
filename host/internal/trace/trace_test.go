package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	span "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/host/internal/task"
)

// receiver is an OTLP collector that keeps what it is sent.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	spans    []*span.Span
	services []string
}

func (r *receiver) Export(_ context.Context, q *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range q.GetResourceSpans() {
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				r.services = append(r.services, a.GetValue().GetStringValue())
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			r.spans = append(r.spans, ss.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	data, err := io.ReadAll(req.Body)
	var q collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(data, &q) != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	answer, _ := r.Export(req.Context(), &q)
	out, _ := proto.Marshal(answer)
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(out)
}

// named is the span with this name.
func (r *receiver) named(t *testing.T, name string) *span.Span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.GetName() == name {
			return s
		}
	}
	t.Fatalf("no span %q among %d", name, len(r.spans))
	return nil
}

func id(b []byte) string { return hex.EncodeToString(b) }

// textFrom is the trace context of a span that was exported.
func textFrom(s *span.Span) string {
	return "00-" + id(s.GetTraceId()) + "-" + id(s.GetSpanId()) + "-01"
}

// open makes a Tracer that exports to a collector over HTTP.
func open(t *testing.T) (*Tracer, *receiver, func()) {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	return opened(t, r)
}

func opened(t *testing.T, r *receiver) (*Tracer, *receiver, func()) {
	t.Helper()
	tr, err := Open(t.Context(), os.Getenv, "1.2.3", hclog.NewNullLogger())
	if err != nil || tr == nil {
		t.Fatalf("open: %v, %v", tr, err)
	}
	return tr, r, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := tr.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// past keeps what passes.
type past struct {
	task.Journal
	task.Engine
	starts []task.RunStart
	runs   []task.Run
}

func (p *past) SaveRun(r task.Run)                         { p.runs = append(p.runs, r) }
func (p *past) StartRun(_ task.ProcessID, s task.RunStart) { p.starts = append(p.starts, s) }

// queuesOf keeps commits and hands out what it is told.
type queuesOf struct {
	commits []task.EmitCommit
	handled []task.Handled
	deliver func([]task.Delivery)
}

func (q *queuesOf) Commit(_ context.Context, c task.EmitCommit) error {
	q.commits = append(q.commits, c)
	return nil
}

func (q *queuesOf) Consume(_ *task.Definition, _ string, deliver func([]task.Delivery)) task.Consumer {
	q.deliver = deliver
	return q
}

func (*queuesOf) Window(int)               {}
func (*queuesOf) Entered([]uint64)         {}
func (*queuesOf) Close(string)             {}
func (q *queuesOf) Handled(h task.Handled) { q.handled = append(q.handled, h) }

var at = time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)

// live takes a run through one attempt and returns what its process was told.
func live(tr *Tracer, r task.Run, end task.Outcome) task.RunStart {
	p := &past{}
	j, e := tr.Journal(p), tr.Engine(p)
	r.State, r.Queued = task.RunQueued, at
	j.SaveRun(r)
	r.State, r.Attempts = task.RunStarting, []task.Attempt{{Number: 1, PID: 7, Started: at.Add(time.Second)}}
	j.SaveRun(r)
	e.StartRun(1, task.RunStart{Run: r.ID, Attempt: 1, TraceParent: r.TraceParent})
	r.State, r.Started = task.RunRunning, at.Add(2*time.Second)
	j.SaveRun(r)
	done := r.Attempts[0]
	done.Ended, done.Outcome = at.Add(4*time.Second), end
	if end.Failure() {
		done.Error = &task.RunError{Class: task.ErrorPlain, Message: "no such host"}
		r.Error = done.Error
	}
	r.State, r.Outcome, r.Ended, r.Attempts = task.RunEnded, end, at.Add(5*time.Second), []task.Attempt{done}
	j.SaveRun(r)
	return p.starts[0]
}

func TestATraceGoesFromTheRequestThroughRunAndQueueToTheHandler(t *testing.T) {
	tr, r, closed := open(t)
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	request, end := tr.Request("POST", "/v1/tasks/{task}/runs", caller)
	start := live(tr, task.Run{ID: "r1", Task: "scrape", Trigger: task.TriggerManual, TraceParent: request}, task.OutcomeSucceeded)
	end(202)

	q := &queuesOf{}
	qs := tr.Queues(q)
	if err := qs.Commit(t.Context(), task.EmitCommit{Task: "scrape", Run: "r1", TraceParent: start.TraceParent}); err != nil {
		t.Fatal(err)
	}
	var got []task.Delivery
	c := qs.Consume(&task.Definition{Name: "store"}, "r2", func(ds []task.Delivery) { got = append(got, ds...) })
	q.deliver([]task.Delivery{{Tag: 1, Attempt: 1, Message: task.Message{Queue: "pages", ID: "m1", TraceParent: q.commits[0].TraceParent}}})
	c.Entered([]uint64{1})
	c.Handled(task.Handled{Messages: []task.HandledMessage{{Tag: 1, Status: task.StatusSucceeded}}, Ops: []task.Op{{Kind: task.OpEmit}, {Kind: task.OpSave}}})
	closed()

	parents := map[string]string{
		"POST /v1/tasks/{task}/runs": caller, "run scrape": textFrom(r.named(t, "POST /v1/tasks/{task}/runs")),
		"queued": textFrom(r.named(t, "run scrape")), "attempt scrape": textFrom(r.named(t, "run scrape")),
		"emit scrape": textFrom(r.named(t, "attempt scrape")), "process pages": textFrom(r.named(t, "emit scrape")),
	}
	for name, parent := range parents {
		s := r.named(t, name)
		if got := "00-" + id(s.GetTraceId()) + "-" + id(s.GetParentSpanId()) + "-01"; got != parent {
			t.Errorf("%s is under %s, want %s", name, got, parent)
		}
	}
	for what, text := range map[string][2]string{
		"the run's author code":  {start.TraceParent, textFrom(r.named(t, "attempt scrape"))},
		"the handler":            {got[0].Message.TraceParent, textFrom(r.named(t, "process pages"))},
		"what the handler emits": {q.handled[0].Ops[0].TraceParent, textFrom(r.named(t, "process pages"))},
	} {
		if text[0] != text[1] {
			t.Errorf("%s is in %s, want %s", what, text[0], text[1])
		}
	}
	if q.handled[0].Ops[1].TraceParent != "" {
		t.Error("a save has a trace context")
	}
	if len(r.services) == 0 || r.services[0] != "taskhost" {
		t.Errorf("the service is %v", r.services)
	}
}

func TestSpansHaveTheTimesOfTheRun(t *testing.T) {
	tr, r, closed := open(t)
	live(tr, task.Run{ID: "r1", Task: "a", Trigger: task.TriggerSlot, Slot: at}, task.OutcomeFailed)
	closed()
	for name, want := range map[string][2]time.Duration{"run a": {0, 5 * time.Second}, "queued": {0, time.Second}, "attempt a": {time.Second, 4 * time.Second}} {
		s := r.named(t, name)
		from, to := time.Unix(0, int64(s.GetStartTimeUnixNano())), time.Unix(0, int64(s.GetEndTimeUnixNano()))
		if from.Sub(at) != want[0] || to.Sub(at) != want[1] {
			t.Errorf("%s is from %v to %v, want %v", name, from.Sub(at), to.Sub(at), want)
		}
	}
	s := r.named(t, "run a")
	if s.GetStatus().GetCode() != span.Status_STATUS_CODE_ERROR || s.GetStatus().GetMessage() != "no such host" || len(s.GetParentSpanId()) != 0 {
		t.Errorf("%v, parent %x; want an error, and no parent", s.GetStatus(), s.GetParentSpanId())
	}
}

func TestARunThatFollowsAnotherIsInItsTrace(t *testing.T) {
	tr, r, closed := open(t)
	live(tr, task.Run{ID: "r1", Task: "first", Trigger: task.TriggerSlot}, task.OutcomeSucceeded)
	live(tr, task.Run{ID: "r2", Task: "second", Trigger: task.TriggerAfterRun, Source: "r1"}, task.OutcomeSucceeded)
	closed()
	first, second := r.named(t, "run first"), r.named(t, "run second")
	if id(second.GetTraceId()) != id(first.GetTraceId()) || id(second.GetParentSpanId()) != id(first.GetSpanId()) {
		t.Errorf("second is under %x in %x", second.GetParentSpanId(), second.GetTraceId())
	}
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	tr, _, closed := open(t)
	defer closed()
	for i := range maxEnded + 10 {
		live(tr, task.Run{ID: strings.Repeat("r", i+1), Task: "a"}, task.OutcomeSucceeded)
	}
	if len(tr.runs.live) != 0 || len(tr.runs.ended) != maxEnded || len(tr.runs.order) != maxEnded {
		t.Errorf("%d live, %d ended, %d in order", len(tr.runs.live), len(tr.runs.ended), len(tr.runs.order))
	}
	q := &queuesOf{}
	c := tr.Queues(q).Consume(&task.Definition{}, "r", func([]task.Delivery) {})
	q.deliver([]task.Delivery{{Tag: 1}, {Tag: 2}})
	c.Close("exit 3")
	if n := len(c.(*consumer).spans); n != 0 {
		t.Errorf("%d spans of deliveries after the end", n)
	}
}

func TestTracesGoOverGRPCToo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	tr, _, closed := opened(t, r)
	live(tr, task.Run{ID: "r1", Task: "a"}, task.OutcomeSucceeded)
	closed()
	r.named(t, "run a")
}

func TestACollectorThatIsNotThereCostsNothingButItsTraces(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	var log bytes.Buffer
	tr, err := Open(t.Context(), os.Getenv, "1", hclog.New(&hclog.LoggerOptions{Output: &log, Mutex: &sync.Mutex{}}))
	if err != nil {
		t.Fatal(err)
	}
	start := live(tr, task.Run{ID: "r1", Task: "a"}, task.OutcomeSucceeded)
	if !task.ValidTraceParent(start.TraceParent) {
		t.Errorf("the attempt is in %q", start.TraceParent)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err = tr.Close(ctx); err == nil && strings.Count(log.String(), "traces are not exported") != 1 {
		t.Errorf("the loss is not told, or more than once: %q", log.String())
	}
}

func TestWithoutACollectorNothingStandsInTheWay(t *testing.T) {
	for _, env := range []map[string]string{
		{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_SDK_DISABLED": "true"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:4318", "OTEL_TRACES_EXPORTER": "none"},
	} {
		tr, err := Open(t.Context(), func(name string) string { return env[name] }, "1", nil)
		if err != nil || tr != nil {
			t.Fatalf("%v: %v, %v", env, tr, err)
		}
		p, q := &past{}, &queuesOf{}
		if tr.Journal(p) != task.Journal(p) || tr.Engine(p) != task.Engine(p) || tr.Queues(q) != task.Queues(q) {
			t.Errorf("%v: something stands before the parts of the host", env)
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAProtocolThatIsUnknownIsRefused(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
	if _, err := Open(t.Context(), func(name string) string { return env[name] }, "1", nil); err == nil || !strings.Contains(err.Error(), "http/protobuf or grpc") {
		t.Errorf("%v", err)
	}
}
