package e2e

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	span "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// collected is an OTLP collector that keeps the spans it is sent.
type collected struct {
	mu    sync.Mutex
	spans []*span.Span
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var q collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(data, &q) != nil {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range q.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			c.spans = append(c.spans, ss.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message is the answer
}

// ofTrace returns the spans of a trace by name.
func (c *collected) ofTrace(id string) map[string]*span.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]*span.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == id {
			spans[s.GetName()] = s
		}
	}
	return spans
}

// passing is a task that sends on what it handles.
func passing(name, from, to string) string {
	return fmt.Sprintf("task %q {\n  plugin = \"actor\"\n  type = \"handle\"\n  continuous {}\n  consume %q {}\n  output \"out\" {\n    queue = %q\n  }\n  config {}\n}\n", name, from, to)
}

// postIn posts a message over the Unix socket as a caller who is in a trace.
func postIn(t *testing.T, h *admintest.Host, traceParent, queue, message string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return admin.DialUnix(ctx, filepath.Join(h.DataDir, "admin.sock"))
	}}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://host/v1/queues/"+queue+"/messages", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", traceParent)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		t.Fatalf("post: %s", resp.Status)
	}
}

// TestOneTraceGoesThroughTwoQueues has a message posted by a caller who is in a trace, handled by one task, which sends it on,
// and handled by another: each step is a span under the one before it, as a collector gets them, and author code is in it.
func TestOneTraceGoesThroughTwoQueues(t *testing.T) {
	t.Parallel()
	got := &collected{}
	server := httptest.NewServer(got)
	t.Cleanup(server.Close)
	h := stageWith(t, admintest.Options{
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_TRACES_SAMPLER=always_on"},
		HCL: brisk + "queue \"urls\" {}\nqueue \"pages\" {}\nqueue \"stored\" {}\n" + passing("scraper", "urls", "pages") + passing("storer", "pages", "stored"),
	})
	const trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	postIn(t, h, "00-"+trace+"-"+caller+"-01", "urls", `{"name":"one"}`)
	untilQueue(h, "stored", "has the message", func(q admin.Queue) bool { return q.Depth == 1 })

	chain := []string{"POST /v1/queues/{queue}/messages", "process urls", "process pages"}
	var spans map[string]*span.Span
	h.Until("the collector has the trace", func(context.Context) error {
		spans = got.ofTrace(trace)
		for _, name := range chain {
			if spans[name] == nil {
				return fmt.Errorf("%q is not among %v", name, slices.Sorted(maps.Keys(spans)))
			}
		}
		return nil
	})
	before := caller
	for _, name := range chain {
		if parent := hex.EncodeToString(spans[name].GetParentSpanId()); parent != before {
			t.Errorf("%s is under %s, want %s", name, parent, before)
		}
		before = hex.EncodeToString(spans[name].GetSpanId())
	}
	stored, err := h.Peek(t.Context(), "stored", 1, "")
	if err != nil || len(stored.Items) != 1 {
		t.Fatal(stored, err)
	}
	var p struct{ Trace string }
	if err := json.Unmarshal(stored.Items[0].Value, &p); err != nil || p.Trace != "00-"+trace+"-"+before+"-01" {
		t.Errorf("the second handler was in %q, %v; want the span %s", p.Trace, err, before)
	}
}
