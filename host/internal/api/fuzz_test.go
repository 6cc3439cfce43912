package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// FuzzAnyRequestIsAnsweredWithoutAFault gives the API ids, cursors, queries and bodies that nobody
// would send in good faith.
func FuzzAnyRequestIsAnsweredWithoutAFault(f *testing.F) {
	for _, seed := range [][3]string{
		{"../../etc/passwd", "cursor=%00&limit=-1", "{}"},
		{"clock", "wait=1h&until=idle", `{"input":{"month":"x"}}`},
		{"01kb3v0000000000000000000a", "since=9999999999h&tail=99999999999999999999", `{"timeout":1e999}`},
		{"quick", "after=18446744073709551615&grep=(((", `{"timeout":"500ms","reason":null}`},
		{"\x00\xff", "label.=&state=,,", strings.Repeat("[", 200)},
		{"quick", "from=10m&to=2026-11-21T12:00:00Z&limit=500", `{"from":"2026-11-21T12:00:00Z","to":"9999-12-31T23:59:59Z"}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	l := apitest.Start(f, "")
	f.Fuzz(func(t *testing.T, id, query, body string) {
		if strings.Contains(query, "wait") || strings.Contains(query, "timeout") || strings.Contains(query, "follow") {
			return // they take the time that they ask for
		}
		esc := url.PathEscape(id)
		fill := strings.NewReplacer("quick", esc, "01kb3v0000000000000000000a", esc, "cursor", esc, "demo", esc, "echo", esc, "urls", esc)
		for _, r := range allRoutes() {
			if strings.HasSuffix(r.path, "/events") {
				continue // it has no end
			}
			target := "http://127.0.0.1" + fill.Replace(r.path)
			u, err := url.Parse(target)
			if err != nil {
				continue
			}
			u.RawQuery = query
			req := httptest.NewRequest(r.method, "http://127.0.0.1/", strings.NewReader(body))
			req.URL, req.Host = u, "127.0.0.1"
			withToken(req)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("If-Match", id)
			req.Header.Set("Idempotency-Key", id)
			req.Header.Set("Accept", id)
			w := httptest.NewRecorder()
			l.API.Handler().ServeHTTP(w, req)
			if w.Code == http.StatusInternalServerError {
				t.Errorf("%s %s: %s", r.method, u, w.Body)
			}
			if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d %s", r.method, u, w.Code, w.Header().Get("Content-Type"))
			}
		}
	})
}
