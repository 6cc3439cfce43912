package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/plugins/internal/readme"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func typeNamed(name string) task.Type {
	p := plugin()
	d, _, err := p.Build()
	if err != nil {
		panic(err)
	}
	for i, t := range d.Types {
		if t.Name == name {
			return p.Types[i]
		}
	}
	panic("there is no type " + name)
}

func site(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func result[T any](t *testing.T, r *tasktest.Task) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.Result()), &v); err != nil {
		t.Fatalf("result %q of a run that is %s (%s): %v", r.Result(), r.Outcome(), r.Message(), err)
	}
	return v
}

func TestChecksThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	const url = "url = \"http://a.example\"\n"
	for hcl, want := range map[string]string{
		``:                               "url",
		`url = "a.example"`:              "url",
		`url = "ftp://a.example"`:        "http or https",
		`url = "http:///x"`:              "host",
		url + `method = "GE T"`:          "method",
		url + `headers = { "A b" = "" }`: "name of a header",
		url + `headers = { A = "b\nc" }`: "line breaks",
		url + `body_match = "("`:         "missing closing",
		url + `body_not = "["`:           "missing closing",
		url + `expect_status = [20]`:     "100 to 599",
		url + `timeout = "0s"`:           "timeout",
		url + `timeout = "soon"`:         "timeout",
		url + `expect = [200]`:           "expect_status",
	} {
		if _, err := tasktest.Config[CheckConfig](t, hcl); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a problem with %q", hcl, err, want)
		}
	}
	if r, err := tasktest.Open(t, typeNamed("check"), url+"tls {\n ca = \"/nowhere\"\n}"); err == nil {
		t.Errorf("a missing ca = %s", r.Outcome())
	}
}

func TestACheckJudgesWhatTheSiteAnswers(t *testing.T) {
	t.Parallel()
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/echo":
			fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.Header.Get("X-Key"), r.UserAgent(), r.Header.Get("Content-Length"))
		case "/long":
			fmt.Fprint(w, strings.Repeat("x", 2<<20)+"end")
		default:
			fmt.Fprint(w, "status: fine")
		}
	})
	for _, c := range []struct{ path, hcl, want string }{
		{"/ok", ``, ""},
		{"/ok", `body_match = "f.ne$"`, ""},
		{"/ok", `body_match = "broken"`, `the body does not match "broken"`},
		{"/ok", `body_not = "fine"`, `the body matches "fine"`},
		{"/ok", `body_not = "broken"`, ""},
		{"/teapot", ``, "status 418, want 200 to 299"},
		{"/teapot", `expect_status = [200, 418]`, ""},
		{"/ok", `expect_status = [204]`, "status 200, want one of [204]"},
		{"/moved", ``, ""},
		{"/moved", `follow_redirects = false`, "status 302, want 200 to 299"},
		{"/moved", "follow_redirects = false\nexpect_status = [302]", ""},
		{"/echo", "method = \"POST\"\nbody = \"abc\"\nheaders = { Host = \"shop.example\", X-Key = \"k\" }\nbody_match = \"^POST shop.example k taskhost-http\"", ""},
		{"/long", `body_match = "end"`, `the body does not match "end"`},
		{"/long", "body_match = \"end\"\nmax_body = \"3MiB\"", ""},
	} {
		r := tasktest.Run(t, typeNamed("check"), fmt.Sprintf("url = %q\n%s", url+c.path, c.hcl))
		got := result[Result](t, r)
		if got.Reason != c.want || got.OK != (c.want == "") || got.LatencyMS <= 0 || got.Status == 0 || got.TLSDays != nil {
			t.Errorf("%s %s: %+v; want reason %q", c.path, c.hcl, got, c.want)
		}
		if wantClass := map[bool]string{true: "", false: "unhealthy"}[c.want == ""]; r.Class() != wantClass || r.Message() != c.want {
			t.Errorf("%s %s: class %q, message %q", c.path, c.hcl, r.Class(), r.Message())
		}
		if r.State("ok") != fmt.Sprint(got.OK) || r.State("status") != fmt.Sprint(got.Status) || r.State("tls_expires_in_days") != "null" {
			t.Errorf("%s %s: published ok %s, status %s", c.path, c.hcl, r.State("ok"), r.State("status"))
		}
	}
}

func TestASiteWithoutAnAnswerIsUnhealthy(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	gate := make(chan struct{})
	slow := site(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	})
	cut := site(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
	})
	t.Cleanup(func() { close(gate) })
	for _, c := range []struct{ hcl, want string }{
		{fmt.Sprintf("url = \"http://%s/?password=secret\"", closed.Addr()), "refused"},
		{`url = "http://no-such-host.invalid/"`, "lookup"},
		{fmt.Sprintf("url = %q\ntimeout = \"30ms\"", slow), "no answer within 30ms"},
		{fmt.Sprintf("url = %q", cut), "read the body"},
	} {
		r := tasktest.Run(t, typeNamed("check"), c.hcl)
		if r.Class() != "unhealthy" || !strings.Contains(r.Message(), c.want) || strings.Contains(r.Message(), "secret") || r.State("ok") != "false" {
			t.Errorf("%s: %s %s: %s", c.hcl, r.Outcome(), r.Class(), r.Message())
		}
	}
}

func TestACheckThatIsStoppedIsNotUnhealthy(t *testing.T) {
	t.Parallel()
	entered, gate := make(chan struct{}), make(chan struct{})
	url := site(t, func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-gate
	})
	t.Cleanup(func() { close(gate) })
	r := tasktest.Run(t, typeNamed("check"), fmt.Sprintf("url = %q", url))
	<-entered
	r.Cancel()
	if r.Outcome() != "cancelled" || r.State("ok") != "" {
		t.Errorf("%s %s, ok %q", r.Outcome(), r.Message(), r.State("ok"))
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	days := time.Until(s.Certificate().NotAfter).Hours() / 24
	for _, c := range []struct{ tls, want string }{
		{``, "certificate"},
		{`skip_verify = true`, ""},
		{fmt.Sprintf("ca = %q", ca), ""},
		{fmt.Sprintf("ca = %q\nexpires_within = \"%dd\"", ca, int(days)-1), ""},
		{fmt.Sprintf("ca = %q\nexpires_within = \"%dd\"", ca, int(days)+1), "the certificate expires on"},
	} {
		r := tasktest.Run(t, typeNamed("check"), fmt.Sprintf("url = %q\ntls {\n%s\n}", s.URL, c.tls))
		got := result[Result](t, r)
		if !strings.Contains(got.Reason, c.want) || got.OK != (c.want == "") {
			t.Errorf("tls { %s }: %+v; want %q", c.tls, got, c.want)
		}
		if got.TLSDays == nil || *got.TLSDays < days-0.1 || *got.TLSDays > days+0.1 {
			t.Errorf("tls { %s }: expires in %v days; want %.2f", c.tls, got.TLSDays, days)
		}
	}
}

func TestAnExpiredCertificateIsUnhealthyUnlessNobodyLooks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a := answer{status: 200, expires: now.Add(-time.Hour)}
	k := &check{}
	if got := k.judge(a, nil, now); !strings.Contains(got, "expired on 2026-02-28") {
		t.Errorf("judge = %q", got)
	}
	k.config.TLS.SkipVerify = true
	if got := k.judge(a, nil, now); got != "" {
		t.Errorf("with skip_verify = %q", got)
	}
}

func TestThePluginDescribesItself(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, ".")
	tasktest.NoSideEffects(t, p)
	url := site(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	if r := p.Run("check", fmt.Sprintf("url = %q", url)); r.Outcome() != "succeeded" {
		t.Errorf("the built binary: %s %s", r.Outcome(), r.Message())
	}
	if err := p.Validate("poll", "url = \"x\""); err == nil {
		t.Error("a poll of \"x\" is valid")
	}
}

func TestREADMEHoldsTheConfig(t *testing.T) { readme.Check(t, plugin()) }
