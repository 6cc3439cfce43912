package api_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// newest is the record that was written last.
func newest(t *testing.T, l *apitest.Live) admin.AuditRecord {
	t.Helper()
	page, err := client(t, l).Audit(t.Context(), admin.AuditQuery{Limit: 1})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	return page.Items[0]
}

func withBody(token, body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

func TestWhatWasAskedForStandsInTheAuditLogBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	ci := made(t, l, "ci", api.Operator, access.Scope{Tasks: []string{"quick", "slow", "clock"}})
	yes, no := new(true), new(false)
	for _, c := range []struct {
		token, method, path, body string
		want                      admin.AuditRecord
	}{
		{ci, "POST", "/v1/tasks/quick/pause", `{"reason":"DB move"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/tasks/{task}/pause", Task: "quick", Reason: "DB move", Status: 200, Changed: yes}},
		{ci, "POST", "/v1/tasks/clock/start", `{"reason":"again"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/tasks/{task}/start", Task: "clock", Reason: "again", Status: 200, Changed: no}},
		{ci, "POST", "/v1/tasks/slow/runs", `{"reason":"now"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/tasks/{task}/runs", Task: "slow", Reason: "now", Status: 202, Changed: yes}},
		{ci, "POST", "/v1/tasks/slow/runs", `{"reason":"and again"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/tasks/{task}/runs", Task: "slow", Reason: "and again", Status: 409, Code: "overlap"}},
		{ci, "POST", "/v1/tasks/clock/methods/echo", `{"reason":"a part of the input"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/tasks/{task}/methods/{method}", Task: "clock", Name: "echo", Status: 200}},
		{ci, "PUT", "/v1/tasks/quick/checkpoint/cursor", `{"secret":1}`, admin.AuditRecord{Actor: "ci", Route: "PUT /v1/tasks/{task}/checkpoint/{key}", Task: "quick", Name: "cursor", Status: 200, Changed: yes}},
		{ci, "POST", "/v1/actions", `{"verb":"resume","select":{"name":"*"},"reason":"done"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/actions", Reason: "done", Status: 200, Changed: yes, Tasks: []string{"quick"}}},
		{ci, "POST", "/v1/actions", `{"verb":"pause","select":{"name":"*"},"dry_run":true}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/actions", Status: 200, Changed: no}},
		{ci, "POST", "/v1/host/pause", `{"reason":"no"}`, admin.AuditRecord{Actor: "ci", Route: "POST /v1/host/pause", Status: 403, Code: "forbidden"}},
		{ci, "GET", "/v1/tasks/stubborn", "", admin.AuditRecord{Actor: "ci", Route: "GET /v1/tasks/{task}", Task: "stubborn", Status: 404, Code: "task_unknown"}},
		{"th_wrong", "GET", "/v1/tasks", "", admin.AuditRecord{Route: "GET /v1/tasks", Status: 401, Code: "token_wrong"}},
		{"th_wrong", "POST", "/nope/th_wrong", "", admin.AuditRecord{Route: "POST", Status: 401, Code: "token_wrong"}},
		{apitest.Token, "POST", "/v1/tokens", `{"name":"new","role":"viewer","reason":"a board"}`, admin.AuditRecord{Actor: "admin", Route: "POST /v1/tokens", Name: "new", Reason: "a board", Status: 201, Changed: yes}},
		{apitest.Token, "DELETE", "/v1/tokens/new", "", admin.AuditRecord{Actor: "admin", Route: "DELETE /v1/tokens/{token}", Name: "new", Status: 204, Changed: yes}},
		{apitest.Token, "POST", "/v1/queues/urls/messages", `{"url":"http://a"}`, admin.AuditRecord{Actor: "admin", Route: "POST /v1/queues/{queue}/messages", Queue: "urls", Status: 202}},
		{apitest.Token, "POST", "/v1/queues/urls/purge", `{"confirm":"urls","reason":"x"}`, admin.AuditRecord{Actor: "admin", Route: "POST /v1/queues/{queue}/purge", Queue: "urls", Status: 400, Code: "body_invalid"}},
		{apitest.Token, "POST", "/v1/queues/urls/purge", `{"confirm":"urls"}`, admin.AuditRecord{Actor: "admin", Route: "POST /v1/queues/{queue}/purge", Queue: "urls", Status: 200, Changed: yes}},
	} {
		res, p := ask(t, l, route{c.method, c.path}, withBody(c.token, c.body))
		got := newest(t, l)
		if got.Request != res.Header.Get("X-Request-Id") || got.At.IsZero() || got.Transport != "tcp" || got.Peer == "" {
			t.Errorf("%s %s: %+v is not of request %s (%+v)", c.method, c.path, got, res.Header.Get("X-Request-Id"), p)
		}
		if via := map[bool]string{true: "token"}[c.want.Actor != ""]; got.Via != via {
			t.Errorf("%s %s: via %q", c.method, c.path, got.Via)
		}
		if (got.Changed == nil) != (c.want.Changed == nil) || got.Changed != nil && *got.Changed != *c.want.Changed {
			t.Errorf("%s %s: changed %v, want %v", c.method, c.path, got.Changed, c.want.Changed)
		}
		if strings.Join(got.Tasks, " ") != strings.Join(c.want.Tasks, " ") || got.Actor != c.want.Actor || got.Route != c.want.Route || got.Task != c.want.Task ||
			got.Queue != c.want.Queue || got.Name != c.want.Name || got.Reason != c.want.Reason || got.Status != c.want.Status || got.Code != c.want.Code {
			t.Errorf("%s %s:\n got %+v\nwant %+v", c.method, c.path, got, c.want)
		}
	}
	seq := newest(t, l).Seq
	for _, r := range []route{{"GET", "/v1/tasks"}, {"GET", "/v1/audit"}, {"GET", "/healthz"}} {
		ask(t, l, r, withToken)
	}
	if got := newest(t, l).Seq; got != seq {
		t.Error("reading is written down")
	}
}

func TestTheAuditLogHoldsNoBodyAndNoSecret(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "th")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := apitest.Start(t, dir)
	const canary = "canary-of-the-audit-log"
	secret := made(t, l, "ci", api.Operator, access.Scope{})
	for _, r := range allRoutes() {
		for _, body := range []string{`"` + canary + `"`, `{"input":"` + canary + `"}`, `{"value":"` + canary + `","select":{"name":"` + canary + `"}}`} {
			if r.method == "GET" {
				body = ""
			}
			for _, token := range []string{secret, apitest.Token, "th_" + canary} {
				res, _ := askQuietly(t, l, route{r.method, r.path + "?grep=" + canary}, withBody(token, body))
				res.Body.Close()
			}
		}
	}
	for _, file := range []string{"audit.jsonl", "tokens.json"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || len(text) == 0 {
			t.Fatal(err)
		}
		for _, never := range []string{canary, secret, secret[3:], apitest.Token} {
			if strings.Contains(string(text), never) {
				t.Errorf("%s holds %q", file, never)
			}
		}
	}
}

// askQuietly is ask for answers that may be streams: the caller closes the body.
func askQuietly(t *testing.T, l *apitest.Live, r route, change func(*http.Request)) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+l.TCP+r.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(req)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return res, nil
}

func TestPostsAndRepeatedRefusalsDoNotDriveOutTheRest(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	if _, err := client(t, l).Pause(t.Context(), "quick", admin.Pause{Reason: "look here"}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		ask(t, l, route{"POST", "/v1/queues/recent/messages"}, withBody(apitest.Token, "1"))
		ask(t, l, route{"POST", "/v1/host/pause"}, as(apitest.Producer))
		ask(t, l, route{"GET", "/v1/tasks"}, as(access.NewText()))
	}
	page, err := client(t, l).Audit(t.Context(), admin.AuditQuery{})
	if err != nil || len(page.Items) != 4 || page.Items[3].Reason != "look here" || page.Items[3].UID == nil || page.Items[3].Transport != "unix" {
		t.Errorf("%d records: %+v %v", len(page.Items), page.Items, err)
	}
}
