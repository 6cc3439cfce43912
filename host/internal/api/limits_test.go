package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

func TestOneCallerWhoComesTooOftenIsToldWhen(t *testing.T) {
	t.Parallel()
	clock := &clock{at: apitest.Epoch}
	l := apitest.Start(t, "", func(c *api.Config) { c.Now, c.Rate = clock.now, api.Rate{Number: 3, Per: 30 * time.Second} })
	whoami := route{"GET", "/v1/whoami"}
	for range 3 {
		if res, p := ask(t, l, whoami, withToken); res.StatusCode != 200 {
			t.Fatalf("%d %+v", res.StatusCode, p)
		}
	}
	res, p := ask(t, l, whoami, withToken)
	if res.StatusCode != 429 || p.Code != "rate_limited" || res.Header.Get("Retry-After") != "10" {
		t.Errorf("the fourth: %d %+v Retry-After %q", res.StatusCode, p, res.Header.Get("Retry-After"))
	}
	other := made(t, l, "other", api.Viewer, access.Scope{})
	if res, p := ask(t, l, whoami, as(other)); res.StatusCode != 200 {
		t.Errorf("another caller: %d %+v", res.StatusCode, p)
	}
	for range 10 {
		if _, err := client(t, l).Whoami(t.Context()); err != nil {
			t.Errorf("over the socket: %v", err)
		}
	}
	for range 3 {
		if res, p := ask(t, l, route{"GET", "/healthz"}, nil); res.StatusCode != 200 {
			t.Errorf("a stranger: %d %+v", res.StatusCode, p)
		}
	}
	if res, _ := ask(t, l, route{"GET", "/healthz"}, nil); res.StatusCode != 429 {
		t.Errorf("a stranger who comes too often: %d", res.StatusCode)
	}
	clock.add(10 * time.Second)
	if res, p := ask(t, l, whoami, withToken); res.StatusCode != 200 {
		t.Errorf("in time: %d %+v", res.StatusCode, p)
	}
}

func TestARateThatIsSetForSocketsHoldsThere(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.Rate = api.Rate{Number: 1, Per: time.Second, Unix: true} })
	c := client(t, l)
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Whoami(t.Context()); problemCode(err) != "rate_limited" {
		t.Errorf("the second: %v", err)
	}
}

func TestWrongTokensAreSlowedAndKeepNobodyOut(t *testing.T) {
	t.Parallel()
	clock := &clock{at: apitest.Epoch}
	l := apitest.Start(t, "", func(c *api.Config) {
		c.Now, c.Failures = clock.now, api.Rate{Number: 3, Per: 30 * time.Second, Unix: true}
	})
	guess := func() (*http.Response, admin.Problem) {
		return ask(t, l, route{"GET", "/v1/tasks"}, as(access.NewText()))
	}
	for range 3 {
		if res, p := guess(); res.StatusCode != 401 || !res.Close {
			t.Errorf("%d %+v, closed %v", res.StatusCode, p, res.Close)
		}
	}
	res, p := guess()
	if res.StatusCode != 429 || p.Code != "login_limited" || res.Header.Get("Retry-After") != "10" || !res.Close {
		t.Errorf("the fourth: %d %+v Retry-After %q, closed %v", res.StatusCode, p, res.Header.Get("Retry-After"), res.Close)
	}
	if res, p := ask(t, l, route{"GET", "/v1/tasks"}, withToken); res.StatusCode != 200 {
		t.Errorf("a right one meanwhile: %d %+v", res.StatusCode, p)
	}
	if res, p := ask(t, l, route{"GET", "/v1/tasks"}, nil); res.StatusCode != 401 || p.Code != "token_missing" {
		t.Errorf("none meanwhile: %d %+v", res.StatusCode, p)
	}
	clock.add(10 * time.Second)
	if res, _ := guess(); res.StatusCode != 401 {
		t.Errorf("later: %d", res.StatusCode)
	}
}

func TestOneCallerDoesNotTakeAllStreams(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.MaxStreams, c.OneStreams = 4, 2 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(token string) (int, io.Closer) {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+l.TCP+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res.StatusCode, res.Body
	}
	mine, others := made(t, l, "mine", api.Viewer, access.Scope{}), made(t, l, "others", api.Viewer, access.Scope{})
	_, first := open(mine)
	for i, c := range []struct {
		token string
		want  int
	}{{mine, 200}, {mine, 429}, {others, 200}, {others, 200}, {apitest.Token, 429}} {
		if status, _ := open(c.token); status != c.want {
			t.Errorf("stream %d: %d, want %d", i+2, status, c.want)
		}
	}
	first.Close()
	for deadline := time.Now().Add(20 * time.Second); ; { // until the host has noticed
		status, body := open(mine)
		if body.Close(); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a stream that ended is not given back")
		}
	}
}

// raw sends a text over a socket and returns what comes back until the host closes, and how long that took.
func raw(t *testing.T, addr, text string) (string, time.Duration) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	c.SetDeadline(began.Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("%.40q: the host does not close: %v", text, err)
	}
	return string(answer), time.Since(began)
}

func TestWhoSendsSlowlyIsCut(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.HeaderTime, c.BodyTime = 300*time.Millisecond, 300*time.Millisecond })
	head := func(line, token string) string {
		return line + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	}
	for name, text := range map[string]string{
		"a header":                           "GET /healthz HTTP/1.1\r\nHost: ",
		"nothing":                            "",
		"a body that is read":                head("POST /v1/tasks/quick/pause", apitest.Token),
		"a message":                          head("POST /v1/queues/urls/messages", apitest.Token),
		"a body that nobody reads":           head("GET /v1/whoami", apitest.Token),
		"a body of a stranger":               head("POST /v1/tasks/quick/pause", "x"),
		"a body in chunks of a stranger":     "POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
		"a body to where there is no route":  head("POST /nope", apitest.Token),
		"a body to the wrong host's address": strings.Replace(head("POST /v1/tasks", apitest.Token), "127.0.0.1", "evil.example", 1),
	} {
		for _, addr := range []string{l.TCP, l.Ingress} {
			if answer, took := raw(t, addr, text); took > 10*time.Second {
				t.Errorf("%s: cut after %v: %s", name, took, answer)
			}
		}
	}
}

func TestASlowBodyDoesNotCutAWaitThatFollows(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.BodyTime = 200 * time.Millisecond })
	if _, err := client(t, l).StartRun(t.Context(), "stubborn", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	const body = `{"reason":"x"}`
	fmt.Fprintf(c, "POST /v1/tasks/stubborn/stop?wait=1s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", apitest.Token, len(body), body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 202 {
		t.Errorf("%+v %v", res, err)
	}
}

func TestAHeaderIsBounded(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, addr := range []string{l.TCP, l.Ingress} {
		for _, name := range []string{"X-Large", "Authorization"} {
			answer, _ := raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"+name+": "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
			if answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
				t.Errorf("%s of 64 KiB: %.60s", name, answer)
			}
		}
		if answer, _ := raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Fair: "+strings.Repeat("x", 8<<10)+"\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("8 KiB: %.60s", answer)
		}
	}
}

// impatient serves the API on one more address, where an answer must be taken soon.
func impatient(t *testing.T, l *apitest.Live) string {
	t.Helper()
	listener, err := api.Listen(t.Context(), "127.0.0.1:0", api.Listening{WriteTime: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.API.Serve(ctx, listener) }()
	t.Cleanup(func() { cancel(); <-served })
	return listener.Addr().String()
}

// deaf connects, and has room for next to nothing.
func deaf(t *testing.T, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestWhoAsksAndNeverReadsIsCut(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	addr := impatient(t, l)
	for _, path := range []string{"/v1/whoami", "/v1/tasks", "/nope"} {
		c := deaf(t, addr)
		c.SetDeadline(time.Now().Add(30 * time.Second))
		requests := []byte(strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "+apitest.Token+"\r\n\r\n", 100))
		var err error
		for err == nil {
			_, err = c.Write(requests)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the host keeps a connection whose answers nobody reads", path)
		}
	}
}

func TestAReaderOfEventsWhoNeverReadsGivesHisPlaceBack(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.MaxStreams = 1 })
	addr := impatient(t, l)
	ask := func(c net.Conn) string {
		fmt.Fprintf(c, "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", apitest.Token)
		line, _ := bufio.NewReaderSize(c, 16).ReadString('\n')
		return line
	}
	if got := ask(deaf(t, addr)); !strings.Contains(got, "200") {
		t.Fatal(got)
	}
	if got := ask(deaf(t, addr)); !strings.Contains(got, "429") {
		t.Fatalf("the second: %s", got)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		for range 1000 {
			l.Store.Publish("quick", "status", json.RawMessage(`"`+strings.Repeat("x", 1000)+`"`), apitest.Epoch)
		}
		if strings.Contains(ask(deaf(t, addr)), "200") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a reader who never reads is not given back")
		}
	}
}
