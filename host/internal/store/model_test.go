package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

// TestListsAreThoseOfMemory does the same to both engines and compares every list, page by page.
func TestListsAreThoseOfMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		path := filepath.Join(dir, "taskhost.db")
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		o := Options{Now: func() time.Time { return now }} // the same for a moment of both
		durable, err := open(path, o, impatient)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { durable.Close() }()
		memory := NewMemory(o)
		start := now
		queued := map[int]time.Time{}
		steps := rapid.IntRange(1, 60).Draw(rt, "steps")
		for i := range steps {
			id := rapid.IntRange(0, 25).Draw(rt, "id")
			if _, there := queued[id]; !there {
				ago := rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, 5 * time.Second, 40 * time.Second, 20 * time.Minute, 30 * time.Hour, 9000 * time.Hour}).Draw(rt, "ago")
				queued[id] = start.Add(time.Duration(i)*time.Second - ago)
			}
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				if err := durable.SaveOverrides(t.Context(), "t0", task.Overrides{}); err != nil {
					rt.Fatal(err)
				}
			case 1:
				if err := durable.Close(); err != nil {
					rt.Fatal(err)
				}
				if durable, err = open(path, o, impatient); err != nil {
					rt.Fatal(err)
				}
			case 2:
				r := task.SlotRecord{ID: fmt.Sprint("s", id), Task: fmt.Sprint("t", id%3), First: start, Last: start.Add(time.Duration(i) * time.Second), Count: i}
				memory.SaveSlot(r)
				durable.SaveSlot(r)
			default:
				r := task.Run{
					ID: fmt.Sprint("r", id), Task: fmt.Sprint("t", id%3), Queued: queued[id], State: task.RunRunning,
					Trigger: []task.Trigger{task.TriggerSlot, task.TriggerManual}[id%2],
				}
				if rapid.Bool().Draw(rt, "ended") {
					r.State, r.Ended = task.RunEnded, start.Add(time.Duration(i)*time.Second)
					r.Outcome = rapid.SampledFrom([]task.Outcome{task.OutcomeSucceeded, task.OutcomeFailed, task.OutcomeLost}).Draw(rt, "outcome")
				}
				memory.SaveRun(r)
				durable.SaveRun(r)
			}
			if i%5 == 4 || i == steps-1 {
				compareLists(rt, t, memory, durable, start)
			}
		}
		if err := durable.Close(); err != nil {
			rt.Fatal(err)
		}
		if wrong, err := Check(t.Context(), path); err != nil || len(wrong) > 0 {
			rt.Errorf("Check = %q, %v", wrong, err)
		}
	})
}

func compareLists(rt *rapid.T, t *testing.T, memory *Memory, durable *SQLite, start time.Time) {
	some := func(all ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 2, rapid.ID).Draw(rt, "some")
	}
	q := task.RunQuery{Tasks: some("t0", "t1", "t2", "nobody"), Limit: rapid.IntRange(1, 20).Draw(rt, "limit")}
	for _, o := range some("succeeded", "failed", "lost") {
		q.Outcomes = append(q.Outcomes, task.Outcome(o))
	}
	for _, g := range some("slot", "manual") {
		q.Triggers = append(q.Triggers, task.Trigger(g))
	}
	offset := func(name string) time.Time {
		d := rapid.SampledFrom([]time.Duration{1, -8000 * time.Hour, -20 * time.Hour, -time.Minute, -3 * time.Second, 10 * time.Second, 25 * time.Second}).Draw(rt, name)
		if d == 1 {
			return time.Time{}
		}
		return start.Add(d)
	}
	q.Since, q.Until = offset("since"), offset("until")
	theirs := "" // the durable store's cursor
	for {
		want, err := memory.Runs(t.Context(), q)
		if err != nil {
			rt.Fatal(err)
		}
		q2 := q
		q2.Cursor = theirs
		got, err := durable.Runs(t.Context(), q2)
		if diff := cmp.Diff(want.Items, got.Items); err != nil || diff != "" || (want.Next == "") != (got.Next == "") {
			rt.Fatalf("%+v: %v, next %q and %q (-memory +durable):\n%s", q, err, want.Next, got.Next, diff)
		}
		if want.Next == "" {
			break
		}
		q.Cursor, theirs = want.Next, got.Next
	}
	slots := task.SlotQuery{Since: q.Since, Limit: 500}
	if len(q.Tasks) > 0 {
		slots.Task = q.Tasks[0]
	}
	want, err := memory.Slots(t.Context(), slots)
	if err != nil {
		rt.Fatal(err)
	}
	got, err := durable.Slots(t.Context(), slots)
	if diff := cmp.Diff(want.Items, got.Items); err != nil || diff != "" {
		rt.Fatalf("slots %+v: %v (-memory +durable):\n%s", slots, err, diff)
	}
}
