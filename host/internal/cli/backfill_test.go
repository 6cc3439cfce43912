package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestABackfillWaitsOnceForAllItsRuns(t *testing.T) {
	t.Parallel()
	const run = `{"id":%q,"task":"dump","trigger":"backfill","state":%q,"outcome":%q,"queued_at":"2026-11-21T12:00:00Z","generation":1}`
	ids := []string{"01kb3v0000000000000000000a", "01kb3v0000000000000000000b"}
	var mu sync.Mutex
	var waits, took []time.Duration
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, `{"task":"dump","changed":true,"slots":[],"runs":[`+run+","+run+`]}`, ids[0], "running", "", ids[1], "queued", "")
			return
		}
		wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
		if err != nil {
			t.Errorf("it asks to wait %q", r.URL.RawQuery)
		}
		for time.Since(began) < time.Millisecond { // the run goes on for a moment
		}
		mu.Lock()
		defer mu.Unlock()
		waits, took = append(waits, wait), append(took, time.Since(began))
		fmt.Fprintf(w, run, r.URL.Path[len("/v1/runs/"):], "ended", "succeeded")
	}))
	defer host.Close()
	var problems strings.Builder
	code := Run(t.Context(), []string{"-addr", strings.TrimPrefix(host.URL, "http://"), "task", "backfill", "dump", "-from", "2h", "-to", "1h", "-wait", "20s"}, Terminal{
		In: strings.NewReader(""), Out: io.Discard, Err: &problems, Env: func(string) string { return "" }, Now: time.Now, Local: time.UTC,
	}, Commands{})
	mu.Lock()
	defer mu.Unlock()
	if code != 0 || len(waits) != 2 || waits[0]-waits[1] < took[0] {
		t.Errorf("exit %d, waits %v, the first took %v; what one run takes is left to no other: %s", code, waits, took, problems.String())
	}
}
