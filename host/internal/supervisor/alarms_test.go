package supervisor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
	"pgregory.net/rapid"
)

// codes are why the task is degraded.
func (s *sim) codes() []string {
	out := []string{}
	for _, r := range s.status().Health.Reasons {
		out = append(out, r.Code)
	}
	return out
}

// alarmsTold are the alarms that events told of, in order.
func (s *sim) alarmsTold() []string {
	out := []string{}
	for _, e := range s.events {
		kind, text, _ := strings.Cut(e, " ")
		if code, _, _ := strings.Cut(text, ": "); kind == task.EventDegraded || kind == task.EventRecovered {
			out = append(out, kind+" "+code)
		}
	}
	return out
}

func (s *sim) wantCodes(t *testing.T, when string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.codes()); diff != "" {
		t.Errorf("%s: %s", when, diff)
	}
}

func TestSlotsThatOverlapSkipsInARowDegradeTheTaskUntilAsManyRan(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	work := 45 * time.Second
	s.behave = func() behaviour { return working(work)() }
	s.boot(task.Memory{})
	s.advance(35 * time.Second)
	s.wantCodes(t, "after two skipped slots")
	s.advance(10 * time.Second)
	s.wantCodes(t, "after three", task.ReasonOverlap)
	if text := s.status().Health.Reasons[0].Text; !strings.Contains(text, "3 slots in a row") || !strings.Contains(text, ";") {
		t.Errorf("the reason does not say what and the remedy: %s", text)
	}
	work = time.Second
	for _, p := range s.procs {
		p.b.work = work
	}
	s.advance(30 * time.Second)
	s.wantCodes(t, "after two slots that ran", task.ReasonOverlap)
	s.advance(10 * time.Second)
	s.wantCodes(t, "after three slots that ran")
	if diff := cmp.Diff([]string{"degraded overlap", "recovered overlap"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestSlotsThatBeginLateInARowDegradeTheTask(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Process, d.Alarm.LateBy = task.ProcessRun, 2*time.Second
	launch := 5 * time.Second
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.launch = launch
		return b
	}
	s.st.launchTime = 0
	s.boot(task.Memory{})
	s.holdGate = false
	late := 0
	for late < 3 {
		// Each process takes longer than the launches so far let expect, so no launch ahead is early enough.
		launch += 4 * time.Second
		s.advance(10 * time.Second)
		late = s.st.alarms.late.ill
		if s.now.Sub(epoch) > 5*time.Minute {
			t.Fatal("no slot was late")
		}
	}
	if !slices.Contains(s.codes(), task.ReasonLate) {
		t.Errorf("it is degraded by %v", s.codes())
	}
	launch = time.Millisecond
	s.advance(2 * time.Minute)
	if slices.Contains(s.codes(), task.ReasonLate) {
		t.Errorf("it is still degraded by %v", s.codes())
	}
}

func TestSlotsThatTheHostMissesDegradeTheTask(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask()).boot(task.Memory{})
	s.advance(11 * time.Second)
	s.now = s.now.Add(40 * time.Second) // nobody looked meanwhile
	s.event(ticked{})
	s.wantCodes(t, "after an overload", task.ReasonMissed)
	s.advance(40 * time.Second)
	s.wantCodes(t, "after as many slots that ran")
}

func TestSlotsMissedWhileTheHostWasDownCountOnlyWhereTheyAreCaughtUp(t *testing.T) {
	t.Parallel()
	for policy, want := range map[task.CatchUpPolicy][]string{task.CatchUpNone: nil, task.CatchUpLatest: {task.ReasonMissed}} {
		d := periodicTask()
		d.Schedule.CatchUp = task.CatchUp{Policy: policy, Window: time.Second}
		s := newSim(t, d).boot(task.Memory{LastSlot: epoch.Add(-time.Minute)})
		s.wantCodes(t, string(policy), want...)
	}
}

func TestATaskWithoutSuccessForTooLongIsDegraded(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Alarm = task.Alarm{NoSuccess: time.Minute}
	status := task.StatusFailed
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.status = status
		return b
	}
	s.boot(task.Memory{})
	s.advance(59 * time.Second)
	s.wantCodes(t, "before its time")
	s.advance(2 * time.Second)
	s.wantCodes(t, "after it", task.ReasonNoSuccess)
	status = task.StatusSucceeded
	for _, p := range s.procs {
		p.b.status = status
	}
	s.advance(11 * time.Second)
	s.wantCodes(t, "after a success")
	s.must(task.Command{Verb: task.VerbPause, Actor: "ben"})
	s.advance(time.Hour)
	s.wantCodes(t, "while it is paused")
	s.must(task.Command{Verb: task.VerbResume, Actor: "ben"})
	s.wantCodes(t, "right after it is resumed")
	if diff := cmp.Diff([]string{"degraded no_success", "recovered no_success"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestAHostThatComesBackAfterDaysGivesItsTasksTimeToSucceed(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Alarm = task.Alarm{NoSuccess: time.Minute}
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.status = task.StatusFailed
		return b
	}
	s.boot(task.Memory{LastSuccess: epoch.Add(-48 * time.Hour)})
	s.advance(19 * time.Second)
	s.wantCodes(t, "at first")
	s.advance(2 * time.Second)
	s.wantCodes(t, "after a third of the time", task.ReasonNoSuccess)
}

func TestFailingBeginsAndEndsAfterSoManyRunsInARow(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Alarm = task.Alarm{Failing: 3}
	status := task.StatusFailed
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.status = status
		return b
	}
	set := func(now task.RunStatus) {
		status = now
		for _, p := range s.procs {
			p.b.status = now
		}
	}
	s.boot(task.Memory{})
	s.advance(25 * time.Second)
	s.wantCodes(t, "after two failures")
	s.advance(10 * time.Second)
	s.wantCodes(t, "after three", task.ReasonFailing)
	set(task.StatusSucceeded)
	s.advance(10 * time.Second)
	set(task.StatusFailed)
	s.advance(10 * time.Second)
	s.wantCodes(t, "after a success between failures", task.ReasonFailing)
	set(task.StatusSucceeded)
	s.advance(30 * time.Second)
	s.wantCodes(t, "after three successes")
	if diff := cmp.Diff([]string{"degraded failing", "recovered failing"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestAlarmsThatAreOffStayOff(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Alarm, d.StuckAfter = task.Alarm{}, time.Second
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := working(45 * time.Second)()
		b.status = task.StatusFailed
		return b
	}
	s.boot(task.Memory{})
	s.advance(3 * time.Minute)
	s.wantCodes(t, "with every alarm off")
	if told := s.alarmsTold(); len(told) > 0 {
		t.Errorf("told %v", told)
	}
}

func TestDeadLettersAndAlertsDegradeTheTaskUntilTheyAreGone(t *testing.T) {
	t.Parallel()
	d := continuousTask()
	d.Consume = &task.Consume{Queue: "urls", Concurrency: 1}
	s := newSim(t, d)
	s.behave = working(-1)
	s.boot(task.Memory{})
	s.event(buried{2})
	s.event(alerted{[]task.Reason{{Code: "alert:slow", Text: "latency"}}})
	s.wantCodes(t, "with both", task.ReasonDeadLetters, "alert:slow")
	s.event(buried{0})
	s.event(alerted{nil})
	s.wantCodes(t, "without")
	want := []string{"degraded dead_letters", "degraded alert:slow", "recovered dead_letters", "recovered alert:slow"}
	if diff := cmp.Diff(want, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestARestartOfTheHostTellsNoAlarmTwiceAndForgetsNone(t *testing.T) {
	t.Parallel()
	d := continuousTask()
	d.Consume = &task.Consume{Queue: "urls", Concurrency: 1}
	health := &task.Health{Reasons: []task.Reason{{Code: task.ReasonDeadLetters, Text: "2 dead letters"}, {Code: "alert:slow", Text: "slow"}}}
	s := newSim(t, d)
	s.behave = working(-1)
	s.boot(task.Memory{Health: health})
	s.wantCodes(t, "before anybody has counted", task.ReasonDeadLetters, "alert:slow")
	s.event(buried{2})
	s.event(alerted{health.Reasons[1:]})
	s.wantCodes(t, "after", task.ReasonDeadLetters, "alert:slow")
	if told := s.alarmsTold(); len(told) > 0 {
		t.Errorf("told again: %v", told)
	}

	p := periodicTask()
	p.Schedule.HasAfter = false
	s = newSim(t, p)
	s.boot(task.Memory{Health: &task.Health{Reasons: []task.Reason{{Code: task.ReasonOverlap, Text: "3 slots"}, {Code: task.ReasonCrashLoop, Text: "x"}}}})
	s.wantCodes(t, "a counted alarm is kept", task.ReasonOverlap)
	s.advance(31 * time.Second)
	if diff := cmp.Diff([]string{"recovered crash_loop", "recovered overlap"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

// loops is a continuous task that fails until well is set, in a crash loop of an earlier life of the host.
func loops(t *testing.T) (s *sim, well *bool) {
	t.Helper()
	d := continuousTask()
	d.Continuous.Restart = task.Restart{Policy: task.RestartOnFailure, Backoff: time.Second, MaxBackoff: 10 * time.Second, ResetAfter: time.Minute, MaxFailures: 3, Window: 10 * time.Minute}
	d.Alarm.CrashLoop = true
	d.Alarm.Failing = 0
	s, well = newSim(t, d), new(false)
	s.behave = func() behaviour {
		if *well {
			return working(-1)()
		}
		b := working(time.Second)()
		b.status = task.StatusFailed
		return b
	}
	s.boot(task.Memory{Failures: 9, Health: &task.Health{Reasons: []task.Reason{{Code: task.ReasonCrashLoop, Text: "it keeps failing"}}}})
	return s, well
}

func TestACrashLoopAcrossARestartOfTheHostEndsOnceAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	s, well := loops(t)
	s.wantCodes(t, "at the start of the host", task.ReasonCrashLoop)
	s.advance(2 * time.Minute)
	s.wantCodes(t, "in the loop again", task.ReasonCrashLoop)
	if !s.st.crashLoop {
		t.Errorf("it is %s: the test has no crash loop", s.status().State)
	}
	if told := s.alarmsTold(); len(told) > 0 {
		t.Errorf("nothing has changed, and it was told: %v", told)
	}
	*well = true
	for _, p := range s.procs { // those that are up learn it too
		p.b = s.behave()
	}
	s.advance(2 * time.Minute)
	s.wantCodes(t, "after a minute without a failure")
	if diff := cmp.Diff([]string{"recovered crash_loop"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestACrashLoopThatTheNextHostDoesNotSeeEndsAfterAsMuchHealth(t *testing.T) {
	t.Parallel()
	s, well := loops(t)
	*well = true
	for _, p := range s.procs {
		p.b = s.behave()
	}
	s.advance(30 * time.Second)
	s.wantCodes(t, "before it has been well for long", task.ReasonCrashLoop)
	s.advance(time.Minute + 30*time.Second)
	s.wantCodes(t, "after a minute")
	if diff := cmp.Diff([]string{"recovered crash_loop"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

func TestACrashLoopOfAnEarlierHostEndsWithAStop(t *testing.T) {
	t.Parallel()
	s, _ := loops(t)
	s.must(task.Command{Verb: task.VerbStop})
	s.advance(time.Minute)
	s.wantCodes(t, "after a stop")
	if diff := cmp.Diff([]string{"recovered crash_loop"}, s.alarmsTold()); diff != "" {
		t.Error(diff)
	}
}

// TestAStreakIsOnFromItsLimitUntilAsManyWereWell checks streak against the history that it has no room for.
func TestACrashLoopEndsWithTheModeThatHasOne(t *testing.T) {
	t.Parallel()
	s := newSim(t, continuousTask())
	s.behave = func() behaviour {
		b := good()
		b.work, b.crashes = 100*time.Millisecond, true
		return b
	}
	s.boot(task.Memory{})
	s.advance(2 * time.Minute)
	s.behave = good
	d := periodicTask()
	s.event(defined{definition{def: &d, gen: 2, plan: compile(t, &d)}})
	s.advance(time.Minute)
	if st := s.status(); !st.Health.OK || st.Last.Outcome != task.OutcomeSucceeded {
		t.Errorf("it is %+v after %+v", st.Health, st.Last)
	}
}

func TestAStreakIsOnFromItsLimitUntilAsManyWereWell(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		var s streak
		var history []bool // ill
		on := false
		for _, ill := range rapid.SliceOfN(rapid.Bool(), 0, 40).Draw(t, "ill") {
			history = append(history, ill)
			if ill {
				s.illBy(1, limit)
			} else {
				s.wellOnce(limit)
			}
			if n := len(history); n >= limit && !slices.Contains(history[n-limit:], !ill) {
				on = ill
			}
			if s.on != on {
				t.Fatalf("on %v after %v, limit %d", s.on, history, limit)
			}
		}
		s.fit(0)
		if s.on {
			t.Fatal("on without a limit")
		}
	})
}

// TestAlarmEventsAreTheHistoryOfHealth lets anything happen to a task, and compares what was told with what is shown.
func TestAlarmEventsAreTheHistoryOfHealth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDefinition(t)
		d.Alarm = usualAlarms()
		d.Alarm.NoSuccess = seconds(t, "no_success", 0, 60)
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.work = time.Duration(rapid.IntRange(1, 40).Draw(t, "work")) * time.Second
			b.status = rapid.SampledFrom([]task.RunStatus{task.StatusSucceeded, task.StatusFailed}).Draw(t, "status")
			if rapid.IntRange(0, 9).Draw(t, "launch") == 0 {
				b.launchErr = errors.New("no process")
			}
			return b
		}
		s.boot(task.Memory{})
		on := map[string]bool{}
		told := 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			s.advance(time.Duration(rapid.IntRange(1, 30).Draw(t, "pass")) * time.Second)
			all := s.alarmsTold()
			for _, e := range all[told:] {
				kind, code, _ := strings.Cut(e, " ")
				if was := on[code]; was == (kind == task.EventDegraded) {
					t.Fatalf("%s was told while it was %v: %v", e, was, all)
				}
				on[code] = kind == task.EventDegraded
			}
			told = len(all)
			for _, shown := range s.statuses[len(s.statuses)-1].Health.Reasons {
				if !on[shown.Code] {
					t.Fatalf("%s is shown and was not told: %v", shown.Code, all)
				}
			}
			if n := len(s.statuses[len(s.statuses)-1].Health.Reasons); n == 0 {
				for code, is := range on {
					if is {
						t.Fatalf("%s was told and is not shown: %v", code, all)
					}
				}
			}
		}
	})
}

func TestAContinuousTaskThatIsAtWorkForLongEnoughIsWellAgain(t *testing.T) {
	t.Parallel()
	s := newSim(t, continuousTask())
	crash := true
	s.behave = func() behaviour {
		b := good()
		b.work, b.crashes = time.Hour, false
		if crash {
			b.work, b.crashes = 100*time.Millisecond, true
		}
		return b
	}
	s.boot(task.Memory{})
	s.advance(3 * time.Minute)
	s.wantCodes(t, "in a crash loop", task.ReasonFailing, task.ReasonCrashLoop)
	crash = false
	s.advance(30 * time.Second)
	s.wantCodes(t, "mended, but not at work for a minute", task.ReasonFailing, task.ReasonCrashLoop)
	s.advance(3 * time.Minute)
	s.wantCodes(t, "at work for more than a minute")
	if s.status().Failures != 0 {
		t.Errorf("%d failures in a row", s.status().Failures)
	}
}

func TestATaskWhoseSlotsAreAllSkippedHasNoSuccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*task.Definition)
		behave func(*behaviour)
		world  func(*sim)
		unmet  []string
	}{
		"by overlap":      {behave: func(b *behaviour) { b.work = -1 }},
		"by its group":    {change: func(d *task.Definition) { d.Groups = []string{"g"} }, world: func(s *sim) { s.holdGate = true }},
		"by a dependency": {unmet: []string{"db is ready"}},
		"by its launch":   {behave: func(b *behaviour) { b.hangs = true }},
		"by a failure": {behave: func(b *behaviour) {
			b.launchErr = &task.LaunchError{Kind: task.LaunchMissing, Detail: "it is not there"}
		}},
		"by its own word": {behave: func(b *behaviour) { b.status = task.StatusSkipped }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := periodicTask()
			d.Alarm = task.Alarm{NoSuccess: time.Minute}
			if c.change != nil {
				c.change(&d)
			}
			s := newSim(t, d)
			s.behave = func() behaviour {
				b := good()
				if c.behave != nil {
					c.behave(&b)
				}
				return b
			}
			if c.world != nil {
				c.world(s)
			}
			s.event(booted{unmet: c.unmet})
			s.advance(50 * time.Second)
			if slices.Contains(s.codes(), task.ReasonNoSuccess) {
				t.Errorf("before its time: %v", s.codes())
			}
			s.advance(20 * time.Second)
			if !slices.Contains(s.codes(), task.ReasonNoSuccess) {
				t.Errorf("degraded by %v; slots %v", s.codes(), s.records())
			}
		})
	}
}
