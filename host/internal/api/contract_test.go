package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// contract checks live answers against the document.
type contract struct {
	router routers.Router
	seen   map[string]bool // operations that answered with 2xx
}

// Lines of JSON are not looked into.
func init() {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
}

func newContract(t *testing.T) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatalf("the document is not valid: %v", err)
	}
	doc.Servers = nil
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &contract{router: router, seen: map[string]bool{}}
}

// call makes a request and validates its answer; want is the status.
func (c *contract) call(t *testing.T, l *apitest.Live, want int, method, path, body string, head ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.TCP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	withToken(req)
	if body != "" && !slices.Contains(head, "Content-Type") {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	name := method + " " + path
	if res.StatusCode != want {
		t.Errorf("%s: %d, want %d: %s", name, res.StatusCode, want, data)
	}
	req.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, Route: route, PathParams: params,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if want < 400 {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s: the request was accepted, but the document refuses it: %v", name, err)
		}
		c.seen[route.Operation.OperationID] = true
	}
	media := res.Header.Get("Content-Type")
	if media != "application/json" && media != "application/problem+json" && res.StatusCode != http.StatusNoContent {
		return // lines are not described further
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(data)), Options: in.Options,
	})
	if err != nil {
		t.Errorf("%s: the answer is not as described: %v\n%s", name, err, data)
	}
}

func TestAnswersAreAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	l.Logs.Add("info", "hello")
	c := newContract(t)
	get := func(paths ...string) {
		t.Helper()
		for _, p := range paths {
			c.call(t, l, 200, "GET", p, "")
		}
	}
	get("/readyz?verbose", "/metrics")
	get("/healthz", "/readyz", "/v1/openapi.json", "/v1/openapi.yaml", "/v1/whoami", "/v1/tasks?limit=2&state=idle", "/v1/tasks/clock",
		"/v1/tasks/clock/state", "/v1/tasks/clock/logs", "/v1/tasks/nightly/schedule", "/v1/tasks/quick/slots", "/v1/schedule", "/v1/groups",
		"/v1/plugins", "/v1/plugins/demo", "/v1/host", "/v1/tasks/quick/checkpoint", "/v1/notifiers")
	c.call(t, l, 200, "POST", "/v1/notifiers/ops/test?timeout=1m", "")
	c.call(t, l, 404, "POST", "/v1/notifiers/op/test", "")
	c.call(t, l, 200, "POST", "/v1/tasks/quick/runs?wait=1s", `{"input":{"month":"x"},"reason":"why"}`)
	c.call(t, l, 200, "POST", "/v1/tasks/failing/runs?wait=1s", "")
	c.call(t, l, 202, "POST", "/v1/tasks/slow/runs", "")
	c.call(t, l, 202, "POST", "/v1/tasks/stubborn/runs", "")
	c.call(t, l, 409, "POST", "/v1/tasks/slow/runs", "")
	c.call(t, l, 422, "POST", "/v1/tasks/quick/runs", `{"input":{"mont":1}}`)
	slow := liveRuns(t, l, "slow")[0]
	get("/v1/runs", "/v1/tasks/quick/runs?outcome=succeeded", "/v1/runs/"+slow, "/v1/runs/"+slow+"/logs")
	c.call(t, l, 200, "PATCH", "/v1/runs/"+slow, `{"timeout":"10m"}`)
	c.call(t, l, 409, "PUT", "/v1/tasks/slow/checkpoint/cursor", `{"page":1}`)
	c.call(t, l, 200, "PUT", "/v1/tasks/slow/checkpoint/cursor?force=true", `{"page":1}`)
	get("/v1/tasks/slow/checkpoint/cursor", "/v1/tasks/slow/checkpoint")
	c.call(t, l, 412, "DELETE", "/v1/tasks/slow/checkpoint/cursor?force=true", "", "If-Match", `"99"`)
	c.call(t, l, 204, "DELETE", "/v1/tasks/slow/checkpoint/cursor?force=true", "")
	c.call(t, l, 202, "POST", "/v1/tasks/stubborn/stop", `{"mode":"graceful","timeout":"500ms"}`)
	c.call(t, l, 202, "GET", "/v1/tasks/stubborn?wait=10ms&until=stopped", "")
	c.call(t, l, 202, "POST", "/v1/tasks/stubborn/cancel", "")
	c.call(t, l, 200, "POST", "/v1/tasks/stubborn/stop?wait=1s", `{"mode":"kill"}`)
	c.call(t, l, 200, "POST", "/v1/tasks/stubborn/start", "")
	c.call(t, l, 200, "POST", "/v1/runs/"+slow+"/cancel?wait=1s", "")
	c.call(t, l, 202, "POST", "/v1/runs/"+slow+"/retry", "")
	c.call(t, l, 200, "POST", "/v1/tasks/slow/cancel?wait=1s", "")
	c.call(t, l, 200, "POST", "/v1/tasks/quick/restart?wait=1s", "")
	c.call(t, l, 200, "POST", "/v1/tasks/quick/pause", `{"until":"2026-12-01T08:00:00Z","reason":"DB move"}`)
	get("/v1/overrides", "/v1/tasks/quick/overrides")
	c.call(t, l, 200, "POST", "/v1/tasks/quick/resume", "")
	c.call(t, l, 200, "DELETE", "/v1/tasks/quick/overrides", "")
	c.call(t, l, 200, "POST", "/v1/tasks/quick/backfill?wait=1s", `{"from":"2026-11-21T11:00:00Z","to":"2026-11-21T11:05:00Z","dry_run":false}`)
	c.call(t, l, 200, "POST", "/v1/tasks/clock/methods/echo", `{"a":1}`)
	c.call(t, l, 504, "POST", "/v1/tasks/clock/methods/hang?timeout=10ms", "")
	c.call(t, l, 200, "POST", "/v1/actions?wait=1s", `{"verb":"run","select":{"name":"quick"}}`)
	c.call(t, l, 422, "POST", "/v1/actions", `{"verb":"run","select":{}}`)
	c.call(t, l, 201, "POST", "/v1/tokens", `{"name":"ci","role":"operator","tasks":["check.*"],"expires_at":"2027-01-01T00:00:00Z","reason":"deploys"}`)
	c.call(t, l, 409, "POST", "/v1/tokens", `{"name":"ci","role":"viewer"}`)
	c.call(t, l, 422, "POST", "/v1/tokens", `{"name":"admin","role":"viewer"}`)
	get("/v1/tokens", "/v1/audit?limit=3", "/v1/audit?actor=admin&task=quick")
	c.call(t, l, 204, "DELETE", "/v1/tokens/ci", "")
	c.call(t, l, 404, "DELETE", "/v1/tokens/ci", "")
	c.call(t, l, 200, "POST", "/v1/host/pause", "")
	c.call(t, l, 200, "POST", "/v1/host/resume", "")
	c.call(t, l, 202, "POST", "/v1/host/drain", "")
	c.call(t, l, 202, "POST", "/v1/host/shutdown", `{"mode":"hard"}`)
	c.queues(t, l)
	c.configs(t, l)
	c.call(t, l, 404, "GET", "/v1/tasks/nope", "")
	c.call(t, l, 400, "GET", "/v1/tasks?limit=0", "")
	c.call(t, l, 401, "GET", "/v1/host", "", "Authorization", "Bearer x")

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+l.TCP+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	withToken(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close() // the stream has no end: its head is enough
	c.seen["events"] = res.StatusCode == 200
	c.seen["listProfiles"], c.seen["getProfile"] = true, true // on the Unix socket only, see their own test
	if got, want := len(c.seen), len(api.Patterns()); got != want {
		t.Errorf("%d of %d operations answered: %v", got, want, c.seen)
	}
}

// queues calls all that concerns queues.
func (c *contract) queues(t *testing.T, l *apitest.Live) {
	t.Helper()
	const messages = "/v1/queues/urls/messages"
	c.call(t, l, 202, "POST", messages+"?key=example", `{"url":"http://example.org"}`, "Idempotency-Key", "a")
	c.call(t, l, 200, "POST", messages, `{"url":"http://example.org"}`, "Idempotency-Key", "a")
	c.call(t, l, 422, "POST", messages, `{"url":"http://example.com"}`, "Idempotency-Key", "a")
	c.call(t, l, 422, "POST", messages, `{"uri":1}`)
	c.call(t, l, 400, "POST", messages, `{`)
	c.call(t, l, 413, "POST", messages, strings.Repeat(" ", 1<<20))
	c.call(t, l, 404, "POST", "/v1/queues/url/messages", `1`)
	c.call(t, l, 200, "POST", messages+"/batch", `{"messages":[{"id":"b","key":"k","value":{"url":"http://b"}},{"value":1},{"value":{"url":"http://c"}}]}`)
	c.call(t, l, 200, "POST", messages+"/batch?envelope=1", `{"id":"b","value":{"url":"http://b"}}`, "Content-Type", "application/x-ndjson")
	c.call(t, l, 200, "POST", "/v1/queues/pages/messages/batch", "1\n2\n3\n", "Content-Type", "application/x-ndjson")
	c.call(t, l, 429, "POST", "/v1/queues/pages/messages", `4`)
	l.Queues.Bury("urls", "status 500")
	l.Queues.Bury("urls", "status 500")
	for _, p := range []string{"/v1/queues", "/v1/queues/urls", messages + "?limit=1", "/v1/queues/urls/dead-letters?limit=1", "/v1/queues/urls/dead-letters/a"} {
		c.call(t, l, 200, "GET", p, "")
	}
	c.call(t, l, 404, "GET", "/v1/queues/urls/dead-letters/nope", "")
	c.call(t, l, 200, "POST", "/v1/queues/urls/redrive", `{"ids":["a"]}`)
	c.call(t, l, 200, "POST", "/v1/queues/urls/redrive", `{"all":true}`)
	c.call(t, l, 422, "POST", "/v1/queues/urls/purge", `{"confirm":"url"}`)
	c.call(t, l, 200, "POST", "/v1/queues/urls/purge", `{"dead_letters":true,"confirm":"urls"}`)
}

// configs calls all that concerns the configuration.
func (c *contract) configs(t *testing.T, l *apitest.Live) {
	t.Helper()
	c.call(t, l, 200, "GET", "/v1/config", "")
	c.call(t, l, 200, "POST", "/v1/config/plan", "")
	c.call(t, l, 200, "POST", "/v1/config/plan", `{"generation":1}`)
	c.call(t, l, 412, "POST", "/v1/config/apply", "", "If-Match", `"7"`)
	c.call(t, l, 412, "POST", "/v1/config/apply", `{"plan_id":"p_old"}`)
	c.call(t, l, 200, "POST", "/v1/config/apply", `{"plan_id":"p_0","reason":"why"}`, "If-Match", `"1"`)
	c.call(t, l, 422, "POST", "/v1/config/apply", `{"reason":"broken"}`)
	c.call(t, l, 422, "POST", "/v1/config/rollback", `{}`)
	c.call(t, l, 404, "POST", "/v1/config/rollback", `{"generation":9}`)
	c.call(t, l, 200, "POST", "/v1/config/rollback", `{"generation":1,"reason":"why"}`, "If-Match", `"2"`)
	c.call(t, l, 200, "GET", "/v1/config/generations", "")
	c.call(t, l, 200, "GET", "/v1/config/generations/1", "")
	c.call(t, l, 404, "GET", "/v1/config/generations/9", "")
	c.call(t, l, 404, "GET", "/v1/config/generations/x", "")
	c.call(t, l, 200, "GET", "/v1/config/generations/1/diff?to=2", "")
	c.call(t, l, 200, "GET", "/v1/config/generations/1/diff", "")
}
