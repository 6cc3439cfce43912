package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
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

// FuzzOnlyWholeMessagesAreKept posts bodies, ids and keys that nobody would send in good faith. What a queue keeps
// must be JSON in UTF-8 under an id and a key that can be, and every answer must be of its form.
func FuzzOnlyWholeMessagesAreKept(f *testing.F) {
	for _, seed := range []struct {
		form          uint8
		id, key, body string
	}{
		{0, "a", "k", `{"url":"http://a"}`},
		{0, "~", "\xff", "\"\xff\""},
		{1, "", "", `{"messages":[{"id":"a","key":"\u0000","value":[1e999]},{"value":null},{"id":1},{}]}`},
		{1, "", "", `{"messages":[` + strings.Repeat(`{},`, 1001)},
		{2, "", "", "1\n\n{\n\"\\ud800\"\r\n" + strings.Repeat("[", 70)},
		{3, "", "", `{"id":"~","value":1}` + "\n" + `{"key":"a","value":{"a":{}}} x`},
	} {
		f.Add(seed.form, seed.id, seed.key, seed.body)
	}
	l := apitest.Start(f, "")
	f.Fuzz(func(t *testing.T, form uint8, id, key, body string) {
		paths := []string{"/messages", "/messages/batch", "/messages/batch", "/messages/batch?envelope=1"}
		media := []string{"", "application/json", "application/x-ndjson", "application/x-ndjson"}
		form %= 4
		req := httptest.NewRequest("POST", "http://127.0.0.1/v1/queues/recent"+paths[form], strings.NewReader(body))
		withToken(req)
		req.Header["Content-Type"], req.Header["Message-Key"] = []string{media[form]}, []string{key}
		if id != "" {
			req.Header["Idempotency-Key"] = []string{id}
		}
		w := httptest.NewRecorder()
		l.API.Handler().ServeHTTP(w, req)
		if w.Code == http.StatusInternalServerError || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if form > 0 && w.Code == http.StatusOK {
			var b admin.BatchResult
			if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || len(b.Items) != b.Accepted+b.Duplicates+b.Refused || len(b.Items) > 1000 {
				t.Errorf("%+v, %v", b, err)
			}
		}
		kept, err := l.Queues.Peek(t.Context(), "recent", 500, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kept.Items {
			if !json.Valid(m.Body) || !utf8.Valid(m.Body) || len(m.Body) > task.MaxMessageBytes {
				t.Errorf("a queue keeps %q", m.Body)
			}
			if m.ID == "" || len(m.ID) > 128 || m.ID[0] == '~' || !utf8.ValidString(m.Key) || strings.ContainsRune(m.Key, 0) {
				t.Errorf("a queue keeps id %q key %q", m.ID, m.Key)
			}
		}
	})
}

// FuzzAResumeIDIsAPositionOrRefused gives a stream of events ids that its client may have from anywhere.
func FuzzAResumeIDIsAPositionOrRefused(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "18446744073709551615", "18446744073709551616", "-1", "1e3", " 7", "0x10", "01m7z6g8r0hqzc2qws5jkd41x6", "\x00", "7\r\nid: 8"} {
		f.Add(seed)
	}
	l := apitest.Start(f, "")
	f.Fuzz(func(t *testing.T, id string) {
		ctx, cancel := context.WithCancel(t.Context())
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/v1/events?last_event_id="+url.QueryEscape(id), nil)
		req.Header.Set("Authorization", "Bearer "+apitest.Token)
		cancel() // the stream ends when what was missed has been sent
		answer := httptest.NewRecorder()
		l.API.Handler().ServeHTTP(answer, req)
		_, err := strconv.ParseUint(id, 10, 64)
		switch {
		case answer.Code == http.StatusOK && (err == nil || id == ""):
			if body := answer.Body.String(); strings.Contains(body, "\r") || strings.Count(body, "\n\n") > 0 && !strings.Contains(body, "data: ") && !strings.Contains(body, ": ") {
				t.Errorf("%q: %q", id, body)
			}
		case answer.Code == http.StatusBadRequest && err != nil:
		case answer.Code >= 500 && ctx.Err() != nil: // it was given up before it began
		default:
			t.Errorf("%q: %d %s", id, answer.Code, answer.Body)
		}
	})
}
