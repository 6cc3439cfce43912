package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func serve(t *testing.T, h http.HandlerFunc) *admin.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := admin.New(s.URL, admin.Options{Token: "th_x", Agent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequestsAreEscapedAndSayWhoAsks(t *testing.T) {
	t.Parallel()
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), " ", r.Header.Get("Authorization"), " ", r.UserAgent())
		fmt.Fprint(w, "{}")
	})
	if _, err := c.Task(t.Context(), "a/../b?c"); err != nil {
		t.Fatal(err)
	}
	if want := "GET /v1/tasks/a%2F..%2Fb%3Fc Bearer th_x test/1"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestRefusalsAreProblemsWhateverTheBody(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{"problem": `{"code":"overlap","status":409,"detail":"a run is in the way","remedy":"wait","run":"r1"}`, "html": "<h1>Bad gateway</h1>", "empty": ""}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, bodies[strings.TrimPrefix(r.URL.Path, "/v1/tasks/")])
	})
	_, err := c.Task(t.Context(), "problem")
	if p := admin.AsProblem(err); p == nil || p.Code != "overlap" || p.Run != "r1" || err.Error() != "a run is in the way; wait" {
		t.Errorf("problem: %v", err)
	}
	for _, name := range []string{"html", "empty"} {
		_, err := c.Task(t.Context(), name)
		if p := admin.AsProblem(err); p == nil || p.Status != 409 || p.Code != "http_409" || p.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHostThatIsAwayIsToldFromOneThatRefuses(t *testing.T) {
	t.Parallel()
	c, err := admin.New("unix:"+t.TempDir()+"/none.sock", admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Host(t.Context())
	if _, ok := errors.AsType[*admin.UnreachableError](err); !ok || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("got %v, want an UnreachableError that names the address", err)
	}
	for _, bad := range []string{"ftp://x", "unix:", "://", "http://", "http://127.0.0.1:1/?a=b", "http://127.0.0.1:1/#a"} {
		if _, err := admin.New(bad, admin.Options{}); err == nil {
			t.Errorf("%q was taken for an address", bad)
		}
	}
}

func TestAHostMayLieBelowAPath(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/of/mine/v1/host" {
			t.Errorf("it asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"version":"1.2.3"}`)
	}))
	defer s.Close()
	c, err := admin.New(s.URL+"/of/mine/", admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if h, err := c.Host(t.Context()); err != nil || h.Version != "1.2.3" {
		t.Errorf("Host = %+v, %v", h, err)
	}
}

func TestTheCallersOwnEndIsTheError(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(released) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Host(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	<-released
}

func TestAllTasksFollowsThePages(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			fmt.Fprint(w, `{"items":[{"name":"a"}],"next_cursor":"x"}`)
			return
		}
		fmt.Fprint(w, `{"items":[{"name":"b"}],"next_cursor":null}`)
	})
	all, err := c.AllTasks(t.Context(), admin.TaskQuery{})
	if err != nil || len(all) != 2 || all[1].Name != "b" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestAStreamThatBreaksSaysSo(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "{\"position\":1,\"message\":\"one\"}\n")
	})
	var got []string
	var last error
	for r, err := range c.Logs(t.Context(), admin.LogQuery{Task: "x", Follow: true}) {
		got, last = append(got, r.Message), err
	}
	if len(got) != 2 || got[0] != "one" || last == nil {
		t.Errorf("read %q, %v; want the line, then the error", got, last)
	}
}
