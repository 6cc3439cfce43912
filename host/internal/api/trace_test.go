package api_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// tracer remembers the spans that it was asked for.
type tracer struct {
	mu    sync.Mutex
	spans []string
}

func (tr *tracer) Request(method, route, parent string) (string, func(int)) {
	return parent, func(status int) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.spans = append(tr.spans, method+" "+route+" "+parent+" "+http.StatusText(status))
	}
}

func (tr *tracer) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.spans)
}

func TestRequestsThatChangeSomethingHaveSpansAndOthersInATrace(t *testing.T) {
	t.Parallel()
	tr := &tracer{}
	l := apitest.Start(t, "", func(c *api.Config) { c.Tracer = tr })
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	in := func(text string) func(*http.Request) {
		return func(r *http.Request) { withToken(r); r.Header.Set("traceparent", text) }
	}
	ask(t, l, route{"GET", "/v1/tasks/quick"}, withToken)
	ask(t, l, route{"GET", "/v1/tasks/quick"}, in("nonsense"))
	ask(t, l, route{"GET", "/v1/tasks/quick"}, in(parent))
	ask(t, l, route{"POST", "/v1/host/pause"}, in(parent))
	ask(t, l, route{"POST", "/v1/host/resume"}, in("nonsense"))
	ask(t, l, route{"POST", "/v1/host/pause"}, nil)
	for deadline := time.Now().Add(10 * time.Second); tr.count() < 3 && time.Now().Before(deadline); { // a span ends once its request is answered
		ask(t, l, route{"GET", "/healthz"}, nil)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	want := []string{"GET /v1/tasks/{task} " + parent + " OK", "POST /v1/host/pause " + parent + " OK", "POST /v1/host/resume  OK"}
	if !slices.Equal(tr.spans, want) {
		t.Errorf("spans %q, want %q", tr.spans, want)
	}
}
