package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// notice is a message as a receiver sees it.
type notice struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Summary string `json:"summary"`
	Items   []struct {
		Task   string `json:"task"`
		Reason string `json:"reason"`
		Text   string `json:"text"`
	} `json:"items"`
}

// receiver is the loopback end of a webhook. While it is down it answers 503.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	down    bool
	refused []notice
	got     []notice
	beats   int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.Method == http.MethodGet {
			r.beats++
			return
		}
		var n notice
		if err != nil || json.Unmarshal(body, &n) != nil || n.ID != q.Header.Get("Webhook-Id") || !strings.HasPrefix(q.Header.Get("Webhook-Signature"), "v1,") {
			t.Errorf("a message that is none: %s %v %v", body, q.Header, err)
		}
		if r.down {
			r.refused = append(r.refused, n)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.got = append(r.got, n)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// told are the summaries of what arrived, each message once: the same id is the same message.
func (r *receiver) told() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, n := range r.got {
		if !seen[n.ID] {
			seen[n.ID] = true
			out = append(out, n.Summary)
		}
	}
	return out
}

func (r *receiver) until(h *admintest.Host, want ...string) {
	h.Until(fmt.Sprintf("%q have arrived", want), func(context.Context) error {
		if told := r.told(); !slices.Equal(told, want) {
			return fmt.Errorf("told %q", told)
		}
		return nil
	})
}

// noticed is a host whose task fails while there is no file ok.
func noticed(t *testing.T, r *receiver, dir, groupWait, more string) *admintest.Host {
	t.Helper()
	hosts <- struct{}{}
	t.Cleanup(func() { <-hosts })
	return admintest.Start(t, admintest.Options{Dir: dir, Plugins: []string{"plugins/exec"}, HCL: fmt.Sprintf(`
notify "ops" {
  group_wait = %q
  webhook {
    url    = "%s/hook?key=hunter2-and-more"
    secret = "hunter2-and-more"
  }
}

task "shaky" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["/bin/sh", "-c", "test -e %s/ok || exit 3"]
  }
}
`, groupWait, r.URL, dir) + more})
}

func runOnce(t *testing.T, h *admintest.Host, outcome string) {
	t.Helper()
	got, err := h.StartRun(t.Context(), "shaky", admin.RunRequest{}, "", 30*time.Second)
	if err != nil || got.Outcome != outcome {
		t.Fatalf("the run %s: %v", got.Outcome, err)
	}
}

func setOK(t *testing.T, dir string, ok bool) {
	t.Helper()
	path := filepath.Join(dir, "ok")
	err := os.Remove(path)
	if ok {
		err = os.WriteFile(path, nil, 0o644)
	}
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestAHostThatIsKilledLosesNoNotificationAndTellsNoTransitionTwice(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	h := noticed(t, r, dir, "0s", "")
	r.setDown(true)
	runOnce(t, h, "failed")
	h.Until("the receiver has refused", func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.refused) == 0 {
			return fmt.Errorf("nothing came")
		}
		return nil
	})
	h.Kill()
	r.setDown(false)
	h.Launch()
	r.until(h, "shaky failed")
	r.mu.Lock()
	first, again := r.refused[0].ID, r.got[0].ID
	r.mu.Unlock()
	if first != again {
		t.Errorf("the message came again as another: %s, then %s", first, again)
	}
	runOnce(t, h, "failed")
	setOK(t, dir, true)
	runOnce(t, h, "succeeded")
	r.until(h, "shaky failed", "shaky recovered")
	h.Until("nothing waits any more", func(ctx context.Context) error { // a message is let go of when its answer has come
		l, err := h.Notifiers(ctx)
		if err == nil && (len(l.Items) != 1 || l.Items[0].Way != "webhook" || l.Items[0].Waiting != 0 || l.Items[0].DeadLetters != 0) {
			err = fmt.Errorf("%+v", l.Items)
		}
		return err
	})
	if q, err := h.Queues(t.Context()); err != nil || len(q.Items) != 0 {
		t.Errorf("the queue of notifications is among those of the configuration: %+v, %v", q.Items, err)
	}
}

func TestATransitionThatWaitsForItsGroupSurvivesTheHost(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	h := noticed(t, r, dir, "4s", "")
	runOnce(t, h, "failed")
	h.Kill()
	h.Launch()
	setOK(t, dir, true)
	h.Until("the failure has arrived", func(context.Context) error {
		if told := r.told(); len(told) == 0 {
			return fmt.Errorf("nothing came")
		}
		return nil
	})
	runOnce(t, h, "succeeded")
	r.until(h, "shaky failed", "shaky recovered")
}

func TestAnAlertDegradesItsTaskAcrossARestartAndIsToldOnce(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	setOK(t, dir, false)
	h := noticed(t, r, dir, "0s", fmt.Sprintf(`
alert "odd" {
  when     = state.exit_code > 2
  severity = "critical"
}

heartbeat "outside" {
  url   = "%s/beat"
  every = "1s"
}
`, r.URL))
	runOnce(t, h, "failed")
	task := untilTask(h, "shaky", "is degraded by the alert", func(task admin.Task) bool { return hasReason(task, "alert:odd") })
	for _, reason := range task.Health.Reasons {
		if reason.Code == "alert:odd" && reason.Text != "critical: state.exit_code > 2 (exit_code = 3)" {
			t.Errorf("the reason says %q", reason.Text)
		}
	}
	h.Until("both have arrived", func(context.Context) error {
		told := r.told()
		if all := strings.Join(told, ", "); !strings.Contains(all, "shaky failed") && !strings.Contains(all, "1 failed, 1 degraded") || !strings.Contains(all, "degraded") {
			return fmt.Errorf("told %q", told)
		}
		return nil
	})
	before := len(r.told())
	h.Kill()
	h.Launch()
	untilTask(h, "shaky", "is still degraded", func(task admin.Task) bool { return hasReason(task, "alert:odd") && hasReason(task, "failing") })
	setOK(t, dir, true)
	runOnce(t, h, "succeeded")
	untilTask(h, "shaky", "is well", func(task admin.Task) bool { return task.Health.Status == "ok" })
	h.Until("both ends have arrived", func(context.Context) error {
		if all := strings.Join(r.told()[before:], ", "); strings.Count(all, "recovered") == 0 || strings.Count(all, "recovered") < 2 && !strings.Contains(all, "2 recovered") || strings.Contains(all, "degraded") {
			return fmt.Errorf("told %q", all)
		}
		return nil
	})
	h.Until("the heart beats", func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.beats < 3 {
			return fmt.Errorf("%d times", r.beats)
		}
		return nil
	})
}

func hasReason(task admin.Task, code string) bool {
	for _, r := range task.Health.Reasons {
		if r.Code == code {
			return true
		}
	}
	return false
}

func TestATestMessageGoesOutAtOnceAndItsFailureHidesSecrets(t *testing.T) {
	t.Parallel()
	r, dir := newReceiver(t), t.TempDir()
	h := noticed(t, r, dir, "0s", "")
	if d, err := h.TestNotifier(t.Context(), "ops", time.Minute); err != nil || !d.Delivered {
		t.Errorf("%+v, %v", d, err)
	}
	r.until(h, "a test of the notifier ops")
	r.Close()
	d, err := h.TestNotifier(t.Context(), "ops", time.Minute)
	if err != nil || d.Delivered || d.Error == "" || strings.Contains(d.Error, "hunter2") {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := h.TestNotifier(t.Context(), "opps", time.Minute); err == nil || !strings.Contains(err.Error(), "ops") {
		t.Errorf("%v", err)
	}
	if strings.Contains(h.Output(), "hunter2") {
		t.Error("the log shows the URL")
	}
}
