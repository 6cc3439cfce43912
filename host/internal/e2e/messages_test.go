package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// works is a queue that is quick to try again, and where what was handled goes.
func works(queue string) string {
	return fmt.Sprintf("queue \"work\" {\n%s\n  redeliver {\n    backoff = \"50ms\"\n    max_backoff = \"100ms\"\n  }\n}\nqueue \"done\" {}\n", queue)
}

// handler is a task that handles the messages of works.
func handler(name, journal, consume, body string) string {
	return fmt.Sprintf("task %q {\n  plugin = \"actor\"\n  type = \"handle\"\n  continuous {\n    restart {\n      backoff = \"20ms\"\n      max_backoff = \"50ms\"\n    }\n  }\n"+
		"  consume \"work\" {\n%s\n  }\n  output \"out\" {\n    queue = \"done\"\n  }\n%s\n  config {\n    journal = %q\n  }\n}\n", name, consume, body, journal)
}

// parcels posts messages; their ids are their names.
func parcels(t *testing.T, h *admintest.Host, all ...string) {
	t.Helper()
	for _, text := range all {
		var p struct{ Name string }
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Post(t.Context(), "work", json.RawMessage(text), admin.PostOptions{ID: p.Name}); err != nil {
			t.Fatal(err)
		}
	}
}

func untilQueue(h *admintest.Host, name, what string, is func(admin.Queue) bool) (got admin.Queue) {
	h.Until("queue "+name+" "+what, func(ctx context.Context) (err error) {
		if got, err = h.Queue(ctx, name); err == nil && !is(got) {
			err = fmt.Errorf("it is %+v", got)
		}
		return err
	})
	return got
}

func empty(q admin.Queue) bool { return q.Depth == 0 }

// step is one line of a handler's journal.
type step struct {
	what, name string
	attempt    int
	at         int64
	pid        string
}

func steps(t *testing.T, file string) (all []step) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 5 {
			t.Fatalf("the journal has the line %q", line)
		}
		attempt, _ := strconv.Atoi(f[2])
		at, _ := strconv.ParseInt(f[3], 10, 64)
		all = append(all, step{f[0], f[1], attempt, at, f[4]})
	}
	return all
}

// most is how many were at work at the same time.
func most(all []step) (most int) {
	now := 0
	for _, s := range all {
		if s.what == "begin" {
			now++
		} else {
			now--
		}
		most = max(most, now)
	}
	return most
}

func TestAMessageThatFailsComesAgainAndIsGivenUp(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("  max_deliveries = 3")+handler("loader", journal, "", ""))
	parcels(t, h, `{"name":"good"}`, `{"name":"bad","fail":"error"}`, `{"name":"hopeless","fail":"permanent"}`, `{"name":"none","fail":"skip"}`, `{"name":"loud","fail":"panic"}`)
	untilQueue(h, "work", "has nothing left", empty)
	dead, err := h.DeadLetters(t.Context(), "work", 10, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range dead.Items {
		got[d.ID] = fmt.Sprintf("%s %d %s", d.Reason, d.Attempts, d.LastError)
	}
	want := map[string]string{
		"bad": "failed 3 told to fail", "hopeless": "permanent 1 told to fail", "loud": "failed 3 panic: told to panic",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("dead letters (-want +got)", diff)
	}
	if q, err := h.Queue(t.Context(), "done"); err != nil || q.Depth != 1 {
		t.Errorf("%d messages went on, %v; only good was to", q.Depth, err)
	}
	moved, err := h.Redrive(t.Context(), "work", admin.Redrive{IDs: []string{"bad"}})
	if err != nil || len(moved.Moved) != 1 {
		t.Fatal(moved, err)
	}
	untilQueue(h, "work", "has given it up once more", func(q admin.Queue) bool { return q.Depth == 0 && q.Dead == 3 })
	again, err := h.DeadLetters(t.Context(), "work", 1, "")
	if err != nil || again.Items[0].RedrivenFrom != "bad" || again.Items[0].ID == "bad" || again.Items[0].Attempts != 3 {
		t.Errorf("%+v, %v", again.Items, err)
	}
	if n, err := h.Purge(t.Context(), "work", true); err != nil || n != 3 {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestAPoisonMessageCostsItsNeighboursNoTurn(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("  max_deliveries = 3")+handler("loader", journal, "    concurrency = 4", ""))
	var all []string
	for n := range 20 {
		all = append(all, fmt.Sprintf(`{"name":"good-%d","work":"2ms"}`, n))
	}
	parcels(t, h, append(all[:5:5], append([]string{`{"name":"poison","fail":"exit"}`}, all[5:]...)...)...)
	untilQueue(h, "work", "has nothing left", empty)
	dead, err := h.DeadLetters(t.Context(), "work", 10, "")
	if err != nil || len(dead.Items) != 1 || dead.Items[0].ID != "poison" || dead.Items[0].Reason != "crashed" || !strings.Contains(dead.Items[0].LastError, "exit 3") {
		t.Fatalf("dead letters: %+v, %v", dead.Items, err)
	}
	if q, err := h.Queue(t.Context(), "done"); err != nil || q.Depth != 20 {
		t.Errorf("%d good messages went on, %v; want 20", q.Depth, err)
	}
	begun := map[string]int{}
	for _, s := range steps(t, journal) {
		if s.what == "begin" {
			begun[s.name]++
		}
	}
	for name, n := range begun {
		if name != "poison" && n > 2 {
			t.Errorf("%s was begun %d times; the poison may cost it one", name, n)
		}
	}
}

func TestMessagesOfOneKeyGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("  max_deliveries = 5")+handler("loader", journal, "    concurrency = 6\n    order_by = \"line\"", "  instances = 2"))
	var all []string
	for n := range 36 {
		fail := ""
		if n == 4 {
			fail = "retry" // it is never done, and holds up its own line only
		}
		all = append(all, fmt.Sprintf(`{"name":"%c-%02d","line":"%c","work":"5ms","fail":%q}`, 'a'+n%3, n/3, 'a'+n%3, fail))
	}
	parcels(t, h, all...)
	untilQueue(h, "work", "has nothing left", empty)
	lines := map[string][]step{}
	for _, s := range steps(t, journal) {
		lines[s.name[:1]] = append(lines[s.name[:1]], s)
	}
	for key, all := range lines {
		var done []string
		for i, s := range all {
			if i > 0 && s.what == "begin" && all[i-1].what == "begin" && all[i-1].name != s.name && all[i-1].name != "b-01" {
				t.Errorf("%s began while %s was not done", s.name, all[i-1].name)
			}
			if s.what == "end" {
				done = append(done, s.name)
			}
		}
		want := 12
		if key == "b" {
			want = 11
		}
		if len(done) != want {
			t.Errorf("line %s has %v", key, done)
		}
		if !isSorted(done) {
			t.Errorf("line %s went %v", key, done)
		}
	}
}

func isSorted(all []string) bool {
	for i := 1; i < len(all); i++ {
		if all[i] < all[i-1] {
			return false
		}
	}
	return true
}

func TestABatchTakesWhatIsThere(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("  max_deliveries = 2")+
		"task \"gatherer\" {\n  enabled = false\n  plugin = \"actor\"\n  type = \"gather\"\n  continuous {}\n  consume \"work\" {\n    batch {\n      size = 5\n      wait = \"50ms\"\n    }\n  }\n  config {\n    journal = \""+journal+"\"\n  }\n}\n")
	for n := range 12 {
		fail := ""
		if n == 2 {
			fail = "error"
		}
		parcels(t, h, fmt.Sprintf(`{"name":"p%02d","fail":%q}`, n, fail))
	}
	if _, _, err := h.Client.Start(t.Context(), "gatherer", admin.Verb{}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	untilQueue(h, "work", "has nothing left", empty)
	var sizes []int
	for _, s := range steps(t, journal) {
		sizes = append(sizes, len(strings.Split(s.name, ",")))
	}
	// The third has the rest, and the one that comes again when it is back in time.
	if len(sizes) < 3 || sizes[0] != 5 || sizes[1] != 5 || sizes[2] != 2 && sizes[2] != 3 {
		t.Errorf("batches of %v", sizes)
	}
	if dead, err := h.DeadLetters(t.Context(), "work", 10, ""); err != nil || len(dead.Items) != 1 || dead.Items[0].ID != "p02" {
		t.Errorf("dead letters: %+v, %v", dead.Items, err)
	}
}

func TestAStopLetsMessagesAtWorkFinishAndGivesTheOthersBackUncounted(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("")+handler("loader", journal, "    concurrency = 2", "  stop {\n    drain = \"10s\"\n  }"))
	for n := range 8 {
		parcels(t, h, fmt.Sprintf(`{"name":"p%d","work":"300ms"}`, n))
	}
	untilQueue(h, "work", "is at work", func(q admin.Queue) bool { return q.InFlight > 2 })
	stopped, done, err := h.Client.Stop(t.Context(), "loader", admin.Verb{Reason: "a pause"}, admintest.Bound)
	if err != nil || !done || stopped.State != "stopped" {
		t.Fatalf("%s, done %v, %v", stopped.State, done, err)
	}
	q, err := h.Queue(t.Context(), "work")
	if err != nil || q.InFlight != 0 || q.Depth == 0 || q.Depth > 7 {
		t.Fatalf("after the stop: %+v, %v", q, err)
	}
	all := steps(t, journal)
	if begun, ended := count(all, "begin"), count(all, "end"); begun != ended || begun+q.Depth != 8 {
		t.Errorf("%d handlers began, %d ended, %d messages wait; want 8 in all", begun, ended, q.Depth)
	}
	waiting, err := h.Peek(t.Context(), "work", 10, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range waiting.Items {
		if m.Attempts != 0 {
			t.Errorf("%s came back with %d attempts", m.ID, m.Attempts)
		}
	}
	if _, _, err := h.Client.Start(t.Context(), "loader", admin.Verb{}, admintest.Bound); err != nil {
		t.Fatal(err)
	}
	untilQueue(h, "work", "has nothing left", empty)
	for _, s := range steps(t, journal) {
		if s.attempt != 1 {
			t.Errorf("%s was attempt %d", s.name, s.attempt)
		}
	}
}

func count(all []step, what string) (n int) {
	for _, s := range all {
		if s.what == what {
			n++
		}
	}
	return n
}

func TestAGroupBoundsTheDeliveriesOfAllItsMembers(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("")+"group \"upstream\" {\n  max = 2\n}\n"+handler("loader", journal, "    concurrency = 8", "  groups = [\"upstream\"]\n  instances = 2"))
	for n := range 30 {
		parcels(t, h, fmt.Sprintf(`{"name":"p%02d","work":"5ms"}`, n))
	}
	untilQueue(h, "work", "has nothing left", empty)
	all := steps(t, journal)
	if got := most(all); got > 2 || count(all, "end") != 30 {
		t.Errorf("%d were at work at a time, %d in all", got, count(all, "end"))
	}
}

func TestARateBoundsHowManyMessagesBegin(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	h := stage(t, works("")+handler("loader", journal, "    concurrency = 8\n    rate = \"20/s\"", ""))
	for n := range 40 {
		parcels(t, h, fmt.Sprintf(`{"name":"p%02d"}`, n))
	}
	untilQueue(h, "work", "has nothing left", empty)
	all := steps(t, journal)
	if took := time.Duration(all[len(all)-1].at - all[0].at); took < 900*time.Millisecond {
		t.Errorf("40 messages at 20/s took %s", took)
	}
}

func TestAPausedConsumerGetsNothingNewAndGoesOnRunning(t *testing.T) {
	t.Parallel()
	h := stage(t, works("")+handler("loader", filepath.Join(t.TempDir(), "journal"), "", ""))
	h.UntilState("loader", "running")
	if _, err := h.Pause(t.Context(), "loader", admin.Pause{Reason: "the warehouse is closed"}); err != nil {
		t.Fatal(err)
	}
	untilQueue(h, "work", "shows the pause", func(q admin.Queue) bool { return len(q.Consumers) == 1 && q.Consumers[0].Paused })
	parcels(t, h, `{"name":"later"}`)
	if q, err := h.Queue(t.Context(), "work"); err != nil || q.Depth != 1 || q.InFlight != 0 {
		t.Errorf("while paused: %+v, %v", q, err)
	}
	if got, err := h.Task(t.Context(), "loader"); err != nil || got.State != "running" || got.Paused == nil {
		t.Errorf("the task is %s, %v", got.State, err)
	}
	if _, err := h.Resume(t.Context(), "loader", admin.Resume{}); err != nil {
		t.Fatal(err)
	}
	untilQueue(h, "work", "has nothing left", empty)
}

func TestAFullQueueDoesAsItsOverflowSays(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	for _, overflow := range []string{"reject", "drop_oldest", "block"} {
		fmt.Fprintf(&hcl, "queue %q {\n  max_messages = 2\n  overflow = %q\n}\n", overflow, overflow)
	}
	h := stage(t, hcl.String())
	post := func(queue string, n int, wait time.Duration) error {
		_, err := h.Post(t.Context(), queue, json.RawMessage(strconv.Itoa(n)), admin.PostOptions{Wait: wait})
		return err
	}
	for _, queue := range []string{"reject", "drop_oldest", "block"} {
		for n := range 2 {
			if err := post(queue, n, 0); err != nil {
				t.Fatal(queue, err)
			}
		}
	}
	var full *admin.Problem
	if err := post("reject", 2, 0); !errors.As(err, &full) || full.Code != "queue_full" || full.Status != 429 {
		t.Errorf("reject: %v", err)
	}
	if err := post("drop_oldest", 2, 0); err != nil {
		t.Errorf("drop_oldest: %v", err)
	}
	kept, err := h.Peek(t.Context(), "drop_oldest", 10, "")
	if err != nil || len(kept.Items) != 2 || string(kept.Items[0].Value) != "1" || string(kept.Items[1].Value) != "2" {
		t.Errorf("drop_oldest keeps %+v, %v", kept.Items, err)
	}
	if err := post("block", 2, time.Second); !errors.As(err, &full) || full.Code != "queue_full" {
		t.Errorf("block, when nobody makes room: %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- post("block", 3, 30*time.Second) }()
	if n, err := h.Purge(t.Context(), "block", false); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if err := <-waited; err != nil {
		t.Errorf("block, when there is room: %v", err)
	}
}
