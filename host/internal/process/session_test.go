//go:build linux

package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

// reports writes down what it is told, one text per call.
type reports struct {
	mu    sync.Mutex
	calls []string
	more  chan struct{}
	lost  error
}

func newReports() *reports { return &reports{more: make(chan struct{})} }

func (r *reports) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	close(r.more)
	r.more = make(chan struct{})
}

func (r *reports) RunEntered(run string, _ time.Time) { r.note("entered %s", run) }
func (r *reports) RunEnded(x task.RunResult) {
	r.note("ended %s %s %s %.20s observed=%v", x.Run, x.Status, x.Message, x.Result, x.ObservedStop)
}
func (r *reports) Progress(run string, p task.Progress) {
	r.note("progress %s %d/%d %s", run, p.Done, p.Total, p.Note)
}
func (r *reports) Published(k string, v json.RawMessage) { r.note("published %s %s", k, v) }
func (r *reports) Ready(note string)                     { r.note("ready %s", note) }
func (r *reports) Beat(note string)                      { r.note("beat %s", note) }
func (r *reports) Load(id uint64, key string)            { r.note("load %d %s", id, key) }
func (r *reports) Credit(run string, window int)         { r.note("credit %s %d", run, window) }

func (r *reports) MessagesEntered(run string, tags []uint64) { r.note("entered %s %v", run, tags) }

func (r *reports) MessagesHandled(run string, h task.Handled) {
	r.note("handled %s %v", run, h.Messages)
}

func (r *reports) MessageExtended(run string, tag uint64, by time.Duration) {
	r.note("message extended %s %d %s", run, tag, by)
}

func (r *reports) Extend(id uint64, run string, d time.Duration) {
	r.note("extend %d %s %s", id, run, d)
}
func (r *reports) Commit(id uint64, run string, ops []task.Op) {
	r.note("commit %d %s %+v", id, run, ops)
}
func (r *reports) Lost(err error) {
	r.mu.Lock()
	r.lost = err
	r.mu.Unlock()
	r.note("lost")
}

// await waits for a call that begins so, and returns all calls.
func (r *reports) await(t *testing.T, prefix string) []string {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		calls, more := append([]string(nil), r.calls...), r.more
		r.mu.Unlock()
		for _, c := range calls {
			if strings.HasPrefix(c, prefix) {
				return calls
			}
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("no report %q in %q", prefix, calls)
		}
	}
}

func open(t *testing.T, script string) (*stand, *Process, task.Session, *reports) {
	t.Helper()
	s := newStand(t, script, "")
	p := s.up()
	r := newReports()
	sess, err := p.Open(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s, p, sess, r
}

func TestASessionReportsWhatThePluginSendsInOrder(t *testing.T) {
	t.Parallel()
	s, _, sess, r := open(t, "good")
	if err := sess.StartRun(task.RunStart{Run: "everything", Attempt: 1, Trigger: task.TriggerManual, Slot: time.Now()}); err != nil {
		t.Fatal(err)
	}
	got := r.await(t, "ended")
	want := []string{
		"entered everything",
		"progress everything 3/7 half",
		"published now 1",
		"ready open",
		"commit 1 everything [{Kind:save Key:a Value:[49] Output: ID: TraceParent:} {Kind:save_run Key:b Value:[50] Output: ID: TraceParent:} {Kind:delete Key:c Value:[] Output: ID: TraceParent:} {Kind:emit Key:k Value:[51] Output:pages ID:m TraceParent:}]",
		"load 2 a",
		"extend 3 everything 1s",
		`ended everything succeeded  {"ok":true} observed=true`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.sink.await(t, "warning about the value that is no JSON", contains(`state "bad" is not published`))
	if err := sess.Reply(task.Answer{ID: 2, Value: json.RawMessage("7"), OK: true}); err != nil {
		t.Fatal(err)
	}
	r.await(t, `beat reply 2 "" 7 true`)
}

func TestAMethodIsAnswered(t *testing.T) {
	t.Parallel()
	_, p, sess, _ := open(t, "good")
	got, err := sess.Call(context.Background(), "echo", json.RawMessage(`{"a":1}`))
	if err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
	_, err = sess.Call(context.Background(), "fail", nil)
	var refused *MethodError
	if !errors.As(err, &refused) || refused.Message != "no such page" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := sess.Call(ctx, "silent", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if _, err := sess.Call(context.Background(), "exit", nil); err == nil {
		t.Error("a call of a process that ended has an answer")
	}
	if exit := awaitDone(t, p, 5*time.Second); exit.Code != 5 {
		t.Errorf("exit %+v", exit)
	}
	if err := sess.StartRun(task.RunStart{Run: "x"}); err == nil {
		t.Error("an ended session starts a run")
	}
}

func TestAFrameOverTheLimitIsRefusedAndTheSessionGoesOn(t *testing.T) {
	t.Parallel()
	_, _, sess, r := open(t, "good")
	var tooLarge *FrameError
	err := sess.StartRun(task.RunStart{Run: "x", Input: jsonText(1 << 20)})
	if !errors.As(err, &tooLarge) || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("error %v", err)
	}
	if _, err := sess.Call(context.Background(), "echo", jsonText(17<<20)); !errors.As(err, &tooLarge) {
		t.Errorf("error %v", err)
	}
	for run, want := range map[string]string{
		"big-commit": `beat reply 9 "save \"a\": too large for one frame`,
		"big-result": "ended big-result failed the result cannot be kept: too large for one frame",
	} {
		if err := sess.StartRun(task.RunStart{Run: run}); err != nil {
			t.Fatal(err)
		}
		r.await(t, want)
	}
	if err := sess.StartRun(task.RunStart{Run: "huge-result"}); err != nil {
		t.Fatal(err)
	}
	r.await(t, "lost")
	if !strings.Contains(r.lost.Error(), "too large") {
		t.Errorf("lost: %v", r.lost)
	}
}

func TestARunGetsBackWhatItSavedInManyFrames(t *testing.T) {
	t.Parallel()
	_, _, sess, r := sdkProcess(t, "hello")
	saved := func(n int) map[string]json.RawMessage {
		values := map[string]json.RawMessage{}
		for i := range n {
			values[fmt.Sprint("part", i)] = jsonText(900 << 10)
		}
		return values
	}
	if err := sess.StartRun(task.RunStart{Run: "again", Attempt: 2, Values: saved(10)}); err != nil {
		t.Fatal(err)
	}
	if calls := r.await(t, "ended again"); !strings.Contains(calls[len(calls)-1], string(task.StatusSucceeded)) {
		t.Errorf("calls %q", calls)
	}
	var tooLarge *FrameError
	if err := sess.StartRun(task.RunStart{Run: "never", Attempt: 2, Values: saved(20)}); !errors.As(err, &tooLarge) {
		t.Errorf("more than a message of gRPC takes: %v", err)
	}
	if err := sess.StartRun(task.RunStart{Run: "large", Attempt: 2, Input: jsonText(1 << 20), Values: saved(1)}); !errors.As(err, &tooLarge) {
		t.Errorf("an input beyond a frame: %v", err)
	}
}

func TestFramesAreAcknowledgedWithoutAnythingToSend(t *testing.T) {
	t.Parallel()
	s, _, sess, r := open(t, "good")
	if err := sess.StartRun(task.RunStart{Run: "many"}); err != nil {
		t.Fatal(err)
	}
	r.await(t, "ended many")
	s.sink.await(t, "acknowledgement", contains("ack "))
}

func TestAGapInTheFramesEndsTheSession(t *testing.T) {
	t.Parallel()
	_, _, sess, r := open(t, "good")
	if err := sess.StartRun(task.RunStart{Run: "gap"}); err != nil {
		t.Fatal(err)
	}
	r.await(t, "lost")
	if r.lost.Error() != "the plugin sends frame 4 after 2" {
		t.Errorf("lost: %v", r.lost)
	}
}

// lateReports holds the reader up at the first report, until the gate opens.
type lateReports struct {
	*reports
	gate <-chan struct{}
}

func (r lateReports) RunEntered(run string, at time.Time) {
	<-r.gate
	r.reports.RunEntered(run, at)
}

func TestWhatWasSentBeforeTheEndIsReportedBeforeDone(t *testing.T) {
	t.Parallel()
	p := newStand(t, "good", "").up()
	r := lateReports{newReports(), p.exited}
	sess, err := p.Open(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.StartRun(task.RunStart{Run: "result-and-exit"}); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, p, 5*time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff([]string{"entered result-and-exit", `ended result-and-exit succeeded  {"ok":true} observed=true`, "lost"}, r.calls); diff != "" {
		t.Error(diff)
	}
}

func TestASessionWithoutWelcomeIsRefused(t *testing.T) {
	t.Parallel()
	s := newStand(t, "no-welcome", "")
	p := s.up()
	if _, err := p.Open(context.Background(), newReports()); err == nil || !strings.Contains(err.Error(), "Welcome") {
		t.Errorf("error %v", err)
	}
}

func TestControlReachesThePlugin(t *testing.T) {
	t.Parallel()
	s := newStand(t, "good", "")
	p := s.up()
	if err := p.Drain(context.Background(), "r1", time.Second, "why"); err != nil {
		t.Fatal(err)
	}
	s.sink.await(t, "drain", contains("stop instance=demo.Instance-1 run=r1 deadline=1s reason=why"))
	if err := p.Cancel(context.Background(), "r1", task.CauseTimeout, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	s.sink.await(t, "cancel", contains("cancel instance=demo.Instance-1 run=r1 cause=CAUSE_TIMEOUT deadline=2s"))
}

func TestARejectedConfigNamesThePath(t *testing.T) {
	t.Parallel()
	s := newStand(t, "reject", "")
	p := s.launch()
	err := p.Configure(context.Background(), task.Configure{Task: s.spec.Task})
	var rejected *task.ConfigError
	if !errors.As(err, &rejected) {
		t.Fatalf("error %v", err)
	}
	want := []task.ConfigProblem{{Path: "headers[2].url", Summary: "must be https"}}
	if diff := cmp.Diff(want, rejected.Problems); diff != "" {
		t.Error(diff)
	}
	s.sink.await(t, "warning", contains("is old"))

	s = newStand(t, "open-fails", "")
	err = s.launch().Configure(context.Background(), task.Configure{Task: s.spec.Task})
	if err == nil || errors.As(err, &rejected) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}
