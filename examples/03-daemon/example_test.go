package main

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestRequestsAndStepsDoNotDelayEachOther(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{Config: "config.hcl", Plugins: []string{"examples/03-daemon"}})
	h.UntilState("daemon", "running")
	before := ask(t, h, "status", nil)

	const rate, seconds = 1000, 3
	took, answered := flood(t, h, rate, seconds*rate)

	after := ask(t, h, "status", nil)
	if after.Requests-before.Requests != answered || answered != seconds*rate {
		t.Errorf("%d requests were answered and %d counted; want %d", answered, after.Requests-before.Requests, seconds*rate)
	}
	steps := float64(after.Steps-before.Steps) / took.Seconds()
	t.Logf("%d requests in %v, %.0f steps/s beside them, longest gap between steps %.1f ms", answered, took.Round(time.Millisecond), steps, after.LongestGap*1000)
	if steps < 50 {
		t.Errorf("%.0f steps/s while requests come; the requests hold the step up", steps)
	}
}

// flood sends n requests at the given rate and returns how long it took and how many were answered.
func flood(t *testing.T, h *admintest.Host, rate, n int) (time.Duration, int64) {
	t.Helper()
	var answered atomic.Int64
	var senders sync.WaitGroup
	due := make(chan struct{})
	for range 16 {
		senders.Go(func() {
			for range due {
				if _, err := h.Call(context.Background(), "daemon", "add", json.RawMessage(`{"n":1}`), 10*time.Second); err != nil {
					t.Errorf("add: %v", err)
					continue
				}
				answered.Add(1)
			}
		})
	}
	began := time.Now()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range n {
		<-tick.C
		due <- struct{}{}
	}
	close(due)
	senders.Wait()
	return time.Since(began), answered.Load()
}

func ask(t *testing.T, h *admintest.Host, method string, input json.RawMessage) (s Status) {
	t.Helper()
	out, err := h.Call(t.Context(), "daemon", method, input, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
