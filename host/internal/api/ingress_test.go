package api_test

import (
	"context"
	"encoding/json"
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

func as(token string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
		if r.Method == "POST" {
			r.Body = io.NopCloser(strings.NewReader(`{"url":"http://a"}`))
		}
	}
}

func TestAProducerMayPostAndNothingElse(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, r := range allRoutes() {
		res, p := ask(t, l, r, as(apitest.Producer))
		switch {
		case strings.HasSuffix(r.path, "/messages") && r.method == "POST":
			if res.StatusCode != 202 {
				t.Errorf("%s %s: %d %s", r.method, r.path, res.StatusCode, p.Code)
			}
		case strings.HasSuffix(r.path, "/messages/batch"):
			if p.Code != "body_invalid" { // it came to the handler
				t.Errorf("%s %s: %d %s", r.method, r.path, res.StatusCode, p.Code)
			}
		case r.path == "/healthz" || r.path == "/readyz":
			if res.StatusCode != 200 {
				t.Errorf("%s %s: %d %s", r.method, r.path, res.StatusCode, p.Code)
			}
		default:
			if res.StatusCode != 403 || p.Code != "forbidden" {
				t.Errorf("%s %s: %d %s, want 403 forbidden", r.method, r.path, res.StatusCode, p.Code)
			}
		}
	}
	if got := l.Fleet.Commands(); len(got) > 0 {
		t.Errorf("a producer gave commands: %v", got)
	}
}

func TestAProducerLearnsNothingOfQueuesThatAreNotHis(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) {
		c.Produce = append(c.Produce, api.NewProducerToken("scraper", "th_of_the_scraper", "pages"))
	})
	for _, tc := range []struct {
		token, queue string
		status       int
	}{
		{apitest.Producer, "urls", 202}, {apitest.Producer, "pages", 404}, {apitest.Producer, "nope", 404}, {apitest.Producer, "..%2Furls", 404},
		{"th_of_the_scraper", "urls", 404}, {"th_of_the_scraper", "pages", 202}, {"th_of_the_scraper", "page", 404},
	} {
		res, p := ask(t, l, route{"POST", "/v1/queues/" + tc.queue + "/messages"}, as(tc.token))
		if res.StatusCode != tc.status {
			t.Errorf("%s to %s: %d %+v, want %d", tc.token, tc.queue, res.StatusCode, p, tc.status)
		}
		if tc.status == 404 && (p.Code != "queue_unknown" || strings.Contains(p.Remedy, "nearest")) {
			t.Errorf("%s to %s: %+v", tc.token, tc.queue, p)
		}
	}
}

// atIngress is ask at the ingress.
func atIngress(t *testing.T, l *apitest.Live, r route, change func(*http.Request)) (*http.Response, admin.Problem) {
	t.Helper()
	return ask(t, &apitest.Live{TCP: l.Ingress}, r, change)
}

func TestTheIngressServesPostsAlone(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, token := range []string{apitest.Token, apitest.Producer} {
		for _, r := range append(allRoutes(), route{"GET", "/"}, route{"PUT", "/v1/queues/urls/messages"}) {
			res, p := atIngress(t, l, r, as(token))
			switch {
			case r.path == "/healthz":
				if res.StatusCode != 200 {
					t.Errorf("healthz: %d", res.StatusCode)
				}
			case r.method == "POST" && strings.Contains(r.path, "/messages"):
				if res.StatusCode != 202 && p.Code != "body_invalid" {
					t.Errorf("%s %s: %d %s", r.method, r.path, res.StatusCode, p.Code)
				}
			default:
				if res.StatusCode != 404 || p.Code != "route_unknown" {
					t.Errorf("%s %s: %d %s, want 404", r.method, r.path, res.StatusCode, p.Code)
				}
			}
		}
		for _, queue := range []string{"pages", "nope", "slow"} { // not open to it, whoever asks
			if res, p := atIngress(t, l, route{"POST", "/v1/queues/" + queue + "/messages"}, as(token)); res.StatusCode != 404 || p.Code != "queue_unknown" {
				t.Errorf("post to %s: %d %s", queue, res.StatusCode, p.Code)
			}
		}
	}
}

func TestTheIngressIsGuarded(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	posting := route{"POST", "/v1/queues/urls/messages"}
	for _, tc := range []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"without a token", nil, 401, "token_missing"},
		{"with a wrong token", as("th_" + strings.Repeat("0", 64)), 401, "token_wrong"},
		{"with an empty token", as(""), 401, "token_missing"},
		{"with another Host", func(r *http.Request) { as(apitest.Producer)(r); r.Host = "evil.example" }, 421, "host_unknown"},
		{"from a page", func(r *http.Request) { as(apitest.Producer)(r); r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "cross_origin"},
	} {
		for _, r := range []route{posting, {"POST", "/v1/queues/urls/messages/batch"}} {
			res, p := atIngress(t, l, r, tc.change)
			if res.StatusCode != tc.status || p.Code != tc.code || p.Remedy == "" {
				t.Errorf("%s %s: %d %+v, want %d %s", r.path, tc.name, res.StatusCode, p, tc.status, tc.code)
			}
		}
	}
	if res, p := atIngress(t, l, route{"GET", "/v1/tasks"}, nil); res.StatusCode != 401 || !strings.Contains(p.Remedy, "producer.token") {
		t.Errorf("a stranger: %d %+v", res.StatusCode, p)
	}
	if s, _ := l.Queues.Queue("urls"); s.Messages != 0 {
		t.Errorf("%d messages came in", s.Messages)
	}
}

func TestTheIngressEndsAlone(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	again := api.New(l.API.Config)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- again.ServeIngress(ctx, listener) }()
	c, err := admin.New(listener.Addr().String(), admin.Options{Token: apitest.Producer})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Post(t.Context(), "urls", json.RawMessage(`{"url":"http://a"}`), admin.PostOptions{Wait: time.Second}); err != nil {
		t.Errorf("post: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	var got admin.Posted
	if w := (post{"/v1/queues/urls/messages", `{"url":"http://a"}`, nil}).send(t, again.Handler(), apitest.Token, &got); w.Code != 202 {
		t.Errorf("the API after the end of the ingress: %d", w.Code)
	}
	var p admin.Problem
	if w := (post{"/v1/queues/urls/messages", `{"url":"http://a"}`, nil}).send(t, again.IngressHandler(), apitest.Token, &p); w.Code != 503 || p.Code != "shutting_down" {
		t.Errorf("the ingress after its end: %d %+v", w.Code, p)
	}
}

func TestTheIngressIsReachedFromAfarOnlyWithTLS(t *testing.T) {
	t.Parallel()
	if l, err := api.Listen(t.Context(), "0.0.0.0:0", api.Listening{}); err == nil {
		l.Close()
		t.Fatal("it listens to everybody without TLS")
	}
	l := apitest.Start(t, "")
	cert, key, err := l.Authority.Issue("ingress", "", 0, "intake.example")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := api.NewTLS(api.TLSOptions{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := api.Listen(t.Context(), "0.0.0.0:0", api.Listening{TLS: secure})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.API.ServeIngress(ctx, listener) }()
	trust, err := l.Authority.Client("", "")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	trust.ServerName = "intake.example"
	c, err := admin.New("https://127.0.0.1:"+port, admin.Options{Token: apitest.Producer, TLS: trust})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Post(t.Context(), "urls", json.RawMessage(`{"url":"http://a"}`), admin.PostOptions{}); err != nil {
		t.Errorf("post over TLS: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}
