package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// route is a row of the table with its placeholders filled in.
type route struct{ method, path string }

func allRoutes() []route {
	fill := strings.NewReplacer("{task}", "quick", "{run}", "01kb3v0000000000000000000a", "{key}", "cursor", "{plugin}", "demo", "{method}", "echo", "{queue}", "urls", "{id}", "a", "{token}", "ci", "{profile}", "heap", "{generation}", "1")
	var all []route
	for _, pattern := range api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		all = append(all, route{method, fill.Replace(path)})
	}
	return all
}

// ask makes a request over TCP and returns the status and the problem's code.
func ask(t *testing.T, l *apitest.Live, r route, change func(*http.Request)) (*http.Response, admin.Problem) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, "http://"+l.TCP+r.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p admin.Problem
	if res.StatusCode >= 400 {
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
			t.Errorf("%s %s: the refusal is no problem document: %v", r.method, r.path, err)
		}
	}
	return res, p
}

func withToken(r *http.Request) { r.Header.Set("Authorization", "Bearer "+apitest.Token) }

func TestNoRouteIsServedToStrangers(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	public := map[string]bool{"/healthz": true, "/readyz": true}
	cases := []struct {
		name    string
		change  func(*http.Request)
		status  int
		code    string
		forOpen bool // also refused where no token is needed
	}{
		{"without a token", nil, 401, "token_missing", false},
		{"with a wrong token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer th_"+strings.Repeat("0", 64)) }, 401, "token_wrong", true},
		{"with an empty token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401, "token_missing", false},
		{"with a basic password", func(r *http.Request) { r.SetBasicAuth("admin", apitest.Token) }, 401, "token_wrong", true},
		{"with a wrong Host", func(r *http.Request) { withToken(r); r.Host = "evil.example:7480" }, 421, "host_unknown", true},
		{"with the Host of another address", func(r *http.Request) { withToken(r); r.Host = "10.0.0.1" }, 421, "host_unknown", true},
	}
	routes := append(allRoutes(), route{"GET", "/v1/nope"}, route{"GET", "/"}, route{"DELETE", "/v1/tasks"})
	for _, c := range cases {
		for _, r := range routes {
			if public[r.path] && !c.forOpen {
				continue
			}
			res, p := ask(t, l, r, c.change)
			if res.StatusCode != c.status || p.Code != c.code {
				t.Errorf("%s %s %s: %d %s, want %d %s", r.method, r.path, c.name, res.StatusCode, p.Code, c.status, c.code)
			}
			if p.Remedy == "" || p.RequestID == "" {
				t.Errorf("%s %s %s: the problem lacks a remedy or a request id: %+v", r.method, r.path, c.name, p)
			}
		}
	}
	if got := l.Fleet.Commands(); len(got) > 0 {
		t.Errorf("strangers gave commands: %v", got)
	}
}

func TestPagesOfOtherOriginsCannotWrite(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, r := range allRoutes() {
		if r.method == "GET" {
			continue
		}
		res, p := ask(t, l, r, func(r *http.Request) {
			withToken(r)
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		})
		if res.StatusCode != 403 || p.Code != "cross_origin" {
			t.Errorf("%s %s: %d %s, want 403 cross_origin", r.method, r.path, res.StatusCode, p.Code)
		}
	}
}

func TestHealthNeedsNoTokenAndEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, path := range []string{"/healthz", "/readyz"} {
		res, _ := ask(t, l, route{"GET", path}, nil)
		if res.StatusCode != 200 {
			t.Errorf("GET %s: %d, want 200", path, res.StatusCode)
		}
		for _, head := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "Cache-Control", "X-Request-Id"} {
			if res.Header.Get(head) == "" {
				t.Errorf("GET %s: no header %s", path, head)
			}
		}
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("GET %s: header %s opens the API to other origins", path, name)
			}
		}
	}
	why := "the plugin directory is gone"
	l.Host.Unready.Store(&why)
	res, p := ask(t, l, route{"GET", "/readyz"}, nil)
	if res.StatusCode != 503 || strings.Contains(p.Detail, why) {
		t.Errorf("readyz of an unready host: %d %q, want 503 without the reason for strangers", res.StatusCode, p.Detail)
	}
	_, p = ask(t, l, route{"GET", "/readyz"}, withToken)
	if !strings.Contains(p.Detail, why) {
		t.Errorf("readyz with a token says %q, want the reason", p.Detail)
	}
}

func TestUnknownRoutesAndMethodsSayWhatThereIs(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	res, p := ask(t, l, route{"GET", "/v2/tasks"}, withToken)
	if res.StatusCode != 404 || p.Code != "route_unknown" {
		t.Errorf("unknown route: %d %s", res.StatusCode, p.Code)
	}
	res, p = ask(t, l, route{"DELETE", "/v1/tasks/quick/runs"}, withToken)
	if res.StatusCode != 405 || p.Code != "method_not_allowed" || res.Header.Get("Allow") != "GET, POST" {
		t.Errorf("unknown method: %d %s Allow %q", res.StatusCode, p.Code, res.Header.Get("Allow"))
	}
	res, p = ask(t, l, route{"GET", "/v1/tasks/quick?untill=idle"}, withToken)
	if res.StatusCode != 400 || p.Remedy != `did you mean "until"?` {
		t.Errorf("unknown parameter: %d %q", res.StatusCode, p.Remedy)
	}
}

func TestAPanicIsOneProblemAndNotTheEnd(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.Plugins = panicking{} })
	res, p := ask(t, l, route{"GET", "/v1/plugins"}, withToken)
	if res.StatusCode != 500 || p.Code != "internal" || p.RequestID != res.Header.Get("X-Request-Id") {
		t.Errorf("panic: %d %+v", res.StatusCode, p)
	}
	if res, _ := ask(t, l, route{"GET", "/v1/host"}, withToken); res.StatusCode != 200 {
		t.Errorf("after a panic: %d", res.StatusCode)
	}
}

type panicking struct{}

func (panicking) Plugins() []api.Plugin { panic("boom") }

func TestTooManyRequestsAndStreamsAreTurnedAway(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.MaxRequests, c.MaxStreams = 2, 1 })
	open := func() *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.TCP+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		withToken(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	if res := open(); res.StatusCode != 200 {
		t.Fatalf("first stream: %d", res.StatusCode)
	}
	if res := open(); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("second stream: %d, want 429 with Retry-After", res.StatusCode)
	}
	hang, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for hang.Err() == nil { // it may be the one that is turned away; then it comes again
			req, err := http.NewRequestWithContext(hang, "POST", "http://"+l.TCP+"/v1/tasks/clock/methods/hang", nil)
			if err != nil {
				t.Error(err)
				return
			}
			withToken(req)
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
		}
	}()
	for { // until the hanging call has the last place
		res, p := ask(t, l, route{"GET", "/healthz"}, nil)
		if res.StatusCode == 429 && p.Code == "busy" {
			break
		}
		if hang.Err() != nil {
			t.Fatal("the host never was busy")
		}
	}
	if err := client(t, l).Alive(t.Context()); err != nil {
		t.Errorf("the socket has no room of its own: %v", err)
	}
	end()
	<-asked
}

func TestHeadersAndBodiesAreBounded(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	body := func(text, media string) func(*http.Request) {
		return func(r *http.Request) {
			withToken(r)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			if media != "" {
				r.Header.Set("Content-Type", media)
			}
		}
	}
	const media = "application/json"
	cases := []struct {
		name, body, media string
		status            int
		code, says        string
	}{
		{"an empty body needs no type", "", "", 202, "", ""},
		{"a form is no JSON", "{}", "application/x-www-form-urlencoded", 415, "body_type", "curl"},
		{"no type", "{}", "", 415, "body_type", "--json"},
		{"a charset is fine", "{}", media + "; charset=utf-8", 202, "", ""},
		{"no JSON", "{", media, 400, "body_invalid", "byte"},
		{"two values", "{} {}", media, 400, "body_invalid", "more after"},
		{"another type", `[]`, media, 400, "body_invalid", "an object"},
		{"an unknown field", `{"resaon":"x"}`, media, 400, "body_invalid", `did you mean "reason"?`},
		{"a wrong type", `{"reason":1}`, media, 400, "body_invalid", "a text"},
		{"too deep", `{"input":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", media, 400, "body_invalid", "deeper"},
		{"too large", `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, media, 413, "body_too_large", "1MiB"},
	}
	for _, c := range cases {
		res, p := ask(t, l, route{"POST", "/v1/tasks/slow/runs"}, body(c.body, c.media))
		if res.StatusCode != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s %q, want %d %s", c.name, res.StatusCode, p.Code, p.Detail, c.status, c.code)
		}
		if text := fmt.Sprint(p); !strings.Contains(text, c.says) {
			t.Errorf("%s: %s, want it to say %q", c.name, text, c.says)
		}
		for _, run := range liveRuns(t, l, "slow") {
			cancelRun(t, l, run)
		}
	}
	res, _ := http.NewRequest("GET", "http://"+l.TCP+"/healthz", nil)
	res.Header.Set("X-Large", strings.Repeat("x", 32<<10))
	if got, err := http.DefaultClient.Do(res); err == nil {
		got.Body.Close()
		if got.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("32 KiB of headers: %d", got.StatusCode)
		}
	}
}

func liveRuns(t *testing.T, l *apitest.Live, name string) []string {
	t.Helper()
	s, _ := l.Store.Status(name)
	var ids []string
	for _, r := range s.Running {
		ids = append(ids, r.ID)
	}
	return ids
}

func cancelRun(t *testing.T, l *apitest.Live, id string) {
	t.Helper()
	if _, done, err := client(t, l).CancelRun(t.Context(), id, admin.Verb{}, 5*time.Second); err != nil || !done {
		t.Fatalf("cancel %s: done %v, %v", id, done, err)
	}
}

// client speaks to the API over its socket.
func client(t *testing.T, l *apitest.Live) *admin.Client {
	t.Helper()
	c, err := admin.New(l.Unix, admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestASlowHeaderIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the header's deadline of 5 s")
	}
	t.Parallel()
	l := apitest.Start(t, "")
	c, err := net.Dial("tcp", l.TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: ")
	c.SetReadDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the host still waits for the header: %v", err)
	}
}
