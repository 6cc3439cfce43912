// Package storetest holds the conformance tests of the store's contract. Every
// implementation of store.Store runs them from its own tests; they use nothing but the
// contract. They prove nothing about what survives the process: an engine that promises
// that tests it beside its own code, and finds here what such tests share.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Open makes an empty store; the conformance tests close it.
type Open func(t *testing.T, o store.Options) store.Store

// Conformance runs every test of the contract.
func Conformance(t *testing.T, open Open) {
	tests := map[string]func(*testing.T, Open){
		"runs are listed live first, then by end":         runsAreOrdered,
		"runs are filtered":                               runsAreFiltered,
		"pages are stable under inserts":                  pagesAreStable,
		"a run that ends between pages is not left out":   endingIsNotLost,
		"wrong limits and cursors are refused":            wrongPages,
		"an interrupted run goes on as the same run":      interruptedGoesOn,
		"history is bounded per task and class":           historyIsBounded,
		"history is bounded by age and in all":            historyAges,
		"a task that was removed is forgotten in time":    removedTasksAreForgotten,
		"slot records grow and are listed newest first":   slotRecords,
		"status snapshots are the newest":                 statusSnapshots,
		"a task is recalled":                              recall,
		"tasks that were not removed are remembered":      remembered,
		"overrides are kept until they are reset":         overrides,
		"a commit is all or nothing":                      commitIsWhole,
		"a commit of an ended run is refused":             commitAfterEnd,
		"run values live as long as they are wanted":      runValues,
		"checkpoint versions guard against lost updates":  checkpointVersions,
		"limits on keys and values are refused by name":   limits,
		"published values replace each other":             published,
		"events rise, reach the feed and can be replayed": events,
		"concurrent use keeps every promise":              concurrent,
	}
	maps.Copy(tests, queueTests)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func begin(t *testing.T, open Open, o store.Options) store.Store {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	s := open(t, o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

func liveRun(name, id string, queued int) task.Run {
	return task.Run{ID: id, Task: name, Trigger: task.TriggerSlot, State: task.RunRunning, Queued: at(queued), Started: at(queued)}
}

func endedRun(name, id string, ended int, o task.Outcome) task.Run {
	r := liveRun(name, id, ended-1)
	r.State, r.Outcome, r.Ended = task.RunEnded, o, at(ended)
	return r
}

func idsOf(runs []task.Run) string {
	ids := make([]string, 0, len(runs))
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

// soon waits until check finds nothing wrong: history is forgotten and events are handed out in the background.
func soon(t *testing.T, check func() error) {
	t.Helper()
	bound, look := time.After(20*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-bound:
			t.Fatal(err)
		case <-look.C:
		}
	}
}

func soonRuns(t *testing.T, s store.Store, q task.RunQuery, want string) {
	t.Helper()
	soon(t, func() error {
		if got := idsOf(list(t, s, q).Items); got != want {
			return fmt.Errorf("Runs(%+v) = %s; want %s", q, got, want)
		}
		return nil
	})
}

func soonSlots(t *testing.T, s store.Store, q task.SlotQuery, want string) {
	t.Helper()
	soon(t, func() error {
		p, err := s.Slots(t.Context(), q)
		var ids []string
		for _, r := range p.Items {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			return fmt.Errorf("Slots(%+v) = %s, %v; want %s", q, got, err, want)
		}
		return nil
	})
}

func list(t *testing.T, s store.Store, q task.RunQuery) task.Page[task.Run] {
	t.Helper()
	p, err := s.Runs(t.Context(), q)
	if err != nil {
		t.Fatalf("Runs(%+v) = %v", q, err)
	}
	return p
}

func wantRuns(t *testing.T, s store.Store, q task.RunQuery, want string) {
	t.Helper()
	if got := idsOf(list(t, s, q).Items); got != want {
		t.Errorf("Runs(%+v) = %s; want %s", q, got, want)
	}
}

// refused fails unless err is a refusal with the code, a text and a remedy that people can act on.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var e *task.Error
	if !errors.As(err, &e) || e.Code != code || e.Detail == "" {
		t.Errorf("error = %#v; want a refusal with code %s", err, code)
	}
}

func runsAreOrdered(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	s.SaveRun(liveRun("a", "slow", 0))
	s.SaveRun(liveRun("a", "quick", 1))
	s.SaveRun(liveRun("b", "other", 2))
	wantRuns(t, s, task.RunQuery{}, "other quick slow")
	s.SaveRun(endedRun("a", "quick", 5, task.OutcomeSucceeded))
	wantRuns(t, s, task.RunQuery{}, "other slow quick")
	s.SaveRun(endedRun("a", "slow", 9, task.OutcomeFailed))
	wantRuns(t, s, task.RunQuery{}, "other slow quick")
	s.SaveRun(endedRun("b", "other", 10, task.OutcomeSucceeded))
	wantRuns(t, s, task.RunQuery{}, "other slow quick")
	wantRuns(t, s, task.RunQuery{Tasks: []string{"a"}}, "slow quick")

	noted := endedRun("a", "quick", 5, task.OutcomeSucceeded)
	noted.Note = "amended"
	s.SaveRun(noted)
	wantRuns(t, s, task.RunQuery{}, "other slow quick")
	got, ok, err := s.Run(t.Context(), "quick")
	if diff := cmp.Diff(noted, got); !ok || err != nil || diff != "" {
		t.Errorf("Run = %v, %v, difference %s", ok, err, diff)
	}
	if _, ok, err := s.Run(t.Context(), "never"); ok || err != nil {
		t.Errorf("an unknown run = %v, %v", ok, err)
	}
}

func runsAreFiltered(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for i, o := range []task.Outcome{task.OutcomeSucceeded, task.OutcomeFailed, task.OutcomeCancelled, task.OutcomeTimedOut} {
		r := endedRun([]string{"a", "b"}[i%2], fmt.Sprint(i), 10*i+1, o)
		if i >= 2 {
			r.Trigger = task.TriggerManual
		}
		s.SaveRun(r)
	}
	s.SaveRun(liveRun("a", "4", 40))
	for _, c := range []struct {
		q    task.RunQuery
		want string
	}{
		{task.RunQuery{}, "4 3 2 1 0"},
		{task.RunQuery{Tasks: []string{"a"}}, "4 2 0"},
		{task.RunQuery{Tasks: []string{"a", "b"}}, "4 3 2 1 0"},
		{task.RunQuery{Tasks: []string{"nobody"}}, ""},
		{task.RunQuery{Tasks: []string{"nobody", "b"}}, "3 1"},
		{task.RunQuery{Outcomes: []task.Outcome{task.OutcomeFailed, task.OutcomeTimedOut}}, "3 1"},
		{task.RunQuery{Triggers: []task.Trigger{task.TriggerManual}}, "3 2"},
		{task.RunQuery{States: []task.RunState{task.RunRunning}}, "4"},
		{task.RunQuery{States: []task.RunState{task.RunEnded}, Tasks: []string{"a"}}, "2 0"},
		{task.RunQuery{Since: at(20), Until: at(40)}, "3 2"},
		{task.RunQuery{Since: at(40)}, "4"},
		{task.RunQuery{Until: at(0)}, ""},
	} {
		wantRuns(t, s, c.q, c.want)
		var paged []task.Run
		q := c.q
		q.Limit = 1
		for {
			p := list(t, s, q)
			paged = append(paged, p.Items...)
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		if got := idsOf(paged); got != c.want {
			t.Errorf("page by page %+v = %s; want %s", c.q, got, c.want)
		}
	}
}

func pagesAreStable(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for i := range 20 {
		s.SaveRun(endedRun("a", fmt.Sprintf("old%02d", i), i, task.OutcomeSucceeded))
	}
	var got []string
	q := task.RunQuery{Limit: 3}
	for i := 0; ; i++ {
		p := list(t, s, q)
		for _, r := range p.Items {
			got = append(got, r.ID)
		}
		s.SaveRun(endedRun("a", fmt.Sprintf("new%02d", i), 100+i, task.OutcomeSucceeded))
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	var want []string
	for i := 19; i >= 0; i-- {
		want = append(want, fmt.Sprintf("old%02d", i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages under inserts (-want +got):\n%s", diff)
	}
}

func endingIsNotLost(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for i := range 6 {
		s.SaveRun(liveRun("a", fmt.Sprint(i), i))
	}
	seen := map[string]bool{}
	q := task.RunQuery{Limit: 2}
	for i := 0; ; i++ {
		p := list(t, s, q)
		for _, r := range p.Items {
			seen[r.ID] = true
		}
		s.SaveRun(endedRun("a", fmt.Sprint(i), 50+i, task.OutcomeSucceeded))
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if len(seen) != 6 {
		t.Errorf("saw %d of 6 runs: %v", len(seen), seen)
	}
}

func wrongPages(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for i := range 5 {
		s.SaveRun(endedRun("a", fmt.Sprint(i), i, task.OutcomeSucceeded))
		s.SaveSlot(task.SlotRecord{ID: fmt.Sprint(i), Task: "a", First: at(i), Last: at(i), Count: 1})
	}
	for _, limit := range []int{-1, 501} {
		_, err := s.Runs(t.Context(), task.RunQuery{Limit: limit})
		refused(t, err, task.CodeInvalid)
		_, err = s.Slots(t.Context(), task.SlotQuery{Limit: limit})
		refused(t, err, task.CodeInvalid)
	}
	mine := list(t, s, task.RunQuery{Limit: 2}).Next
	if mine == "" {
		t.Fatal("no cursor after 2 of 5 runs")
	}
	for _, cursor := range []string{"x", "1e.5.0", "../../etc/passwd", strings.Repeat("A", 5000), mine + "A", mine[1:], "\x00", "%"} {
		_, err := s.Runs(t.Context(), task.RunQuery{Cursor: cursor})
		refused(t, err, task.CodeInvalid)
		_, err = s.Slots(t.Context(), task.SlotQuery{Cursor: cursor})
		refused(t, err, task.CodeInvalid)
	}
	_, err := s.Runs(t.Context(), task.RunQuery{Cursor: mine, Tasks: []string{"a"}})
	refused(t, err, task.CodeInvalid)
	_, err = s.Slots(t.Context(), task.SlotQuery{Cursor: mine})
	refused(t, err, task.CodeInvalid)
	if got := idsOf(list(t, s, task.RunQuery{Cursor: mine, Limit: 500}).Items); got != "2 1 0" {
		t.Errorf("the cursor with another limit = %s; want 2 1 0", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Runs(ctx, task.RunQuery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Runs with an ended context = %v", err)
	}
}

func interruptedGoesOn(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	s.SaveRun(endedRun("a", "dropped", 1, task.OutcomeInterrupted))
	s.SaveRun(liveRun("a", "long", 2))
	waiting := liveRun("a", "long", 2)
	waiting.State, waiting.Outcome = task.RunQueued, task.OutcomeInterrupted
	s.SaveRun(waiting)
	s.SaveRun(endedRun("b", "other", 3, task.OutcomeSucceeded))
	s.SaveRun(liveRun("a", "young", 4))
	wantRuns(t, s, task.RunQuery{}, "young long other dropped")
	m, err := s.Recall(t.Context(), "a")
	if err != nil || idsOf(m.Interrupted) != "long" || idsOf(m.Live) != "young" {
		t.Fatalf("Recall: interrupted %s, live %s, %v; want long, young", idsOf(m.Interrupted), idsOf(m.Live), err)
	}
	s.SaveRun(liveRun("a", "long", 2))
	if m, _ = s.Recall(t.Context(), "a"); len(m.Interrupted) != 0 || idsOf(m.Live) != "long young" {
		t.Errorf("Recall while it goes on: interrupted %s, live %s", idsOf(m.Interrupted), idsOf(m.Live))
	}
	s.SaveRun(endedRun("a", "long", 9, task.OutcomeSucceeded))
	wantRuns(t, s, task.RunQuery{}, "young long other dropped")
	// An ended run that is taken up again is live, and has its place by its new end.
	s.SaveRun(liveRun("a", "dropped", 1))
	wantRuns(t, s, task.RunQuery{}, "dropped young long other")
	s.SaveRun(endedRun("a", "dropped", 10, task.OutcomeSucceeded))
	wantRuns(t, s, task.RunQuery{}, "young dropped long other")
}

func historyIsBounded(t *testing.T, open Open) {
	s := begin(t, open, store.Options{Keep: task.Keep{Succeeded: 3, Failed: 2, Slots: 4}})
	s.SetKeep("own", task.Keep{Succeeded: 1})
	s.SaveRun(liveRun("a", "live", 0))
	for i := range 10 {
		s.SaveRun(endedRun("a", fmt.Sprintf("ok%d", i), i, task.OutcomeSucceeded))
		s.SaveRun(endedRun("a", fmt.Sprintf("bad%d", i), i, task.OutcomeFailed))
		s.SaveRun(endedRun("own", fmt.Sprintf("own%d", i), i, task.OutcomeSucceeded))
		s.SaveSlot(task.SlotRecord{ID: fmt.Sprint(i), Task: "a", Reason: task.SkippedOverlap, First: at(i), Last: at(i), Count: 1})
	}
	soonRuns(t, s, task.RunQuery{Tasks: []string{"a"}}, "live bad9 ok9 bad8 ok8 ok7")
	soonRuns(t, s, task.RunQuery{Tasks: []string{"own"}}, "own9")
	if _, ok, _ := s.Run(t.Context(), "ok0"); ok {
		t.Error("a forgotten run is still found")
	}
	soonSlots(t, s, task.SlotQuery{Task: "a"}, "9 8 7 6")
	s.SetKeep("a", task.Keep{Succeeded: 1, Failed: 1, Slots: 1})
	soonRuns(t, s, task.RunQuery{Tasks: []string{"a"}}, "live bad9 ok9")
}

func historyAges(t *testing.T, open Open) {
	var now atomic.Int64 // seconds since start; an engine may ask at any time
	s := begin(t, open, store.Options{KeepTotal: 5, Now: func() time.Time { return at(int(now.Load())) }})
	s.SetKeep("aging", task.Keep{Age: time.Minute})
	s.SaveRun(endedRun("aging", "bad", 0, task.OutcomeFailed))
	s.SaveRun(endedRun("aging", "old", 0, task.OutcomeSucceeded))
	s.SaveRun(endedRun("aging", "older", 0, task.OutcomeCancelled))
	for i := range 2 {
		s.SaveSlot(task.SlotRecord{ID: fmt.Sprint("slot", i), Task: "aging", First: at(0), Last: at(0), Count: 1})
	}
	now.Store(62)
	s.SaveRun(endedRun("aging", "new", 61, task.OutcomeSucceeded))
	s.SaveRun(endedRun("aging", "newer", 62, task.OutcomeSucceeded))
	soonRuns(t, s, task.RunQuery{Tasks: []string{"aging"}}, "newer new bad") // the last of each kind stays
	soonSlots(t, s, task.SlotQuery{Task: "aging"}, "slot1")
	now.Store(600)
	s.SaveStatus(task.Status{Task: "another"}) // a quiet task ages too
	soonRuns(t, s, task.RunQuery{Tasks: []string{"aging"}}, "newer bad")
	soonSlots(t, s, task.SlotQuery{Task: "aging"}, "slot1")
	for i := range 9 {
		s.SaveRun(endedRun(fmt.Sprint("t", i), fmt.Sprint(i), 600+i, task.OutcomeFailed))
		s.SaveSlot(task.SlotRecord{ID: fmt.Sprint(i), Task: fmt.Sprint("t", i), First: at(i), Last: at(i), Count: 1})
	}
	soonRuns(t, s, task.RunQuery{}, "8 7 6 5 4")
	soonSlots(t, s, task.SlotQuery{}, "8 7 6 5 4")
}

func removedTasksAreForgotten(t *testing.T, open Open) {
	var now atomic.Int64
	s := begin(t, open, store.Options{Keep: task.Keep{Age: time.Minute}, Now: func() time.Time { return at(int(now.Load())) }})
	s.SaveRun(endedRun("gone", "ran", 0, task.OutcomeFailed))
	s.SaveSlot(task.SlotRecord{ID: "skipped", Task: "gone", First: at(0), Last: at(0), Count: 1})
	if _, err := s.SetCheckpoint(t.Context(), "gone", "k", json.RawMessage("1"), 0); err != nil {
		t.Fatal(err)
	}
	s.RemoveStatus("gone")
	now.Store(29 * 24 * 3600)
	s.SaveStatus(task.Status{Task: "another"})
	soonRuns(t, s, task.RunQuery{Tasks: []string{"gone"}}, "ran")
	now.Store(31 * 24 * 3600)
	s.SaveStatus(task.Status{Task: "another"})
	soonRuns(t, s, task.RunQuery{Tasks: []string{"gone"}}, "")
	soonSlots(t, s, task.SlotQuery{Task: "gone"}, "")
	soon(t, func() error {
		if all, err := s.Checkpoints(t.Context(), "gone"); err != nil || len(all) > 0 {
			return fmt.Errorf("the checkpoint is %v, %w", all, err)
		}
		return nil
	})
}

func slotRecords(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for i := range 5 {
		s.SaveSlot(task.SlotRecord{ID: fmt.Sprint(i), Task: "a", Reason: task.SkippedOverlap, First: at(i), Last: at(i), Count: 1, At: at(i)})
	}
	grown := task.SlotRecord{ID: "2", Task: "a", Reason: task.SkippedOverlap, First: at(2), Last: at(8), Count: 7, At: at(8)}
	s.SaveSlot(grown)
	s.SaveSlot(task.SlotRecord{ID: "z", Task: "b", Reason: task.MissedClock, First: at(9), Last: at(9), Count: 1})
	var got []task.SlotRecord
	q := task.SlotQuery{Task: "a", Limit: 2}
	for {
		p, err := s.Slots(t.Context(), q)
		if err != nil {
			t.Fatalf("Slots = %v", err)
		}
		got = append(got, p.Items...)
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	order := ""
	for _, r := range got {
		order += r.ID
	}
	if order != "43210" {
		t.Fatalf("order = %s; want 43210", order)
	}
	if diff := cmp.Diff(grown, got[2]); diff != "" {
		t.Errorf("the grown record (-want +got):\n%s", diff)
	}
	p, err := s.Slots(t.Context(), task.SlotQuery{Task: "a", Since: at(4)})
	if err != nil || len(p.Items) != 2 {
		t.Errorf("Slots since = %d, %v; want the newest and the grown one", len(p.Items), err)
	}
}

func statusSnapshots(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for _, name := range []string{"c", "a", "b"} {
		s.SaveStatus(task.Status{Task: name, State: task.Idle})
	}
	s.SaveStatus(task.Status{Task: "b", State: task.Running})
	names := func() string {
		text := ""
		for _, st := range s.Statuses() {
			text += st.Task + "=" + string(st.State) + " "
		}
		return text
	}
	if got := names(); got != "a=idle b=running c=idle " {
		t.Errorf("Statuses = %s", got)
	}
	before := s.Statuses()
	s.RemoveStatus("b")
	if got := names(); got != "a=idle c=idle " {
		t.Errorf("Statuses after a removal = %s", got)
	}
	if len(before) != 3 || before[1].Task != "b" {
		t.Error("a snapshot changed after it was handed out")
	}
	if _, ok := s.Status("b"); ok {
		t.Error("the removed task still has a status")
	}
	if st, ok := s.Status("a"); !ok || st.State != task.Idle {
		t.Errorf("Status = %+v, %v", st, ok)
	}
}

func recall(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	if m, err := s.Recall(t.Context(), "new"); err != nil || !cmp.Equal(m, task.Memory{}) {
		t.Errorf("Recall of a new task = %+v, %v", m, err)
	}
	last := &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed, Ended: at(11)}
	s.SaveStatus(task.Status{Task: "a", LastSlot: at(10), LastSuccess: at(8), LastSuccessSlot: at(7), Failures: 2, Last: last})
	s.SaveStatus(task.Status{Task: "a", LastSlot: at(3), LastSuccess: at(8), LastSuccessSlot: at(7), Failures: 2, Last: last})
	s.SaveRun(liveRun("a", "live", 12))
	s.SaveOverrides(t.Context(), "a", task.Overrides{Paused: &task.Override{By: "ann", At: at(1)}})
	s.RemoveStatus("a")
	got, err := s.Recall(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	want := task.Memory{
		Overrides: task.Overrides{Paused: &task.Override{By: "ann", At: at(1)}},
		LastSlot:  at(10), LastEnd: at(11), LastSuccess: at(8), LastSuccessSlot: at(7), Failures: 2, Last: last,
		Live: []task.Run{liveRun("a", "live", 12)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Recall (-want +got):\n%s", diff)
	}
	s.SaveSlot(task.SlotRecord{ID: "s", Task: "a", First: at(20), Last: at(25), Count: 6})
	if m, _ := s.Recall(t.Context(), "a"); !m.LastSlot.Equal(at(25)) {
		t.Errorf("LastSlot after a slot record = %s; want that of the record", m.LastSlot)
	}
}

func remembered(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	for _, name := range []string{"there", "gone", "left"} {
		s.SaveStatus(task.Status{Task: name, LastSlot: at(1)})
	}
	s.SaveRun(liveRun("left", "live", 2))
	s.RemoveStatus("left")
	s.RemoveStatus("gone")
	s.SetKeep("new", task.Keep{Succeeded: 1})
	if err := s.SaveOverrides(t.Context(), "host", task.Overrides{Paused: &task.Override{By: "ann", At: at(1)}}); err != nil {
		t.Fatal(err)
	}
	names, err := s.Remembered(t.Context())
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"left", "there"}) {
		t.Errorf("Remembered = %q, %v", names, err)
	}
}

func overrides(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	stopped := task.Overrides{Stopped: &task.Override{By: "ann", At: at(1), Reason: "disk"}}
	for _, name := range []string{"a", "b"} {
		if err := s.SaveOverrides(t.Context(), name, stopped); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SaveOverrides(t.Context(), "b", task.Overrides{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Overrides(t.Context())
	if diff := cmp.Diff(map[string]task.Overrides{"a": stopped}, got); err != nil || diff != "" {
		t.Errorf("Overrides: %v (-want +got):\n%s", err, diff)
	}
}

func save(key, value string) task.Op {
	return task.Op{Kind: task.OpSave, Key: key, Value: json.RawMessage(value)}
}

func saveRun(key, value string) task.Op {
	return task.Op{Kind: task.OpSaveRun, Key: key, Value: json.RawMessage(value)}
}

func wantValue(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	got, ok, err := s.Load(t.Context(), "a", key)
	if err != nil || ok != (want != "") || string(got) != want {
		t.Errorf("Load(%s) = %s, %v, %v; want %s", key, got, ok, err, want)
	}
}

func commitIsWhole(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	ops := []task.Op{save("x", "1"), save("y", "2"), saveRun("cursor", "7"), save("y", "3"), {Kind: task.OpDelete, Key: "never"}}
	if err := s.Commit(t.Context(), "a", "r", ops); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, "x", "1")
	wantValue(t, s, "y", "3")
	for code, bad := range map[string]task.Op{
		store.CodeNoOutput: {Kind: task.OpEmit, Output: "pages", Value: json.RawMessage("1")},
		store.CodeLimit:    save("", "1"),
		task.CodeInvalid:   {Kind: "odd", Key: "x"},
	} {
		refused(t, s.Commit(t.Context(), "a", "r", []task.Op{save("x", "99"), {Kind: task.OpDelete, Key: "y"}, saveRun("cursor", "99"), bad}), code)
	}
	refused(t, s.Commit(t.Context(), "a", "", []task.Op{saveRun("x", "1")}), task.CodeInvalid)
	refused(t, s.Commit(t.Context(), "a", "r", []task.Op{save("x", "{")}), task.CodeInvalid)
	wantValue(t, s, "x", "1")
	wantValue(t, s, "y", "3")
	if err := s.Commit(t.Context(), "a", "r", []task.Op{{Kind: task.OpDelete, Key: "x"}}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, "x", "")
	if v, err := s.RunValues(t.Context(), "r"); err != nil || len(v) != 1 || string(v["cursor"]) != "7" {
		t.Errorf("RunValues = %s, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, "a", "r", []task.Op{save("y", "9")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit with an ended context = %v", err)
	}
	wantValue(t, s, "y", "3")
}

func commitAfterEnd(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	s.SaveRun(liveRun("a", "r", 1))
	if err := s.Commit(t.Context(), "a", "r", []task.Op{save("x", "1")}); err != nil {
		t.Fatal(err)
	}
	s.SaveRun(endedRun("a", "r", 2, task.OutcomeFailed))
	refused(t, s.Commit(t.Context(), "a", "r", []task.Op{save("x", "2")}), store.CodeRunEnded)
	wantValue(t, s, "x", "1") // not rolled back, not written
}

func runValues(t *testing.T, open Open) {
	s := begin(t, open, store.Options{Keep: task.Keep{Succeeded: 1}})
	for _, run := range []string{"r1", "r2"} {
		if err := s.Commit(t.Context(), "a", run, []task.Op{saveRun("k", `"`+run+`"`)}); err != nil {
			t.Fatal(err)
		}
	}
	queued := liveRun("a", "r1", 1)
	queued.State, queued.Outcome = task.RunQueued, task.OutcomeInterrupted
	s.SaveRun(queued)
	if v, err := s.RunValues(t.Context(), "r1"); err != nil || string(v["k"]) != `"r1"` {
		t.Errorf("the values of a run that goes on = %s, %v", v, err)
	}
	s.SaveRun(endedRun("a", "r1", 2, task.OutcomeSucceeded))
	if v, err := s.RunValues(t.Context(), "r1"); err != nil || len(v) != 0 {
		t.Errorf("the values of a run that has ended = %s, %v", v, err)
	}
	if v, err := s.RunValues(t.Context(), "r2"); err != nil || string(v["k"]) != `"r2"` {
		t.Errorf("the values of another run = %s, %v", v, err)
	}
}

func checkpointVersions(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	first, err := s.SetCheckpoint(t.Context(), "a", "k", json.RawMessage("1"), 0)
	if err != nil || first.Version == 0 || string(first.Value) != "1" {
		t.Fatalf("SetCheckpoint = %+v, %v", first, err)
	}
	if err := s.Commit(t.Context(), "a", "r", []task.Op{save("k", "2")}); err != nil {
		t.Fatal(err)
	}
	_, err = s.SetCheckpoint(t.Context(), "a", "k", json.RawMessage("3"), first.Version)
	refused(t, err, store.CodeConflict)
	_, err = s.SetCheckpoint(t.Context(), "a", "k", nil, first.Version)
	refused(t, err, store.CodeConflict)
	all, err := s.Checkpoints(t.Context(), "a")
	c := all["k"]
	if err != nil || string(c.Value) != "2" || c.Version <= first.Version || c.Run != "r" || !c.At.Equal(start) {
		t.Fatalf("Checkpoints = %+v, %v", all, err)
	}
	if _, err := s.SetCheckpoint(t.Context(), "a", "k", nil, c.Version); err != nil {
		t.Errorf("deleting the right version = %v", err)
	}
	wantValue(t, s, "k", "")
	again, err := s.SetCheckpoint(t.Context(), "a", "k", json.RawMessage("4"), 0)
	if err != nil || again.Version <= c.Version {
		t.Errorf("the version after delete and write = %d, %v; want more than %d", again.Version, err, c.Version)
	}
	_, err = s.SetCheckpoint(t.Context(), "a", "gone", json.RawMessage("4"), again.Version)
	refused(t, err, store.CodeConflict)
	if _, err := s.SetCheckpoint(t.Context(), "a", "gone", nil, 0); err != nil {
		t.Errorf("deleting what is not there = %v", err)
	}
}

func limits(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	big := json.RawMessage(`"` + strings.Repeat("x", store.MaxValue) + `"`)
	full := json.RawMessage(`"` + strings.Repeat("x", store.MaxValue-2) + `"`)
	longest := strings.Repeat("k", store.MaxKey)
	for _, key := range []string{"", longest + "k", "a\nb", "a\x00b", "\xff", "a\u200eb"} {
		refused(t, s.Commit(t.Context(), "a", "r", []task.Op{save(key, "1")}), store.CodeLimit)
		refused(t, s.Commit(t.Context(), "a", "r", []task.Op{saveRun(key, "1")}), store.CodeLimit)
		_, err := s.SetCheckpoint(t.Context(), "a", key, json.RawMessage("1"), 0)
		refused(t, err, store.CodeLimit)
		s.Publish("a", key, json.RawMessage("1"), start)
	}
	refused(t, s.Commit(t.Context(), "a", "r", []task.Op{save("k", string(big))}), store.CodeLimit)
	s.Publish("a", "k", big, start)
	if st, _ := s.State(t.Context(), "a"); len(st) != 0 {
		t.Errorf("%d published values broke a limit", len(st))
	}
	if err := s.Commit(t.Context(), "a", "r", []task.Op{save(longest, string(full)), save("größe €", "1")}); err != nil {
		t.Errorf("a commit within the limits = %v", err)
	}
	var many []task.Op
	for i := range store.MaxKeys {
		many = append(many, save(fmt.Sprint("k", i), "1"), saveRun(fmt.Sprint("k", i), "1"))
		s.Publish("b", fmt.Sprint("k", i), json.RawMessage("1"), start)
	}
	if err := s.Commit(t.Context(), "b", "rb", many); err != nil {
		t.Fatalf("%d keys = %v", store.MaxKeys, err)
	}
	s.Publish("b", "one more", json.RawMessage("1"), start)
	if st, _ := s.State(t.Context(), "b"); len(st) != store.MaxKeys {
		t.Errorf("%d published keys; want %d", len(st), store.MaxKeys)
	}
	refused(t, s.Commit(t.Context(), "b", "rb", []task.Op{save("one more", "1")}), store.CodeLimit)
	refused(t, s.Commit(t.Context(), "b", "rb", []task.Op{saveRun("one more", "1")}), store.CodeLimit)
	_, err := s.SetCheckpoint(t.Context(), "b", "one more", json.RawMessage("1"), 0)
	refused(t, err, store.CodeLimit)
	if err := s.Commit(t.Context(), "b", "rb", []task.Op{{Kind: task.OpDelete, Key: "k1"}, save("one more", "1"), save("k2", "2")}); err != nil {
		t.Errorf("a commit that deletes as many as it adds = %v", err)
	}
}

func published(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	s.Publish("a", "n", json.RawMessage("1"), at(1))
	s.Publish("a", "n", json.RawMessage("2"), at(2))
	before, err := s.State(t.Context(), "a")
	s.Publish("a", "m", json.RawMessage("3"), at(3))
	want := map[string]task.Published{"n": {Value: json.RawMessage("2"), At: at(2)}}
	if diff := cmp.Diff(want, before); err != nil || diff != "" {
		t.Errorf("State: %v (-want +got):\n%s", err, diff)
	}
	if st, err := s.State(t.Context(), "nobody"); err != nil || len(st) != 0 {
		t.Errorf("State of nobody = %v, %v", st, err)
	}
}

func events(t *testing.T, open Open) {
	var mu sync.Mutex
	var fed []task.Event
	s := begin(t, open, store.Options{Ring: 8, Publish: func(e []task.Event) {
		mu.Lock()
		defer mu.Unlock()
		fed = append(fed, e...)
	}})
	base := s.LastEvent()
	if e, ok := s.EventsSince(base); !ok || len(e) != 0 {
		t.Errorf("EventsSince at the beginning = %v, %v", e, ok)
	}
	if e, ok := s.EventsFrom(at(0)); !ok || len(e) != 0 {
		t.Errorf("EventsFrom at the beginning = %v, %v", e, ok)
	}
	for i := range 12 {
		s.Event(task.Event{At: at(90 * i), Topic: "task", Kind: "state", Task: "a", Text: fmt.Sprint(i)})
	}
	soon(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(fed) != 12 {
			return fmt.Errorf("the feed got %d of 12 events", len(fed))
		}
		return nil
	})
	last := s.LastEvent()
	if got, ok := s.EventsSince(last - 3); !ok || len(got) != 3 || got[0].Text != "9" || got[2].Seq != last {
		t.Errorf("EventsSince = %+v, %v; want the last three", got, ok)
	}
	if got, ok := s.EventsSince(last - 8); !ok || len(got) != 8 {
		t.Errorf("EventsSince the whole ring = %d, %v", len(got), ok)
	}
	if e, ok := s.EventsSince(last); !ok || len(e) != 0 {
		t.Errorf("EventsSince the newest = %v, %v", e, ok)
	}
	for _, gone := range []uint64{0, base, last - 9, last + 1} {
		if e, ok := s.EventsSince(gone); ok || len(e) != 0 {
			t.Errorf("EventsSince(%d) = %d events, %v; want a reset", gone, len(e), ok)
		}
	}
	for _, tt := range []struct {
		from  time.Time
		n     int
		whole bool
	}{{at(90 * 9), 3, true}, {at(90*9 + 1), 2, true}, {at(90 * 12), 0, true}, {at(90 * 4), 8, false}, {at(0), 8, false}, {time.Time{}, 8, false}} {
		got, whole := s.EventsFrom(tt.from)
		if len(got) != tt.n || whole != tt.whole || len(got) > 0 && (got[0].Seq != last-uint64(tt.n)+1 || got[tt.n-1].Seq != last) {
			t.Errorf("EventsFrom(%s) = %+v, %v; want the last %d, %v", tt.from, got, whole, tt.n, tt.whole)
		}
	}
	s.Publish("a", "n", json.RawMessage("1"), at(13))
	soon(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(fed) != 13 {
			return fmt.Errorf("the feed got %d of 13 events", len(fed))
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if len(fed) != 13 || fed[12].Topic != "state" || fed[12].Kind != "published" || fed[12].Text != "n" || fed[12].Task != "a" {
		t.Fatalf("the feed got %d events, the last %+v", len(fed), fed[len(fed)-1])
	}
	for i := 1; i < len(fed); i++ {
		if fed[i].Seq <= fed[i-1].Seq {
			t.Errorf("sequence %d follows %d", fed[i].Seq, fed[i-1].Seq)
		}
	}
}

func concurrent(t *testing.T, open Open) {
	var mu sync.Mutex
	var fed []uint64
	s := begin(t, open, store.Options{Keep: task.Keep{Succeeded: 20, Failed: 20, Slots: 20}, Publish: func(e []task.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range e {
			fed = append(fed, e.Seq)
		}
	}})
	var wg sync.WaitGroup
	const writers, rounds = 4, 200
	for w := range writers {
		name := fmt.Sprint("t", w)
		wg.Go(func() {
			for i := range rounds {
				id := fmt.Sprintf("%s-%d", name, i)
				s.SaveRun(liveRun(name, id, i))
				s.SaveStatus(task.Status{Task: name, Failures: i})
				s.Event(task.Event{Topic: "run", Kind: "started", Task: name, Run: id})
				if err := s.Commit(context.Background(), name, id, []task.Op{save("n", fmt.Sprint(i)), saveRun("n", "1")}); err != nil {
					t.Errorf("Commit = %v", err)
				}
				s.Publish(name, "n", json.RawMessage(fmt.Sprint(i)), at(i))
				s.SaveSlot(task.SlotRecord{ID: id, Task: name, First: at(i), Last: at(i), Count: 1})
				o := []task.Outcome{task.OutcomeSucceeded, task.OutcomeFailed}[i%2]
				s.SaveRun(endedRun(name, id, i, o))
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for q := (task.RunQuery{Limit: 7}); ; {
				select {
				case <-stop:
					return
				default:
				}
				p, err := s.Runs(context.Background(), q)
				if err != nil {
					t.Errorf("Runs = %v", err)
				}
				q.Cursor = p.Next
				all := s.Statuses()
				if !slices.IsSortedFunc(all, func(a, b task.Status) int { return strings.Compare(a.Task, b.Task) }) {
					t.Error("Statuses are not sorted")
				}
				s.Slots(context.Background(), task.SlotQuery{})
				s.State(context.Background(), "t0")
				s.EventsSince(s.LastEvent())
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	for w := range writers {
		name := fmt.Sprint("t", w)
		if st, ok := s.Status(name); !ok || st.Failures != rounds-1 {
			t.Errorf("Status(%s).Failures = %d; want the last write", name, st.Failures)
		}
		soon(t, func() error {
			if p := list(t, s, task.RunQuery{Tasks: []string{name}, Limit: 500}); len(p.Items) != 40 {
				return fmt.Errorf("%s keeps %d runs; want 40", name, len(p.Items))
			}
			return nil
		})
	}
	if len(s.Statuses()) != writers {
		t.Errorf("%d statuses", len(s.Statuses()))
	}
	soon(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(fed) != writers*rounds*2 {
			return fmt.Errorf("the feed got %d of %d events", len(fed), writers*rounds*2)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.IsSorted(fed) || len(fed) != writers*rounds*2 {
		t.Errorf("the feed got %d events, in order: %v", len(fed), slices.IsSorted(fed))
	}
}
