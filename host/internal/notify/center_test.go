package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/queue"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// world is a center over a store in memory; its notifiers run a command, which is the test's.
type world struct {
	store  *store.Memory
	feed   *feed.Feed
	queues *queue.Broker
	center *Center
	blocks Blocks
	tasks  []task.Definition

	mu      sync.Mutex
	said    strings.Builder // the log
	fail    error
	tries   int
	inputs  []string
	alerted map[string][]string
}

func newWorld(t *testing.T, b Blocks, names ...string) *world {
	w := &world{feed: feed.New(), blocks: b, alerted: map[string][]string{}}
	w.store = store.NewMemory(store.Options{Publish: w.feed.Publish})
	for _, name := range names {
		w.tasks = append(w.tasks, task.Definition{Name: name})
		w.store.SaveStatus(task.Status{Task: name, Health: task.Health{OK: true}})
	}
	w.open(t)
	return w
}

// open is the start of a host on what the one before left.
func (w *world) open(t *testing.T) {
	t.Helper()
	w.queues = queue.New(queue.Config{Store: w.store})
	w.center = New(Config{Store: w.store, Feed: w.feed, Queues: w.queues, Run: w.run, Host: "h", Alerted: w.hear, Log: hclog.New(&hclog.LoggerOptions{Output: w})})
	if err := w.center.Define(w.blocks, w.tasks); err != nil {
		t.Fatal(err)
	}
	if err := w.queues.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.center.Start(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) close() {
	w.center.Close()
	w.queues.Close()
	w.store.Close()
}

func (w *world) run(_ context.Context, c process.Command) ([]byte, task.ExitCause, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries++
	if w.fail != nil {
		return nil, task.ExitCause{}, w.fail
	}
	for _, e := range c.Env {
		if text, ok := strings.CutPrefix(e, "TASKHOST_SUMMARY="); ok {
			w.inputs = append(w.inputs, text)
		}
	}
	return nil, task.ExitCause{}, nil
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(p)
}

func (w *world) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String()
}

func (w *world) setFail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *world) hear(name string, reasons []task.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := []string{}
	for _, r := range reasons {
		texts = append(texts, r.Code+" "+r.Text)
	}
	w.alerted[name] = texts
}

func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.inputs...)
}

func (w *world) ended(name string, o task.Outcome) {
	w.store.Event(task.Event{Topic: "run", Kind: "ended", Task: name, Run: task.NewID(time.Now()), Text: string(o)})
}

// commanded is a notifier with a command.
func commanded(n Notifier) Blocks {
	n.Name, n.On, n.After, n.RecoverAfter = "ops", allKinds(), 1, 1
	n.Exec = &Exec{Command: []string{"page"}, Timeout: time.Minute}
	return Blocks{Notifiers: []Notifier{n}}
}

func after(d time.Duration) {
	time.Sleep(d) // of the virtual clock
	synctest.Wait()
}

func (w *world) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), w.told()); diff != "" {
		t.Error(diff)
	}
}

func TestTheCenterTellsInOrderAndTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, commanded(Notifier{GroupWait: 5 * time.Second}), "a", "b")
		defer w.close()
		after(2 * time.Second)
		w.ended("a", task.OutcomeFailed)
		w.ended("b", task.OutcomeFailed)
		after(4 * time.Second)
		w.want(t)
		w.setFail(errors.New("nobody there"))
		after(10 * time.Second)
		w.ended("a", task.OutcomeSucceeded)
		after(20 * time.Second)
		if v := w.center.Notifiers()[0]; v.Failures == 0 || v.Last == nil || !strings.Contains(v.Last.Error, "nobody there") || v.Waiting != 2 {
			t.Errorf("while it fails: %+v %+v", v, v.Last)
		}
		w.want(t)
		w.setFail(nil)
		after(10 * time.Minute)
		w.want(t, "2 failed", "a recovered")
		if v := w.center.Notifiers()[0]; v.Failures != 0 || v.Sent != 2 || v.Waiting != 0 || v.Last.Error != "" {
			t.Errorf("after it: %+v %+v", v, v.Last)
		}
	})
}

func TestTheCenterGivesUpWhatNeverArrivesAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, commanded(Notifier{}), "a")
		defer w.close()
		after(2 * time.Second)
		w.setFail(errors.New("nobody there"))
		w.ended("a", task.OutcomeFailed)
		after(3 * 24 * time.Hour)
		if v := w.center.Notifiers()[0]; v.Dead != 1 || v.Waiting != 0 {
			t.Errorf("%+v", v)
		}
		w.setFail(nil)
		w.ended("a", task.OutcomeSucceeded)
		after(time.Minute)
		w.want(t, "a recovered")
	})
}

func TestANewCenterGoesOnWhereTheOneBeforeWasKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, commanded(Notifier{GroupWait: 5 * time.Second}), "a", "b", "c")
		defer func() { w.close() }()
		after(2 * time.Second)
		w.ended("a", task.OutcomeFailed)
		after(time.Minute)
		w.ended("b", task.OutcomeFailed)
		after(time.Second)
		w.center.Close() // b waits for its group
		w.queues.Close()
		w.ended("a", task.OutcomeSucceeded) // nobody looks
		w.ended("c", task.OutcomeFailed)
		w.ended("c", task.OutcomeSucceeded)
		w.open(t)
		after(time.Minute)
		w.want(t, "a failed", "2 failed, 2 recovered")
	})
}

func TestWhatARemovedNotifierHasNotSentIsRemoved(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, w *world){
		"by a reload": func(t *testing.T, w *world) {
			if err := w.center.Define(Blocks{}, w.tasks); err != nil {
				t.Fatal(err)
			}
		},
		"while the host was down": func(t *testing.T, w *world) {
			w.center.Close()
			w.queues.Close()
			w.blocks = Blocks{}
			w.open(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, commanded(Notifier{}), "a", "b")
				defer func() { w.close() }()
				w.setFail(permanent{errors.New("not for me")})
				after(2 * time.Second)
				w.ended("a", task.OutcomeFailed)
				after(5 * time.Second)
				w.setFail(errors.New("nobody there"))
				w.ended("b", task.OutcomeFailed)
				after(5 * time.Second)
				if q, _ := w.queues.Queue(QueueName("ops")); q.Messages != 1 || q.Dead != 1 {
					t.Fatalf("%d wait and %d were given up: the test has nothing to remove", q.Messages, q.Dead)
				}
				remove(t, w)
				if q, there := w.queues.Queue(QueueName("ops")); there {
					t.Errorf("%d messages and %d dead letters stay", q.Messages, q.Dead)
				}
				if text := w.log(); strings.Count(text, "is not in the configuration any more") != 1 || !strings.Contains(text, "notifier=ops unsent=1 given_up=1") {
					t.Errorf("the log: %s", text)
				}
				w.setFail(nil)
				if err := w.center.Define(commanded(Notifier{}), w.tasks); err != nil {
					t.Fatal(err)
				}
				after(time.Minute)
				w.want(t) // what was removed does not come back
			})
		})
	}
}

func TestATaskThatIsInTroubleWhenANotifierComesIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Blocks{}, "a")
		defer w.close()
		w.store.SaveStatus(task.Status{Task: "a", Failures: 2, Last: &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed}, Health: task.Health{Reasons: []task.Reason{{Code: "failing"}}}})
		after(time.Minute)
		if err := w.center.Define(commanded(Notifier{}), w.tasks); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		w.want(t, "a failed")
		// The same blocks again change nothing, and a task that goes away is told.
		if err := w.center.Define(commanded(Notifier{}), nil); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		w.want(t, "a failed", "a recovered")
	})
}

func TestAFloodOfEventsLosesNoTaskInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, commanded(Notifier{GroupWait: time.Second}), "a")
		defer w.close()
		after(2 * time.Second)
		for n := range 60_000 { // more than the ring of the store and the buffer of the reader hold
			w.store.Event(task.Event{Topic: "run", Kind: "ended", Task: fmt.Sprintf("other%d", n%50), Text: string(task.OutcomeSucceeded)})
		}
		w.store.SaveStatus(task.Status{Task: "a", Failures: 1, Last: &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed}})
		after(time.Minute)
		got := w.told()
		if len(got) > 1 || len(got) == 1 && got[0] != "a failed" {
			t.Errorf("told %q", got)
		}
		w.ended("a", task.OutcomeFailed)
		after(time.Minute)
		w.want(t, "a failed")
	})
}

// overThree is a condition: the value x is more than 3.
type overThree struct{}

func (overThree) Holds(v Values) (bool, error) {
	text := string(v.State["x"])
	if text == `"?"` {
		return false, errors.New("no number")
	}
	return len(text) == 1 && text > "3", nil
}
func (overThree) Reads(key string) bool { return key == "x" }
func (overThree) Source() string        { return "state.x > 3" }

func (w *world) publish(name, key, value string) {
	w.store.Publish(name, key, []byte(value), time.Now())
	synctest.Wait()
}

func (w *world) wantAlerts(t *testing.T, when string, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(append([]string{}, want...), w.alerted["a"]); diff != "" {
		t.Errorf("%s: %s", when, diff)
	}
}

func TestAnAlertCountsTheJudgementsOfTheValuesThatItReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Blocks{Alerts: []Alert{{Name: "high", When: overThree{}, Count: 2, Select: Select{Tasks: []string{"a"}}}}}, "a", "b")
		defer func() { w.close() }()
		synctest.Wait()
		w.wantAlerts(t, "without a value")
		w.publish("a", "x", "5")
		w.publish("a", "y", "5")
		w.publish("b", "x", "5")
		w.wantAlerts(t, "after one judgement")
		w.publish("a", "x", "6")
		w.wantAlerts(t, "after two", "alert:high state.x > 3 (x = 6)")
		w.center.Close()
		w.queues.Close()
		w.open(t)
		synctest.Wait()
		w.wantAlerts(t, "in the next host", "alert:high state.x > 3 (x = 6)")
		w.publish("a", "x", "1")
		w.publish("a", "x", "5")
		w.publish("a", "x", "1")
		w.wantAlerts(t, "after judgements that differ", "alert:high state.x > 3 (x = 6)")
		w.publish("a", "x", `"?"`)
		w.wantAlerts(t, "after two that do not hold, the second for an error")
		if w.alerted["b"] != nil && len(w.alerted["b"]) > 0 {
			t.Errorf("b: %v", w.alerted["b"])
		}
	})
}

func TestAnAlertBeginsAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Blocks{Alerts: []Alert{{Name: "high", When: overThree{}, For: time.Minute, Severity: "critical", Text: "{{.Task}} has {{.State.x}}"}}}, "a")
		defer w.close()
		w.publish("a", "x", "5")
		after(59 * time.Second)
		w.wantAlerts(t, "before its time")
		after(2 * time.Second)
		w.wantAlerts(t, "after it", "alert:high critical: a has 5")
		w.publish("a", "x", "1")
		w.wantAlerts(t, "when it is over")
	})
}
