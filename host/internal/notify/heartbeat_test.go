package notify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// watcher is the outside: it counts requests and answers with status.
type watcher struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	method string
	pings  int
}

func newWatcher(t *testing.T) *watcher {
	w := &watcher{status: http.StatusOK}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pings, w.method = w.pings+1, r.Method
		out.WriteHeader(w.status)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pings
}

func beatOf(t *testing.T, w *world, h Heartbeat) *beat {
	t.Helper()
	h.Name, h.Method, h.Timeout = "outside", http.MethodHead, time.Minute
	return w.center.newBeat(h)
}

func TestAHeartbeatStopsWithTheSchedulerAndWithHealth(t *testing.T) {
	t.Parallel()
	out := newWatcher(t)
	w := newWorld(t, Blocks{}, "a", "b")
	defer w.close()
	var stuck error
	w.center.cfg.Progress = func(context.Context) error { return stuck }
	b := beatOf(t, w, Heartbeat{URL: out.URL, Healthy: true, Select: Select{Tasks: []string{"a"}}})
	step := func(what string, pinged bool) {
		t.Helper()
		before := out.count()
		if err := b.once(t.Context()); (err == nil) != pinged || out.count()-before != map[bool]int{true: 1}[pinged] {
			t.Errorf("%s: %v, %d pings", what, err, out.count()-before)
		}
	}
	step("all is well", true)
	if out.method != http.MethodHead {
		t.Errorf("asked by %s", out.method)
	}
	stuck = errors.New("the scheduler does not answer")
	step("the scheduler is stuck", false)
	stuck = nil
	ill := task.Health{Reasons: []task.Reason{{Code: "late"}}}
	w.store.SaveStatus(task.Status{Task: "b", Health: ill})
	step("a task that is not chosen is degraded", true)
	w.store.SaveStatus(task.Status{Task: "a", Health: ill})
	step("a task that is chosen is degraded", false)
	b.of.Healthy = false
	step("health does not count", true)
	out.status = http.StatusNotFound
	if err := b.once(t.Context()); err == nil {
		t.Error("an answer 404 is a heartbeat")
	}
}

func TestAHeartbeatFollowsRunsThatSucceed(t *testing.T) {
	t.Parallel()
	out := newWatcher(t)
	w := newWorld(t, Blocks{}, "a", "b")
	defer w.close()
	b := beatOf(t, w, Heartbeat{URL: out.URL, OnSuccess: []string{"a"}})
	r := start(t.Context(), b.run)
	defer r.end()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for w.feed.Readers() < 2 { // the beat's beside that of the alerts
		select {
		case <-deadline:
			t.Fatal("nobody follows")
		case <-tick.C:
		}
	}
	w.ended("b", task.OutcomeSucceeded)
	w.ended("a", task.OutcomeFailed)
	w.ended("a", task.OutcomeSucceeded)
	for out.count() == 0 {
		select {
		case <-deadline:
			t.Fatal("no ping")
		case <-tick.C:
		}
	}
	if n := out.count(); n != 1 {
		t.Errorf("%d pings", n)
	}
}
