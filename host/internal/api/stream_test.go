package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestEventsGoOnWhereTheCallerLeftOff(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := l.Store.LastEvent()
	if _, err := c.Pause(ctx, "quick", admin.Pause{}); err != nil {
		t.Fatal(err)
	}
	var seen []admin.Event
	for e, err := range c.Events(ctx, admin.EventQuery{After: first}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, e); len(seen) == 1 { // the missed one came; now a live one
			if _, err := c.Resume(ctx, "quick", admin.Resume{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) == 2 {
			break
		}
	}
	if len(seen) != 2 || seen[0].Seq != first+1 || seen[1].Seq != first+2 || seen[1].Task != "quick" {
		t.Errorf("events %+v, want %d and %d", seen, first+1, first+2)
	}
	for e, err := range c.Events(ctx, admin.EventQuery{After: first + 1000}) {
		if err != nil || e.Topic != "reset" || e.Seq != l.Store.LastEvent() {
			t.Errorf("events after an unknown one: %+v, %v; want a reset", e, err)
		}
		break
	}
}

func TestAStreamOfEventsSaysAtOnceWhereItStands(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	res, err := askQuietly(t, l, route{"GET", "/v1/events?task=slow"}, withToken)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	place, err := in.ReadString('\n')
	end, endErr := in.ReadString('\n')
	if want := fmt.Sprintf("id: %d\n", l.Store.LastEvent()); err != nil || endErr != nil || place != want || end != "\n" {
		t.Fatalf("it begins with %q and %q, %v %v; want %q alone", place, end, err, endErr, want)
	}
	if _, err := client(t, l).Pause(t.Context(), "slow", admin.Pause{}); err != nil {
		t.Fatal(err)
	}
	if first, err := in.ReadString('\n'); err != nil || first != fmt.Sprintf("id: %d\n", l.Store.LastEvent()) {
		t.Errorf("the first event begins with %q, %v", first, err)
	}
}

func TestEventsBeginAtATime(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	hour := func(n int) time.Time { return apitest.Epoch.Add(time.Duration(n) * time.Hour) }
	happens := func(n int) { l.Store.Event(task.Event{At: hour(n), Topic: "task", Kind: "state", Task: "quick"}) }
	for n := range 3 {
		happens(n + 1)
	}
	last := l.Store.LastEvent()
	read := func(q admin.EventQuery) (seen []uint64) {
		t.Helper()
		q.Known = true
		for e, err := range c.Events(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, e.Seq)
		}
		return seen
	}
	for _, tt := range []struct {
		q    admin.EventQuery
		want []uint64
	}{
		{admin.EventQuery{Since: hour(2)}, []uint64{last - 1, last}},
		{admin.EventQuery{Since: hour(4)}, nil},
		{admin.EventQuery{Since: hour(2), Task: "slow"}, nil},
		{admin.EventQuery{After: last - 1}, []uint64{last}},
	} {
		if got := read(tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %d, want %d", tt.q, got, tt.want)
		}
	}
	var seen []uint64
	for e, err := range c.Events(t.Context(), admin.EventQuery{Since: hour(3)}) { // and goes on with what comes
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, e.Seq); len(seen) == 2 {
			break
		}
		happens(4)
	}
	if !slices.Equal(seen, []uint64{last, last + 1}) {
		t.Errorf("%d, want %d and the next", seen, last)
	}
	res, err := askQuietly(t, l, route{"GET", "/v1/events?follow=0&since=" + hour(1).Format(time.RFC3339)}, func(r *http.Request) {
		withToken(r)
		r.Header.Set("Last-Event-ID", strconv.FormatUint(last, 10))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || strings.Count(string(text), "id: ") != 1 {
		t.Errorf("the event that was seen last does not stand before the time: %v\n%s", err, text)
	}
	for _, query := range []string{"follow=0", "since=never", "since=1h&follow=maybe"} {
		res, p := ask(t, l, route{"GET", "/v1/events?" + query}, withToken)
		if res.StatusCode != http.StatusBadRequest || p.Code != "query_invalid" {
			t.Errorf("%s: %d %+v", query, res.StatusCode, p)
		}
	}
}

func TestEventsFromATimeThatIsForgottenSayReset(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for i := range 16<<10 + 10 { // more than can be replayed
		l.Store.Event(task.Event{At: apitest.Epoch, Topic: "host", Kind: "test", Text: strconv.Itoa(i)})
	}
	var first admin.Event
	n := 0
	for e, err := range c.Events(t.Context(), admin.EventQuery{Since: apitest.Epoch.Add(-time.Hour), Known: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			first = e
		} else if n == 2 && e.Seq != first.Seq+1 {
			t.Errorf("after %d comes %d", first.Seq, e.Seq)
		}
	}
	if first.Topic != "reset" || n != 16<<10+1 {
		t.Errorf("%d events, the first %+v; want a reset before those that are known", n, first)
	}
}

func TestManyEventsAtOnceComeWithoutALoss(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const rounds, each = 5, 900
	last := l.Store.LastEvent()
	round := func() {
		for n := range each {
			l.Store.Publish("quick", fmt.Sprintf("key-%d", n%50), json.RawMessage(strconv.Itoa(n)), apitest.Epoch)
		}
	}
	round() // to be replayed
	read, came := 0, l.Store.LastEvent()
	for e, err := range client(t, l).Events(t.Context(), admin.EventQuery{After: last}) {
		if err != nil || e.Seq != last+1 {
			t.Fatalf("%+v, %v after event %d", e, err, last)
		}
		if last = e.Seq; last < came {
			continue
		}
		if read++; read == rounds {
			return
		}
		round()
		came = l.Store.LastEvent()
	}
}

func TestEventsAreFiltered(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	first := l.Store.LastEvent()
	for _, name := range []string{"slow", "quick", "slow"} {
		if _, err := c.Pause(t.Context(), name, admin.Pause{}); err != nil {
			t.Fatal(err)
		}
	}
	for e, err := range c.Events(t.Context(), admin.EventQuery{After: first, Task: "quick", Topic: "task"}) {
		if err != nil || e.Task != "quick" {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
}

func TestLogsAreFollowedWithoutALossOrARepeat(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for _, m := range []string{"one", "two", "three"} {
		l.Logs.Add("info", m)
	}
	var got []string
	last := uint64(0)
	for r, err := range c.Logs(t.Context(), admin.LogQuery{Task: "quick", Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got, last = append(got, r.Message), r.Position
		if r.Message == "three" {
			l.Logs.Add("warn", "four")
		}
		if r.Message == "four" {
			break
		}
	}
	if strings.Join(got, " ") != "one two three four" {
		t.Errorf("followed %q", got)
	}
	l.Logs.Add("info", "five")
	for r, err := range c.Logs(t.Context(), admin.LogQuery{Task: "quick", After: last, Follow: true}) {
		if err != nil || r.Message != "five" {
			t.Errorf("resumed with %q, %v", r.Message, err)
		}
		break
	}
}

func TestWhoComesBackToALogGetsAllThatHeMissed(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for n := range 6 {
		l.Logs.Add("info", fmt.Sprint("line ", n+1))
	}
	for query, want := range map[string]string{"": "4 5 6", "tail=1": "4 5 6", "after=1": "4 5 6"} { // as a browser asks again
		res, err := askQuietly(t, l, route{"GET", "/v1/tasks/quick/logs?" + query}, func(r *http.Request) {
			withToken(r)
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Last-Event-ID", "3")
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		var got []string
		for line := range strings.Lines(string(text)) {
			if id, ok := strings.CutPrefix(strings.TrimSpace(line), "id: "); ok {
				got = append(got, id)
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q after line 3: lines %v, %v; want %s", query, got, err, want)
		}
	}
	res, p := ask(t, l, route{"GET", "/v1/tasks/quick/logs"}, func(r *http.Request) {
		withToken(r)
		r.Header.Set("Last-Event-ID", "x")
	})
	if res.StatusCode != 400 || p.Code != "query_invalid" {
		t.Errorf("a place that is none: %d %+v", res.StatusCode, p)
	}
}

func TestALogIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const all = 2500
	for range all {
		l.Logs.Add("info", "status 200")
	}
	last := uint64(0)
	for r, err := range client(t, l).Logs(t.Context(), admin.LogQuery{Task: "quick", Since: time.Hour}) {
		if err != nil || r.Position != last+1 {
			t.Fatalf("after line %d comes %d, %v", last, r.Position, err)
		}
		last = r.Position
	}
	if last != all {
		t.Errorf("the lines end with %d of %d", last, all)
	}
	read := 0
	for cursor := "since=1h"; cursor != ""; { // the same in pages
		res, err := askQuietly(t, l, route{"GET", "/v1/tasks/quick/logs?" + cursor}, withToken)
		if err != nil {
			t.Fatal(err)
		}
		var page admin.List[admin.LogRecord]
		err = json.NewDecoder(res.Body).Decode(&page)
		res.Body.Close()
		if err != nil || len(page.Items) == 0 {
			t.Fatalf("a page of %d lines, %v", len(page.Items), err)
		}
		if read, cursor = read+len(page.Items), ""; page.Next() != "" {
			cursor = "since=1h&cursor=" + page.Next()
		}
	}
	if read != all {
		t.Errorf("the pages hold %d of %d lines", read, all)
	}
}

func TestLogsComeInTheFormThatIsAccepted(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	l.Logs.Add("info", "beep \x1b[31m\x07")
	for accept, want := range map[string]string{
		"":                           `{"items":[{"position":1`,
		"application/json":           `{"items":[{"position":1`,
		"text/plain":                 `2026-11-21T12:00:00.000000000Z INFO  beep \x1b[31m\x07` + "\n",
		"application/x-ndjson":       `{"position":1`,
		"text/event-stream":          "id: 1\nevent: log\ndata: {\"position\":1",
		"text/html, text/plain;q=.1": `2026-11-21T12`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.TCP+"/v1/tasks/quick/logs", nil)
		if err != nil {
			t.Fatal(err)
		}
		withToken(req)
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("Accept %q: %q, %v; want it to begin with %q", accept, body, err, want)
		}
	}
}

func TestTheHeaderOfAStreamIsAnAnswerOfItsOwn(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "", func(c *api.Config) { c.MaxStreams = 1 })
	l.Logs.Add("info", "status 200")
	for _, path := range []string{"/v1/events", "/v1/tasks/quick/logs?follow=true", "/v1/tasks/quick/logs"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req := httptest.NewRequestWithContext(ctx, "HEAD", "http://127.0.0.1"+path, nil)
		withToken(req)
		req.Header.Set("Accept", "text/event-stream")
		w := httptest.NewRecorder()
		l.API.Handler().ServeHTTP(w, req)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" || ctx.Err() != nil {
			t.Errorf("HEAD %s: %d %s, %v", path, w.Code, w.Header().Get("Content-Type"), ctx.Err())
		}
		cancel()
	}
}

func TestStreamsEndWithTheHost(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.TCP+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	withToken(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	waited := make(chan error, 1)
	c := client(t, l)
	go func() {
		_, _, err := c.WaitTask(t.Context(), "quick", "stopped", time.Minute)
		waited <- err
	}()
	l.API.Close()
	if _, err := io.ReadAll(bufio.NewReader(res.Body)); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	isProblem(t, <-waited, 503, "shutting_down")
}
