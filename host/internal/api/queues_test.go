package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// A post is one request with a body, straight to a handler.
type post struct {
	path, body string
	head       []string
}

// send makes the request as the holder of a token, and decodes the answer.
func (p post) send(t testing.TB, h http.Handler, token string, into any) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest("POST", "http://127.0.0.1"+p.path, strings.NewReader(p.body))
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(p.head); i += 2 {
		req.Header.Set(p.head[i], p.head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Errorf("POST %s: %d with no JSON: %v", p.path, w.Code, err)
	}
	return w
}

func TestAPostedMessageIsTheBody(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const path = "/v1/queues/urls/messages"
	var got admin.Posted
	w := post{path, "{\"url\":\"http://a\", \"depth\":1}\n", []string{"Message-Key", "a", "Idempotency-Key", "order 4711"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 202 || got.ID != "order 4711" || got.Duplicate {
		t.Errorf("post: %d %+v", w.Code, got)
	}
	w = post{path + "?key=a", `{"url":"http://a", "depth":1}`, []string{"Idempotency-Key", "order 4711"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 200 || !got.Duplicate {
		t.Errorf("again: %d %+v", w.Code, got)
	}
	page, err := client(t, l).Peek(t.Context(), "urls", 0, "")
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("peek: %+v, %v", page, err)
	}
	if m := page.Items[0]; m.Key != "a" || string(m.Value) != `{"url":"http://a","depth":1}` || m.Source != "admin" || m.Size != 28 {
		t.Errorf("message %+v", m)
	}
}

func TestAMessageThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	good := `{"url":"http://a"}`
	cases := []struct {
		name   string
		post   post
		status int
		code   string
		says   string
	}{
		{"an unknown queue", post{"url/messages", good, nil}, 404, "queue_unknown", `"urls"`},
		{"a queue that is no name", post{"..%2F..%2Fetc/messages", good, nil}, 404, "queue_unknown", "there is no queue"},
		{"a missing field", post{"urls/messages", `{"depth":1}`, nil}, 422, "message_invalid", "message.url"},
		{"an unknown field", post{"urls/messages", `{"url":"http://a","dept":1}`, nil}, 422, "message_invalid", `"depth"`},
		{"a wrong pattern", post{"urls/messages", `{"url":"ftp://a"}`, nil}, 422, "message_invalid", "message.url"},
		{"another type", post{"urls/messages", `[]`, nil}, 422, "message_invalid", "an object"},
		{"no JSON", post{"urls/messages", `{"url":`, nil}, 400, "body_invalid", "at byte"},
		{"two values", post{"urls/messages", good + good, nil}, 400, "body_invalid", "more after"},
		{"nothing", post{"urls/messages", " ", nil}, 400, "body_invalid", "empty"},
		{"no UTF-8", post{"pages/messages", "\"\xff\"", nil}, 400, "body_invalid", "UTF-8"},
		{"a form", post{"urls/messages", good, []string{"Content-Type", "application/x-www-form-urlencoded"}}, 415, "body_type", "--json"},
		{"too deep", post{"pages/messages", strings.Repeat("[", 65) + strings.Repeat("]", 65), nil}, 400, "body_invalid", "64 levels"},
		{"deep without an end", post{"pages/messages", strings.Repeat("[", 900_000), nil}, 400, "body_invalid", "64 levels"},
		{"too large", post{"pages/messages", `"` + strings.Repeat("x", task.MaxMessageBytes) + `"`, nil}, 413, "message_too_large", "960KiB"},
		{"an id of the host", post{"urls/messages", good, []string{"Idempotency-Key", "~a"}}, 422, "invalid", "~"},
		{"an empty id", post{"urls/messages", good, []string{"Idempotency-Key", ""}}, 422, "invalid", "1 to 128"},
		{"an id that is too long", post{"urls/messages", good, []string{"Idempotency-Key", strings.Repeat("x", 129)}}, 422, "invalid", "1 to 128"},
		{"an id that is not ASCII", post{"urls/messages", good, []string{"Idempotency-Key", "ä"}}, 422, "invalid", "ASCII"},
		{"a key that is no UTF-8", post{"urls/messages?key=%ff", good, nil}, 422, "invalid", "UTF-8"},
		{"a header key that is no UTF-8", post{"urls/messages", good, []string{"Message-Key", "\xff"}}, 422, "invalid", "UTF-8"},
		{"a key with a control character", post{"urls/messages?key=a%00b", good, nil}, 422, "invalid", "control"},
		{"a key that is too long", post{"urls/messages?key=" + strings.Repeat("k", 257), good, nil}, 422, "invalid", "256"},
		{"two keys", post{"urls/messages?key=a", good, []string{"Message-Key", "b"}}, 422, "invalid", "differ"},
		{"a wait that is none", post{"urls/messages?wait=soon", good, nil}, 400, "query_invalid", "30s"},
	}
	for _, c := range cases {
		var p admin.Problem
		c.post.path = "/v1/queues/" + c.post.path
		w := c.post.send(t, l.API.Handler(), apitest.Token, &p)
		if w.Code != c.status || p.Code != c.code || !strings.Contains(fmt.Sprint(p), c.says) {
			t.Errorf("%s: %d %+v, want %d %s that says %q", c.name, w.Code, p, c.status, c.code, c.says)
		}
	}
	for _, q := range l.Queues.Queues() {
		if q.Messages > 0 {
			t.Errorf("queue %s has %d messages", q.Name, q.Messages)
		}
	}
}

func TestAnIDIsForOneMessage(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	if _, err := c.Post(t.Context(), "pages", json.RawMessage(`1`), admin.PostOptions{ID: "a/b c"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Post(t.Context(), "pages", json.RawMessage(`2`), admin.PostOptions{ID: "a/b c"})
	isProblem(t, err, 422, "id_reused")
	l.Queues.Bury("pages", "boom")
	if d, err := c.DeadLetter(t.Context(), "pages", "a/b c"); err != nil || d.ID != "a/b c" || string(d.Value) != "1" {
		t.Errorf("dead letter: %+v, %v", d, err)
	}
	for _, id := range []string{".", "..", "a", strings.Repeat("x", 200)} {
		_, err = c.DeadLetter(t.Context(), "pages", id)
		isProblem(t, err, 404, "dead_letter_unknown")
	}
}

func TestAFullQueueSaysHowFullAndWhenToComeAgain(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for want := range 3 {
		var p admin.Problem
		w := post{"/v1/queues/pages/messages", "1", nil}.send(t, l.API.Handler(), apitest.Token, &p)
		if want < 2 {
			if w.Code != 202 {
				t.Fatalf("post %d: %d", want, w.Code)
			}
			continue
		}
		if w.Code != 429 || p.Code != "queue_full" || p.Queue != "pages" || p.Depth == nil || *p.Depth != 2 || w.Header().Get("Retry-After") != "10" {
			t.Errorf("full: %d %+v Retry-After %q", w.Code, p, w.Header().Get("Retry-After"))
		}
	}
}

func TestAPostToAQueueThatBlocksWaitsForRoom(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	if _, err := c.Post(t.Context(), "slow", json.RawMessage(`1`), admin.PostOptions{}); err != nil {
		t.Fatal(err)
	}
	posted := make(chan error, 1)
	go func() {
		_, err := c.Post(t.Context(), "slow", json.RawMessage(`2`), admin.PostOptions{Wait: time.Minute})
		posted <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for s, _ := l.Queues.Queue("slow"); s.Rejected == 0 && ctx.Err() == nil; s, _ = l.Queues.Queue("slow") {
	}
	if m := l.Queues.Take("slow"); string(m.Body) != "1" {
		t.Errorf("first out: %s", m.Body)
	}
	if err := <-posted; err != nil {
		t.Errorf("the post that waited: %v", err)
	}
	_, err := c.Post(t.Context(), "slow", json.RawMessage(`3`), admin.PostOptions{Wait: time.Millisecond})
	isProblem(t, err, 429, "queue_full")
}

func TestABatchIsAnsweredMessageByMessage(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const path = "/v1/queues/urls/messages/batch"
	list := `{"messages":[
		{"id":"a","key":"k","value":{"url":"http://a"}},
		{"id":"a","value":{"url":"http://a"}},
		{"id":"a","value":{"url":"http://b"}},
		{"value":{"uri":1}},
		{"id":"~x","value":{"url":"http://c"}},
		{"id":"d"},
		{"valu":1},
		{"value":"` + strings.Repeat("x", task.MaxMessageBytes) + `"},
		{"value":{"url":"http://e"}}]}`
	var got admin.BatchResult
	w := post{path, list, []string{"Content-Type", "application/json"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 200 || got.Accepted != 2 || got.Duplicates != 1 || got.Refused != 6 {
		t.Errorf("list: %d %+v", w.Code, got)
	}
	codes := ""
	for _, i := range got.Items {
		codes += fmt.Sprintf("%d ", i.Status)
		if (i.Error == nil) != (i.Status < 300) || i.Error != nil && i.Error.Remedy == "" {
			t.Errorf("item %+v", i)
		}
	}
	if want := "202 200 422 422 422 422 422 413 202 "; codes != want {
		t.Errorf("statuses %q, want %q", codes, want)
	}
	lines := "{\"url\":\"http://f\"}\n\n{\"url\":\n[\xff]\n{\"url\":\"http://g\"}"
	w = post{path, lines, []string{"Content-Type", "application/x-ndjson"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 200 || got.Accepted != 2 || got.Refused != 2 || got.Items[1].Status != 400 || got.Items[2].Status != 400 {
		t.Errorf("lines: %d %+v", w.Code, got)
	}
	w = post{path + "?envelope", `{"id":"h","key":"k","value":{"url":"http://h"}}` + "\n" + `{"url":"http://i"}`, []string{"Content-Type", "application/x-ndjson; charset=utf-8"}}.
		send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 200 || got.Accepted != 1 || got.Items[0].ID != "h" || got.Items[1].Status != 422 {
		t.Errorf("lines with envelope: %d %+v", w.Code, got)
	}
}

func TestABatchToAFullQueueKeepsWhatFits(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	var got admin.BatchResult
	w := post{"/v1/queues/pages/messages/batch", "1\n2\n3\n4", []string{"Content-Type", "application/x-ndjson"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if w.Code != 200 || got.Accepted != 2 || got.Refused != 2 || got.Items[3].Status != 429 || got.Items[3].Error.Code != "queue_full" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %+v", w.Code, got)
	}
	page, err := client(t, l).Peek(t.Context(), "pages", 0, "")
	if err != nil || len(page.Items) != 2 || string(page.Items[0].Value) != "1" || string(page.Items[1].Value) != "2" {
		t.Errorf("the queue has %+v, %v", page.Items, err)
	}
}

func TestABatchThatIsNoneIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const ndjson = "application/x-ndjson"
	for _, c := range []struct {
		name, query, media, body string
		status                   int
		code                     string
	}{
		{"no object", "", "", `[]`, 400, "body_invalid"},
		{"another field", "", "", `{"message":[]}`, 400, "body_invalid"},
		{"a field after", "", "", `{"messages":[],"x":1}`, 400, "body_invalid"},
		{"broken", "", "", `{"messages":[{"value":1}`, 400, "body_invalid"},
		{"empty", "", "", ``, 400, "body_invalid"},
		{"another type", "", "text/plain", `1`, 415, "body_type"},
		{"envelope of a list", "?envelope=1", "", `{"messages":[]}`, 400, "query_invalid"},
		{"too many", "", "", `{"messages":[` + strings.Repeat(`{"value":1},`, 1000) + `{"value":1}]}`, 413, "body_too_large"},
		{"too many lines", "", ndjson, strings.Repeat("1\n", 1001), 413, "body_too_large"},
		{"too large", "", ndjson, strings.Repeat("\n", 8<<20+1), 413, "body_too_large"},
		{"too deep", "", "", `{"messages":` + strings.Repeat("[", 1<<20), 400, "body_invalid"},
	} {
		var p admin.Problem
		w := post{"/v1/queues/pages/messages/batch" + c.query, c.body, []string{"Content-Type", c.media}}.send(t, l.API.Handler(), apitest.Token, &p)
		if w.Code != c.status || p.Code != c.code {
			t.Errorf("%s: %d %+v, want %d %s", c.name, w.Code, p, c.status, c.code)
		}
	}
	var got admin.BatchResult
	if w := (post{"/v1/queues/pages/messages/batch", `{"messages":[]}`, nil}).send(t, l.API.Handler(), apitest.Token, &got); w.Code != 200 || len(got.Items) != 0 {
		t.Errorf("no messages: %d %+v", w.Code, got)
	}
}

// lanes hides that queues in memory keep the order of a batch.
type lanes struct{ broker }

type broker = api.Queues

// Post stands for the slowness of a disk: posts of one key must not meet.
func (l lanes) Post(ctx context.Context, queue string, m task.NewMessage) (task.Posted, error) {
	if string(m.Body) == "666" {
		panic("boom")
	}
	return l.broker.Post(ctx, queue, m)
}

func TestABatchWithoutAnOrderKeepsThatOfEachKey(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.Queues = lanes{c.Queues} })
	var body strings.Builder
	for i := range 500 {
		fmt.Fprintf(&body, "{\"key\":\"%d\",\"value\":{\"url\":\"http://%d\",\"depth\":%d}}\n", i%7, i%7, i)
	}
	var got admin.BatchResult
	path := "/v1/queues/urls/messages/batch?envelope=1"
	if (post{path, body.String(), []string{"Content-Type", "application/x-ndjson"}}).send(t, l.API.Handler(), apitest.Token, &got); got.Accepted != 500 {
		t.Fatalf("accepted %d of 500", got.Accepted)
	}
	last := map[string]int{}
	for range 500 {
		var v struct{ Depth int }
		m := l.Queues.Take("urls")
		if err := json.Unmarshal(m.Body, &v); err != nil || v.Depth < last[m.Key] {
			t.Fatalf("key %s: %d after %d (%v)", m.Key, v.Depth, last[m.Key], err)
		}
		last[m.Key] = v.Depth
	}
	post{"/v1/queues/recent/messages/batch", `{"messages":[{"value":null}]}`, nil}.send(t, l.API.Handler(), apitest.Token, &got)
	if got.Accepted != 1 || string(l.Queues.Take("recent").Body) != "null" {
		t.Errorf("null is a message, too: %+v", got)
	}
	post{"/v1/queues/recent/messages/batch", "1\n666\n2", []string{"Content-Type", "application/x-ndjson"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if got.Accepted != 2 || got.Items[1].Status != 500 || got.Items[1].Error.Code != "internal" {
		t.Errorf("a panic of one message: %+v", got)
	}
}

func TestQueuesAreShownWithWhatTheyTake(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	if _, err := c.Post(t.Context(), "urls", json.RawMessage(`{"url":"http://a"}`), admin.PostOptions{}); err != nil {
		t.Fatal(err)
	}
	all, err := c.Queues(t.Context())
	if err != nil || len(all.Items) != 4 || all.Items[3].Name != "urls" || all.Items[3].Depth != 1 || all.Items[3].OldestAge == nil {
		t.Errorf("list: %+v, %v", all.Items, err)
	}
	q, err := c.Queue(t.Context(), "urls")
	if err != nil || !q.Ingress || q.Counts.Posted != 1 || q.Bounds.MaxMessages != 10_000 || q.Bounds.IDsFor.Duration() != time.Hour {
		t.Errorf("one: %+v, %v", q, err)
	}
	if len(q.Takes) != 1 || q.Takes[0].Task != "loader" || !strings.Contains(string(q.Takes[0].Message), "https?") {
		t.Errorf("takes %+v", q.Takes)
	}
	_, err = c.Queue(t.Context(), "url")
	if p := isProblem(t, err, 404, "queue_unknown"); !strings.Contains(p.Remedy, `"urls"`) {
		t.Errorf("remedy %q", p.Remedy)
	}
}

func TestPagesOfMessagesEndEarlyWhenTheyAreLarge(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	large := json.RawMessage(`{"url":"http://` + strings.Repeat("x", 900_000) + `"}`)
	for range 40 {
		if _, err := l.Queues.Post(t.Context(), "urls", task.NewMessage{Body: large}); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, l)
	seen, cursor, pages := 0, "", 0
	for {
		page, err := c.Peek(t.Context(), "urls", 40, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 16 {
			t.Errorf("a page of %d large messages", len(page.Items))
		}
		seen, pages = seen+len(page.Items), pages+1
		if cursor = page.Next(); cursor == "" {
			break
		}
	}
	if seen != 40 || pages < 3 {
		t.Errorf("%d messages on %d pages", seen, pages)
	}
	_, err := c.DeadLetters(t.Context(), "urls", 0, "bWVzc2FnZXMgdXJscyAxNg")
	isProblem(t, err, 422, "invalid")
	_, err = c.Peek(t.Context(), "pages", 0, "bWVzc2FnZXMgdXJscyAxNg")
	isProblem(t, err, 422, "invalid")
}

func TestDeadLettersGoBackAndArePurged(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for _, id := range []string{"a", "b", "c"} {
		if _, err := c.Post(t.Context(), "urls", json.RawMessage(`{"url":"http://`+id+`"}`), admin.PostOptions{ID: id}); err != nil {
			t.Fatal(err)
		}
		l.Queues.Bury("urls", "status 500")
	}
	page, err := c.DeadLetters(t.Context(), "urls", 2, "")
	if err != nil || len(page.Items) != 2 || page.Items[0].ID != "c" || page.Items[0].Reason != "failed" || page.Items[0].LastError != "status 500" || page.Next() == "" {
		t.Errorf("dead letters: %+v, %v", page, err)
	}
	_, err = c.Redrive(t.Context(), "urls", admin.Redrive{IDs: []string{"a", "nope"}})
	isProblem(t, err, 404, "dead_letter_unknown")
	for _, wrong := range []admin.Redrive{{}, {IDs: []string{"a"}, All: true}, {IDs: make([]string, 1001)}} {
		_, err = c.Redrive(t.Context(), "urls", wrong)
		isProblem(t, err, 422, "invalid")
	}
	if r, err := c.Redrive(t.Context(), "urls", admin.Redrive{IDs: []string{"a"}}); err != nil || len(r.Moved) != 1 || r.Moved[0] != "a" {
		t.Errorf("redrive: %+v, %v", r, err)
	}
	if m, err := c.Peek(t.Context(), "urls", 0, ""); err != nil || len(m.Items) != 1 || m.Items[0].RedrivenFrom != "a" || m.Items[0].ID == "a" {
		t.Errorf("after the redrive: %+v, %v", m.Items, err)
	}
	if r, err := c.Redrive(t.Context(), "urls", admin.Redrive{All: true}); err != nil || len(r.Moved) != 2 {
		t.Errorf("redrive all: %+v, %v", r, err)
	}
	var p admin.Problem
	w := post{"/v1/queues/urls/purge", `{"confirm":"url"}`, []string{"Content-Type", "application/json"}}.send(t, l.API.Handler(), apitest.Token, &p)
	if w.Code != 422 || len(p.Errors) != 1 || p.Errors[0].Path != "confirm" {
		t.Errorf("purge without the name: %d %+v", w.Code, p)
	}
	if n, err := c.Purge(t.Context(), "urls", false); err != nil || n != 3 {
		t.Errorf("purge: %d, %v", n, err)
	}
}

func TestARedriveIntoAFullQueueSaysWhatWentBack(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for range 3 {
		if _, err := c.Post(t.Context(), "pages", json.RawMessage(`1`), admin.PostOptions{}); err != nil {
			t.Fatal(err)
		}
		l.Queues.Bury("pages", "boom")
	}
	r, err := c.Redrive(t.Context(), "pages", admin.Redrive{All: true})
	if err != nil || len(r.Moved) != 2 || r.Error == nil || r.Error.Code != "queue_full" {
		t.Errorf("redrive: %+v, %v", r, err)
	}
	_, err = c.Redrive(t.Context(), "pages", admin.Redrive{All: true})
	isProblem(t, err, 429, "queue_full")
}

func TestAHostWithoutQueuesSaysSo(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.Queues = nil })
	c := client(t, l)
	if all, err := c.Queues(t.Context()); err != nil || len(all.Items) != 0 {
		t.Errorf("list: %+v, %v", all, err)
	}
	for _, r := range allRoutes() {
		if !strings.Contains(r.path, "/queues/") {
			continue
		}
		res, p := ask(t, l, r, func(r *http.Request) {
			withToken(r)
			r.Body = io.NopCloser(strings.NewReader(`{"url":"http://a"}`))
		})
		if res.StatusCode != 404 && !strings.HasSuffix(r.path, "/batch") || p.Code != "" && p.Code != "queue_unknown" && p.Code != "body_invalid" {
			t.Errorf("%s %s: %d %+v", r.method, r.path, res.StatusCode, p)
		}
	}
}

func TestTheSchemaAtTheDoorFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	_, err := c.Post(t.Context(), "urls", json.RawMessage(`1`), admin.PostOptions{})
	isProblem(t, err, 422, "message_invalid")
	l.Fleet.Remove("loader")
	if _, err := c.Post(t.Context(), "urls", json.RawMessage(`1`), admin.PostOptions{}); err != nil {
		t.Errorf("without its consumer the queue takes anything: %v", err)
	}
}

func TestAWriteThatIsRefusedByTheDiskSaysSo(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	l.Queues.Err = &task.Error{Code: "store_unavailable", Detail: "no space left"}
	_, err := client(t, l).Post(t.Context(), "pages", json.RawMessage(`1`), admin.PostOptions{})
	isProblem(t, err, 503, "store_unavailable")
	var got admin.BatchResult
	post{"/v1/queues/pages/messages/batch", "1", []string{"Content-Type", "application/x-ndjson"}}.send(t, l.API.Handler(), apitest.Token, &got)
	if got.Refused != 1 || got.Items[0].Status != 503 {
		t.Errorf("batch: %+v", got)
	}
}
