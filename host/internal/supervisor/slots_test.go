package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

// working is a behaviour whose runs take so long.
func working(d time.Duration) func() behaviour {
	return func() behaviour {
		b := good()
		b.work = d
		return b
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		overlap  task.Overlap
		outcomes []string
		records  []string
	}{
		"skip records the slots that find a run at work": {
			task.OverlapSkip,
			[]string{"slot succeeded return", "slot succeeded return"},
			[]string{"skipped(overlap) 2", "skipped(overlap) 2"},
		},
		"queue keeps one and the newest wins": {
			task.OverlapQueue,
			[]string{"slot succeeded return", "slot succeeded return"},
			[]string{"skipped(overlap) 1", "skipped(overlap) 2"},
		},
		"cancel_running makes way for every slot": {
			task.OverlapCancel,
			[]string{"slot cancelled cancel", "slot cancelled cancel", "slot cancelled cancel", "slot cancelled cancel", "slot cancelled cancel"},
			[]string{},
		},
		"allow runs side by side up to max_parallel": {
			task.OverlapAllow,
			[]string{"slot succeeded return", "slot succeeded return", "slot succeeded return"},
			[]string{"skipped(overlap) 1", "skipped(overlap) 1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := periodicTask()
			d.Schedule.Overlap, d.Schedule.MaxParallel = test.overlap, 2
			s := newSim(t, d)
			s.behave = working(25 * time.Second)
			s.boot(task.Memory{})
			s.advance(66 * time.Second)
			if diff := cmp.Diff(test.outcomes, s.outcomes()); diff != "" {
				t.Error("outcomes", diff)
			}
			if diff := cmp.Diff(test.records, s.records()); diff != "" {
				t.Error("records", diff)
			}
			s.checkSlots()
		})
	}
}

func TestARunThatWaitsForItsRetryMakesWayForANewerSlot(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Overlap = task.OverlapCancel
	d.Retry = task.Retry{Attempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour}
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.status = task.StatusFailed
		return b
	}
	s.boot(task.Memory{})
	s.must(task.Command{Verb: task.VerbRun})
	s.advance(5 * time.Second)
	s.behave = good
	for _, p := range s.procs {
		p.b = good()
	}
	s.advance(20 * time.Second)
	if diff := cmp.Diff([]string{"manual cancelled queue", "slot succeeded return", "slot succeeded return"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestASlotNeverReplacesAManualRunInTheQueue(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Overlap = task.OverlapQueue
	s := newSim(t, d)
	s.behave = working(25 * time.Second)
	s.boot(task.Memory{})
	s.advance(11 * time.Second)
	manual := s.must(task.Command{Verb: task.VerbRun, Overlap: task.OverlapQueue}).Runs[0]
	s.advance(20 * time.Second)
	if diff := cmp.Diff([]string{"skipped(overlap) 2"}, s.records()); diff != "" {
		t.Error(diff)
	}
	s.advance(30 * time.Second)
	if r := s.runs[manual.ID]; r.Outcome != task.OutcomeSucceeded {
		t.Errorf("the manual run: %s %s", r.State, r.Outcome)
	}
}

func TestWhatHoldsASlotIsRecorded(t *testing.T) {
	t.Parallel()
	pause := func(s *sim) { s.must(task.Command{Verb: task.VerbPause}) }
	tests := map[string]struct {
		before func(s *sim)
		want   []string
	}{
		"paused":      {pause, []string{"skipped(paused) 6"}},
		"host paused": {func(s *sim) { s.event(hostPaused{override: &task.Override{By: "ben"}}) }, []string{"skipped(paused) 6"}},
		"draining":    {func(s *sim) { s.event(drained{on: true}) }, []string{"skipped(shutdown) 6"}},
		"dependency": {func(s *sim) {
			s.must(task.Command{Verb: task.VerbStop})
			s.event(gated{[]string{"redis"}})
			s.must(task.Command{Verb: task.VerbStart})
		}, []string{"skipped(dependency) 6"}},
		"stopped": {func(s *sim) { s.must(task.Command{Verb: task.VerbStop}) }, []string{}},
		"group":   {func(s *sim) { s.holdGate = true }, []string{"skipped(group) 5"}},
		"failed": {func(s *sim) {
			s.behave = func() behaviour {
				b := good()
				b.launchErr = &task.LaunchError{Kind: task.LaunchMissing, Detail: "there is no plugin p"}
				return b
			}
			s.must(task.Command{Verb: task.VerbRestart})
		}, []string{"skipped(failed) 6"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := periodicTask()
			d.Groups = []string{"g"}
			s := newSim(t, d)
			s.boot(task.Memory{})
			s.advance(time.Second)
			test.before(s)
			s.advance(60 * time.Second)
			if diff := cmp.Diff(test.want, s.records()); diff != "" {
				t.Error(diff)
			}
			s.checkSlots()
		})
	}
}

func TestAClockThatIsSetBackFiresNoSlotTwice(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.boot(task.Memory{})
	s.advance(65 * time.Second)
	before := len(s.outcomes())
	s.step(-time.Hour)
	s.advance(59 * time.Minute)
	if after := len(s.outcomes()); after != before {
		t.Errorf("%d runs after the step back", after-before)
	}
	s.advance(2 * time.Minute)
	if after := len(s.outcomes()); after == before {
		t.Error("no slot came after the high-water mark")
	}
}

func TestAFixedDelayIsNoLongerForAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Every, d.Schedule.HasOffset = 0, false
	d.Schedule.HasAfter, d.Schedule.After = true, 10*time.Second
	lives := map[string]func(s *sim){
		"while it runs": func(s *sim) {
			s.boot(task.Memory{})
			s.advance(15 * time.Second)
			s.step(-time.Hour)
		},
		"before its first run": func(s *sim) { s.boot(task.Memory{}).step(-time.Hour) },
		"while it is down":     func(s *sim) { s.boot(task.Memory{LastEnd: epoch.Add(time.Hour)}) },
	}
	for name, live := range lives {
		s := newSim(t, d)
		live(s)
		before := len(s.outcomes())
		s.advance(12 * time.Second)
		if n := len(s.outcomes()) - before; n != 1 {
			t.Errorf("%s: %d runs after a delay, want 1", name, n)
		}
	}
}

func TestAClockStepMovesDeadlinesAlong(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Timeout = 30 * time.Second
	s := newSim(t, d)
	s.behave = working(20 * time.Second)
	s.boot(task.Memory{})
	s.must(task.Command{Verb: task.VerbRun})
	s.advance(time.Second)
	s.step(time.Hour)
	s.advance(30 * time.Second)
	if diff := cmp.Diff([]string{"manual succeeded return"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestASlotThatIsDueWhenItsTaskChangesIsNotForgotten(t *testing.T) {
	t.Parallel()
	changes := map[string]func(s *sim){
		"another jitter": func(s *sim) {
			d := *s.st.def
			d.Schedule.Jitter = time.Second
			s.event(defined{definition{def: &d, gen: 2, plan: compile(t, &d)}})
		},
		"disabled": func(s *sim) {
			d := *s.st.def
			d.Enabled = false
			s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
		},
		"removed": func(s *sim) { s.event(retired{}) },
		"stopped": func(s *sim) { s.must(task.Command{Verb: task.VerbStop}) },
	}
	for name, change := range changes {
		s := newSim(t, periodicTask())
		s.boot(task.Memory{})
		s.advance(5 * time.Second)
		slot := s.st.nextSlot
		s.now = slot.Add(time.Millisecond) // the loop hears of the change before it looks at the clock
		change(s)
		s.advance(5 * time.Second)
		if n := s.covered()[slot]; n != 1 {
			t.Errorf("%s: the slot stands in %d places, want 1", name, n)
		}
	}
}

func TestATaskThatIsDeclaredAgainWhileItDrainsHasItsSlots(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	s := newSim(t, d)
	s.behave = stubborn
	s.boot(task.Memory{})
	s.advance(15 * time.Second)
	s.event(retired{})
	s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
	s.behave = good
	s.advance(30 * time.Second)
	if diff := cmp.Diff([]string{"skipped(overlap) 2"}, s.records()); diff != "" {
		t.Error(diff)
	}
	s.checkSlots()
}

func TestDowntimeIsCaughtUpAsThePolicySays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy   task.CatchUp
		outcomes int
		records  []string
	}{
		"none":   {task.CatchUp{Policy: task.CatchUpNone}, 0, []string{"missed(downtime) 6"}},
		"latest": {task.CatchUp{Policy: task.CatchUpLatest, Window: time.Hour}, 1, []string{"missed(downtime) 5"}},
		"all":    {task.CatchUp{Policy: task.CatchUpAll, Max: 4}, 4, []string{"missed(downtime) 2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := periodicTask()
			d.Schedule.CatchUp = test.policy
			s := newSim(t, d)
			s.boot(task.Memory{LastSlot: epoch.Add(-60 * time.Second)})
			s.advance(9 * time.Second)
			if n := len(s.outcomes()); n != test.outcomes {
				t.Errorf("%d runs, want %d", n, test.outcomes)
			}
			if diff := cmp.Diff(test.records, s.records()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAfterIsAFixedDelayFromTheEnd(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Every, d.Schedule.HasOffset = 0, false
	d.Schedule.HasAfter, d.Schedule.After = true, 10*time.Second
	s := newSim(t, d)
	s.behave = working(3 * time.Second)
	s.boot(task.Memory{LastEnd: epoch.Add(-4 * time.Second)})
	s.advance(60 * time.Second)
	if n := len(s.outcomes()); n != 4 {
		t.Errorf("%d runs in a minute of ten seconds and three of work, want 4", n)
	}
	s.must(task.Command{Verb: task.VerbPause})
	s.advance(time.Minute)
	if diff := cmp.Diff([]string{}, s.records()); diff != "" {
		t.Error("a delay that is held is no slot that is skipped", diff)
	}
}

func TestARunThatIsAskedForLaterHoldsUpNothing(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Every, d.Schedule.HasOffset = 0, false
	d.Schedule.HasAfter, d.Schedule.After, d.Schedule.RunOnStart = true, 10*time.Second, true
	s := newSim(t, d)
	s.boot(task.Memory{Interrupted: []task.Run{{ID: "tonight", Trigger: task.TriggerManual, State: task.RunQueued, NotBefore: epoch.Add(12 * time.Hour)}}})
	s.must(task.Command{Verb: task.VerbRun, At: s.now.Add(45 * time.Second)})
	s.advance(time.Minute)
	want := []string{
		"start succeeded return", "slot succeeded return", "slot succeeded return", "slot succeeded return", "slot succeeded return",
		"manual succeeded return", "slot succeeded return",
	}
	if diff := cmp.Diff(want, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestRunOnStart(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Every, d.Schedule.RunOnStart = time.Hour, true
	s := newSim(t, d)
	s.boot(task.Memory{})
	s.advance(5 * time.Second)
	changed := d
	changed.Schedule.Every = 2 * time.Hour
	s.event(defined{definition{def: &changed, gen: 2, plan: compile(t, &changed)}})
	s.advance(5 * time.Second)
	s.must(task.Command{Verb: task.VerbStop})
	s.must(task.Command{Verb: task.VerbStart})
	s.advance(5 * time.Second)
	if diff := cmp.Diff([]string{"start succeeded return", "start succeeded return"}, s.outcomes()); diff != "" {
		t.Error("at boot and at start, not at a reload", diff)
	}
}

func TestJitterDelaysTheRunAndNotTheSlot(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Jitter = 5 * time.Second
	s := newSim(t, d)
	s.boot(task.Memory{})
	s.advance(95 * time.Second)
	late := false
	for _, r := range s.runs {
		by := r.Started.Sub(r.Slot)
		if by < 0 || by > 5*time.Second || r.Slot.Second()%10 != 0 {
			t.Errorf("slot %s began %s late", r.Slot, by)
		}
		late = late || by > 100*time.Millisecond
	}
	if !late || len(s.runs) < 9 {
		t.Errorf("%d runs, jitter seen: %t", len(s.runs), late)
	}
}

func TestResumeCatchesUpOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, ask := range []bool{false, true} {
		d := periodicTask()
		d.Schedule.Every = time.Hour
		s := newSim(t, d)
		s.boot(task.Memory{})
		s.must(task.Command{Verb: task.VerbPause})
		s.advance(2*time.Hour + 20*time.Minute)
		s.must(task.Command{Verb: task.VerbResume, CatchUp: ask})
		s.advance(5 * time.Minute)
		if n := len(s.outcomes()); (n == 1) != ask {
			t.Errorf("catch up %t: %d runs", ask, n)
		}
	}
}

func TestAQueuedSlotThatNobodyKnowsOfIsFoundDueAfterACrash(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Overlap = task.OverlapQueue
	s := newSim(t, d)
	s.behave = working(time.Minute)
	s.boot(task.Memory{})
	s.advance(21 * time.Second)
	mark := s.statuses[len(s.statuses)-1].LastSlot
	if second := epoch.Truncate(10 * time.Second).Add(20 * time.Second); !mark.Before(second) {
		t.Errorf("the journal's high-water mark %s covers the slot of %s, whose run is written nowhere", mark, second)
	}
}

func TestAResumedHostCatchesUpWhenAsked(t *testing.T) {
	t.Parallel()
	for _, catchUp := range []bool{false, true} {
		s := newSim(t, periodicTask())
		s.boot(task.Memory{})
		s.advance(time.Second)
		s.event(hostPaused{override: &task.Override{By: "ben", At: s.now}})
		s.advance(60 * time.Second)
		before := len(s.runs)
		s.event(hostPaused{catchUp: catchUp})
		s.advance(time.Second)
		if ran := len(s.runs) > before; ran != catchUp {
			t.Errorf("catch up %v: a skipped slot ran: %v", catchUp, ran)
		}
	}
}
