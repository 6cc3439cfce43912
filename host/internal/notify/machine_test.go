package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func allKinds() []Kind { return []Kind{Failed, Degraded, Recovered} }

// stream feeds a machine by hand.
type stream struct {
	m   *machine
	seq uint64
	now time.Time
	got []Message
}

func newStream(n Notifier) *stream {
	n.Name = "ops"
	if n.On == nil {
		n.On = allKinds()
	}
	n.After, n.RecoverAfter = max(n.After, 1), max(n.RecoverAfter, 1)
	everybody := func(string) (map[string]string, bool) { return nil, true }
	return &stream{m: newMachine(n, everybody, memory{}), now: epoch}
}

func (s *stream) event(topic, kind, name, text string) {
	s.seq++
	s.m.event(task.Event{Seq: s.seq, At: s.now, Topic: topic, Kind: kind, Task: name, Run: fmt.Sprint("run", s.seq), Text: text})
}

func (s *stream) ended(name string, outcomes ...task.Outcome) {
	for _, o := range outcomes {
		s.event("run", "ended", name, string(o))
	}
}

func (s *stream) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.got = append(s.got, s.m.messages(s.now)...)
}

// told are the summaries of what was sent.
func (s *stream) told() []string {
	out := []string{}
	for _, m := range s.got {
		out = append(out, m.Summary)
	}
	return out
}

func (s *stream) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.told()); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyTransitionsAreTold(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{})
	for range 3 {
		s.ended("a", task.OutcomeFailed)
		s.pass(time.Second)
	}
	for range 3 {
		s.ended("a", task.OutcomeSucceeded)
		s.pass(time.Second)
	}
	s.want(t, "a failed", "a recovered")
}

func TestRunsThatWereInterruptedOrCancelledNeverCount(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{After: 2})
	s.ended("a", task.OutcomeInterrupted, task.OutcomeCancelled, task.OutcomeSkipped, task.OutcomeFailed, task.OutcomeInterrupted, task.OutcomeCancelled)
	s.pass(time.Second)
	s.want(t)
	s.ended("a", task.OutcomeTimedOut)
	s.pass(time.Second)
	s.ended("a", task.OutcomeCancelled)
	s.pass(time.Second)
	s.want(t, "a failed")
}

func TestAfterAndRecoverAfterCountInARow(t *testing.T) {
	t.Parallel()
	f, ok := task.OutcomeFailed, task.OutcomeSucceeded
	s := newStream(Notifier{After: 3, RecoverAfter: 2})
	s.ended("a", f, f, ok, f, f)
	s.pass(time.Second)
	s.want(t)
	s.ended("a", f)
	s.pass(time.Second)
	s.ended("a", ok, f, ok)
	s.pass(time.Second)
	s.want(t, "a failed")
	if s.got[0].Items[0].Failures != 3 {
		t.Errorf("%d failures in a row", s.got[0].Items[0].Failures)
	}
	s.ended("a", ok)
	s.pass(time.Second)
	s.want(t, "a failed", "a recovered")
}

func TestFortySitesThatFallTogetherAreOneMessage(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{GroupWait: 10 * time.Second})
	for n := range 40 {
		s.ended(fmt.Sprintf("check.%02d", n), task.OutcomeFailed)
		s.pass(200 * time.Millisecond)
	}
	s.want(t)
	s.pass(2 * time.Second)
	s.want(t, "40 failed")
	if n := len(s.got[0].Items); n != 40 {
		t.Errorf("%d items", n)
	}
}

func TestWhatLastsIsRepeatedAndWhatIsOverIsNot(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{Repeat: time.Hour})
	s.ended("a", task.OutcomeFailed)
	s.event("task", "degraded", "b", "stuck: run x")
	s.pass(0)
	s.pass(59 * time.Minute)
	s.pass(time.Minute)
	s.ended("a", task.OutcomeSucceeded)
	s.pass(time.Minute)
	s.pass(2 * time.Hour)
	s.event("task", "recovered", "b", "stuck: run x")
	s.pass(time.Minute)
	s.pass(24 * time.Hour)
	s.want(t, "1 failed, 1 degraded", "1 still failed, 1 still degraded", "a recovered", "b still degraded (stuck)", "b recovered (stuck)")
}

func TestOnlyWhatOnNamesIsTold(t *testing.T) {
	t.Parallel()
	everything := func(s *stream) {
		s.ended("a", task.OutcomeFailed)
		s.event("task", "degraded", "a", "failing: the last run failed")
		s.event("task", "degraded", "a", "late: 3 slots")
		s.pass(time.Second)
		s.ended("a", task.OutcomeSucceeded)
		s.event("task", "recovered", "a", "failing: the last run failed")
		s.event("task", "recovered", "a", "late: 3 slots")
		s.pass(time.Second)
	}
	for name, test := range map[string]struct {
		on   []Kind
		want []string
	}{
		"all":                    {allKinds(), []string{"1 failed, 1 degraded", "2 recovered"}},
		"failed":                 {[]Kind{Failed}, []string{"a failed"}},
		"degraded":               {[]Kind{Degraded}, []string{"a degraded (late)"}},
		"failed and its end":     {[]Kind{Failed, Recovered}, []string{"a failed", "a recovered"}},
		"degraded and its end":   {[]Kind{Degraded, Recovered}, []string{"a degraded (late)", "a recovered (late)"}},
		"failed without its end": {[]Kind{Degraded, Failed}, []string{"1 failed, 1 degraded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStream(Notifier{On: test.on})
			everything(s)
			s.want(t, test.want...)
			if len(s.m.mem.Tasks) > 0 {
				t.Errorf("a task that is well is remembered: %+v", s.m.mem.Tasks)
			}
		})
	}
}

func TestAContinuousTaskThatIsAtWorkAgainHasRecovered(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{RecoverAfter: 3})
	s.ended("a", task.OutcomeFailed)
	s.pass(time.Second)
	s.event("run", "steady", "a", "")
	s.pass(time.Second)
	s.want(t, "a failed", "a recovered")
}

func TestSelectTakesNamesAndLabels(t *testing.T) {
	t.Parallel()
	sel := Select{Tasks: []string{"check.*", "db"}, Labels: map[string]string{"team": "shop"}}
	shop := map[string]string{"team": "shop", "x": "y"}
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   bool
	}{{"check.www.example.org", shop, true}, {"db", shop, true}, {"dbx", shop, false}, {"check", shop, false}, {"db", nil, false}} {
		if got := sel.Takes(test.name, test.labels); got != test.want {
			t.Errorf("%s %v: %v", test.name, test.labels, got)
		}
	}
	if !(Select{}).Takes("any", nil) {
		t.Error("an empty choice does not take all")
	}
}

func TestATaskThatIsNotDeclaredAnyMoreRecoversAndOneThatIsNotChosenIsForgotten(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{})
	s.ended("gone", task.OutcomeFailed)
	s.ended("other", task.OutcomeFailed)
	s.event("task", "degraded", "gone", "late: 3 slots")
	s.pass(time.Second)
	s.m.labels = func(name string) (map[string]string, bool) { return nil, name != "gone" }
	s.m.of.Select.Tasks = []string{"gone"}
	s.m.align(nil, true, s.now)
	s.pass(time.Second)
	s.want(t, "2 failed, 1 degraded", "2 recovered")
	if len(s.m.mem.Tasks) > 0 {
		t.Errorf("remembered: %+v", s.m.mem.Tasks)
	}
}

func TestWhereEventsAreMissingTheStatusesTell(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{After: 2})
	s.ended("ended", task.OutcomeFailed, task.OutcomeFailed)
	s.event("task", "degraded", "ended", "late: 3 slots")
	s.pass(time.Second)
	last := &task.RunSummary{ID: "r", Outcome: task.OutcomeFailed}
	s.m.align([]task.Status{
		{Task: "ended", Health: task.Health{OK: true}, Last: &task.RunSummary{ID: "s", Outcome: task.OutcomeSucceeded}},
		{Task: "once", Failures: 1, Last: last},
		{Task: "ill", Failures: 5, Last: last, Health: task.Health{Reasons: []task.Reason{{Code: "failing"}, {Code: "overlap", Text: "3 slots"}}}},
	}, false, s.now)
	s.pass(time.Second)
	s.want(t, "1 failed, 1 degraded", "1 failed, 1 degraded, 2 recovered")
	s.m.align([]task.Status{{Task: "once", Failures: 1, Last: last}}, false, s.now)
	s.pass(time.Second)
	if len(s.got) != 2 {
		t.Errorf("the same is told again: %v", s.told())
	}
}

func TestAStepBackOfTheClockDelaysNoMessage(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{GroupWait: 10 * time.Second})
	s.ended("a", task.OutcomeFailed)
	s.pass(-time.Hour)
	s.want(t, "a failed")
}

func TestAFloodIsBounded(t *testing.T) {
	t.Parallel()
	s := newStream(Notifier{GroupWait: time.Second})
	for n := range 3000 {
		s.ended(fmt.Sprintf("check.%d", n), task.OutcomeFailed)
	}
	s.pass(time.Second)
	if len(s.got) != 1 || len(s.got[0].Items) != maxItems || s.got[0].More != 3000-maxItems {
		t.Errorf("%d messages, %d items, %d more", len(s.got), len(s.got[0].Items), s.got[0].More)
	}
	text, err := encodeKept(s.m.mem)
	if err != nil || len(text) > 1<<20 {
		t.Errorf("what is kept of 3,000 tasks has %d bytes, %v", len(text), err)
	}
	var back memory
	if err := decodeKept(text, &back); err != nil || len(back.Tasks) != 3000 {
		t.Errorf("%d tasks came back, %v", len(back.Tasks), err)
	}
}

// TestAnythingThatHappensIsToldOnce lets anything happen, restarts the machine from what it kept at any time,
// with events that come twice, and compares what was told with the transitions that a plain reading of the stream gives.
func TestAnythingThatHappensIsToldOnce(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		n := Notifier{After: rapid.IntRange(1, 3).Draw(t, "after"), RecoverAfter: rapid.IntRange(1, 3).Draw(t, "recover"), GroupWait: time.Duration(rapid.IntRange(0, 20).Draw(t, "wait")) * time.Second}
		s := newStream(n)
		want := map[string][]string{} // by task
		ill, well, failed, late := map[string]int{}, map[string]int{}, map[string]bool{}, map[string]bool{}
		var all []task.Event
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			name := rapid.SampledFrom(names).Draw(t, "task")
			switch rapid.IntRange(0, 7).Draw(t, "what") {
			case 0, 1, 2:
				s.ended(name, task.OutcomeFailed)
				ill[name], well[name] = ill[name]+1, 0
				if !failed[name] && ill[name] >= s.m.of.After {
					failed[name] = true
					want[name] = append(want[name], "failed ")
				}
			case 3, 4:
				s.ended(name, task.OutcomeSucceeded)
				ill[name], well[name] = 0, well[name]+1
				if failed[name] && well[name] >= s.m.of.RecoverAfter {
					failed[name] = false
					want[name] = append(want[name], "recovered ")
				}
			case 5:
				on := rapid.Bool().Draw(t, "on")
				s.event("task", map[bool]string{true: "degraded", false: "recovered"}[on], name, "late: 3 slots")
				if on != late[name] {
					late[name] = on
					want[name] = append(want[name], map[bool]string{true: "degraded late", false: "recovered late"}[on])
				}
			case 6:
				s.pass(time.Duration(rapid.IntRange(0, 15).Draw(t, "pass")) * time.Second)
			case 7: // the host is killed, and its successor reads what was kept and a part of the stream again
				text, err := json.Marshal(s.m.mem)
				if err != nil {
					t.Fatal(err)
				}
				var kept memory
				if err := json.Unmarshal(text, &kept); err != nil {
					t.Fatal(err)
				}
				s.m = newMachine(s.m.of, s.m.labels, kept)
				for _, e := range all[max(0, len(all)-5):] {
					s.m.event(e)
				}
			}
			all = append(all, task.Event{Seq: s.seq, At: s.now, Topic: "run", Kind: "ended", Task: name, Text: string(task.OutcomeFailed)})
		}
		s.pass(time.Minute)
		got := map[string][]string{}
		for _, m := range s.got {
			for _, i := range m.Items {
				got[i.Task] = append(got[i.Task], string(i.Kind)+" "+i.Reason)
			}
		}
		for _, name := range names {
			// Within one message the gravest come first: compare as sets, which keeps what was told and how often.
			a, b := slices.Sorted(slices.Values(got[name])), slices.Sorted(slices.Values(want[name]))
			if !slices.Equal(a, b) {
				t.Fatalf("task %s: told %v, want %v", name, got[name], want[name])
			}
		}
	})
}
