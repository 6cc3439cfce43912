package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

func apiIsPolled(t *testing.T, k *kitchen) {
	k.needs("curl")
	var orders atomic.Int32
	var down atomic.Bool
	orders.Store(3)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.Atoi(r.FormValue("after"))
		if err != nil || down.Load() || r.URL.Path != "/orders" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for id := after + 1; id <= int(orders.Load()); id++ {
			fmt.Fprintf(w, "{\"id\":%d}\n", id)
		}
	}))
	t.Cleanup(api.Close)
	k.open(map[string]string{"api": api.URL}, nil)
	const poll = "taskhost task run poll -overlap queue -wait 30s"
	k.does(poll, "succeeded")
	k.does("taskhost task checkpoint poll", "cursor", "3")
	orders.Store(5)
	down.Store(true)
	if out, code := k.says(poll); code != 1 {
		t.Errorf("while the API is down: exit %d: %s", code, out)
	}
	down.Store(false)
	k.does(poll, "succeeded")
	k.does(poll, "succeeded") // there is nothing new
	untilQueue(k.Host, "orders", "has nothing left", empty)
	want := "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n"
	if diff := cmp.Diff(want, k.file("handled.jsonl")); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
	k.does("taskhost queue show orders")
}

func workersKeepTheRate(t *testing.T, k *kitchen) {
	k.open(nil, nil)
	const jobs, burst, rate, most = 45, 5, 20, 4
	start := time.Now()
	k.does("seq 45 | taskhost queue post jobs -lines")
	untilQueue(k.Host, "jobs", "has nothing left", func(q admin.Queue) bool { return q.Depth == 0 && q.Counts.Acknowledged == jobs })
	if took, least := time.Since(start), time.Second*(jobs-burst)/rate; took < least*9/10 {
		t.Errorf("%d jobs took %v; at %d/s it is %v at least", jobs, took, rate, least)
	}
	open, widest, done := 0, 0, map[string]int{}
	for line := range strings.Lines(k.file("journal.txt")) {
		what, job, _ := strings.Cut(strings.TrimSpace(line), " ")
		if what == "begin" {
			open++
			widest = max(widest, open)
			continue
		}
		open--
		done[job]++
	}
	if widest > most || len(done) != jobs {
		t.Errorf("%d at a time, want %d at most; %d of %d jobs are done", widest, most, len(done), jobs)
	}
	k.does("taskhost queue show jobs")
	k.does("taskhost queue dead jobs")
}

func eventsAreTaken(t *testing.T, k *kitchen) {
	k.open(map[string]string{"intake": "unix:data/intake.sock"}, nil)
	in := intake{client: &http.Client{Timeout: admintest.Bound, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(k.DataDir, "intake.sock"))
		},
		DisableKeepAlives: true,
	}}}
	token := strings.TrimSpace(k.file("data/producer.token"))
	for _, c := range []struct {
		token, id, body string
		want            int
	}{
		{token, "evt-1", `{"type":"paid"}`, http.StatusAccepted},
		{token, "evt-1", `{"type":"paid"}`, http.StatusOK},
		{token, "evt-1", `{"type":"sent"}`, http.StatusUnprocessableEntity},
		{token, "evt-2", `{"typ":"paid"}`, http.StatusAccepted},
		{"guessed", "evt-3", `{"type":"paid"}`, http.StatusUnauthorized},
	} {
		if got := in.post(t, c.token, c.id, c.body); got != c.want {
			t.Errorf("%s %s is answered with %d, want %d", c.id, c.body, got, c.want)
		}
	}
	untilQueue(k.Host, "events", "has nothing left", func(q admin.Queue) bool { return q.Depth == 0 && q.Counts.Acknowledged == 1 })
	if got, want := k.file("handled.txt"), "evt-1 {\"type\":\"paid\"}\n"; got != want {
		t.Errorf("handled: %q, want %q", got, want)
	}
	k.does("taskhost queue show events")
	k.does("taskhost queue dead events", "evt-2", "has no type")
	k.does("taskhost queue redrive events -all")
}

type intake struct{ client *http.Client }

// post hands an event in and returns the status of the answer.
func (i intake) post(t *testing.T, token, id, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://intake/v1/queues/events/messages", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", id)
	answer, err := i.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func beatIsReplaced(t *testing.T, k *kitchen) {
	k.open(nil, nil)
	k.does("taskhost next -c config.hcl", "check_stock", "rates")
	k.does("taskhost task run weekly_report -wait 30s", "succeeded")
	k.does(`taskhost queue post resize '{"file":"a.png"}'`)
	k.Until("the message has gone through both queues", func(context.Context) error {
		for _, line := range []string{"report week mail=true\n", "mail {\"file\":\"a.png\"}\n"} {
			if text := k.file("done.txt"); !strings.Contains(text, line) {
				return fmt.Errorf("done is %q", text)
			}
		}
		return nil
	})
	k.does("taskhost queue show mail")
}
