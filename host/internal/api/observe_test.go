package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// bySocket makes a request over the Unix socket and returns the status, the media type and the body.
func bySocket(t *testing.T, l *apitest.Live, path string) (int, string, []byte) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(l.Unix, "unix:"))
	}
	c := &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	res, err := c.Get("http://host" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), data
}

func TestAHostWithoutProgressIsNotAlive(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	why := "the fleet does not answer"
	l.Host.Stalled.Store(&why)
	res, p := ask(t, l, route{"GET", "/healthz"}, nil)
	if res.StatusCode != 503 || p.Code != "stalled" || strings.Contains(p.Detail, why) {
		t.Errorf("a stranger gets %d %q %q, want 503 stalled without the reason", res.StatusCode, p.Code, p.Detail)
	}
	if _, p = ask(t, l, route{"GET", "/healthz"}, withToken); !strings.Contains(p.Detail, why) {
		t.Errorf("with a token the detail is %q, want the reason", p.Detail)
	}
	l.Host.Stalled.Store(nil)
	l.Host.Unready.Store(&why)
	if res, _ = ask(t, l, route{"GET", "/healthz"}, nil); res.StatusCode != 200 {
		t.Errorf("a host that is only not ready answers healthz with %d, want 200", res.StatusCode)
	}
}

func TestWhoDoesNotWaitForTheAnswerIsNoFailureOfTheHost(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := apitest.Start(t, "", func(c *api.Config) { c.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Info}) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"/v1/tasks/stubborn/runs?wait=1m", "/v1/tasks/stubborn/stop?wait=1m"} {
		req := httptest.NewRequestWithContext(gone, "POST", "http://127.0.0.1"+path, nil)
		withToken(req)
		w := httptest.NewRecorder()
		l.API.Handler().ServeHTTP(w, req)
		if w.Code != 499 || !strings.Contains(w.Body.String(), `"caller_gone"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if r := newest(t, l); r.Status != 499 || r.Code != "caller_gone" {
			t.Errorf("%s stands in the audit log with %d %s", path, r.Status, r.Code)
		}
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log.String())
	}
}

func TestReadinessNamesItsChecksToWhoMayRead(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	if res, p := ask(t, l, route{"GET", "/readyz?verbose"}, nil); res.StatusCode != 401 || p.Code != "token_missing" {
		t.Errorf("a stranger gets %d %q, want 401", res.StatusCode, p.Code)
	}
	if res, p := ask(t, l, route{"GET", "/readyz?verbose"}, as(apitest.Producer)); res.StatusCode != 403 {
		t.Errorf("a producer gets %d %q, want 403", res.StatusCode, p.Code)
	}
	why := "the disk is full"
	l.Host.Unready.Store(&why)
	status, _, data := bySocket(t, l, "/readyz?verbose")
	var got admin.Readiness
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := []admin.HealthCheck{{Name: "scheduler", Status: "ok", Detail: "10 tasks"}, {Name: "store", Status: "failed", Detail: why}}
	if status != 503 || got.Status != "unready" || !slices.Equal(got.Checks, want) {
		t.Errorf("%d %+v, want 503 with %+v", status, got, want)
	}
}

func TestMetricsAreForViewers(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	if res, _ := ask(t, l, route{"GET", "/metrics"}, as(apitest.Producer)); res.StatusCode != 403 {
		t.Errorf("a producer gets %d, want 403", res.StatusCode)
	}
	status, media, data := bySocket(t, l, "/metrics")
	if status != 200 || media != "text/plain; version=0.0.4; charset=utf-8" || !strings.Contains(string(data), "taskhost_build_info{") {
		t.Errorf("%d %q %q", status, media, data)
	}
}

func TestRequestsAreCountedByRouteAndNeverByPath(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	ask(t, l, route{"GET", "/v1/tasks/quick"}, withToken)
	ask(t, l, route{"GET", "/v1/tasks/nope"}, withToken)
	ask(t, l, route{"GET", "/anything/else"}, withToken)
	ask(t, l, route{"BREW", "/v1/tasks/quick"}, withToken)
	ask(t, l, route{"POST", "/v1/host/pause"}, nil)
	want := []apitest.Served{
		{Route: "/v1/tasks/{task}", Method: "GET", Status: 200},
		{Route: "/v1/tasks/{task}", Method: "GET", Status: 404},
		{Route: "none", Method: "none", Status: 404},
		{Route: "none", Method: "none", Status: 405},
		{Route: "/v1/host/pause", Method: "POST", Status: 401},
	}
	deadline := time.Now().Add(10 * time.Second)
	got := l.Meter.Requests()
	for ; len(got) < len(want) && time.Now().Before(deadline); got = l.Meter.Requests() { // a request is counted once it is answered
		ask(t, l, route{"GET", "/healthz"}, nil)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%+v was not counted: %+v", w, got)
		}
	}
}

func TestProfilesAreForTheSocketOnly(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, path := range []string{"/debug/pprof", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1"} {
		if res, p := ask(t, l, route{"GET", path}, withToken); res.StatusCode != 403 || p.Code != "forbidden" {
			t.Errorf("%s over TCP with the admin's token: %d %q, want 403", path, res.StatusCode, p.Code)
		}
	}
	for path, want := range map[string]string{
		"/debug/pprof": "goroutine", "/debug/pprof/heap?gc": "\x1f\x8b", "/debug/pprof/goroutine?debug=1": "goroutine profile:",
		"/debug/pprof/profile?seconds=10ms": "\x1f\x8b",
	} {
		if status, _, data := bySocket(t, l, path); status != 200 || !strings.Contains(string(data), want) {
			t.Errorf("%s: %d, %d bytes without %q", path, status, len(data), want)
		}
	}
	for path, want := range map[string]int{"/debug/pprof/nope": 404, "/debug/pprof/profile?seconds=1h": 400, "/debug/pprof/heap?debug=9": 400} {
		if status, _, data := bySocket(t, l, path); status != want {
			t.Errorf("%s: %d, want %d: %s", path, status, want, data)
		}
	}
}
