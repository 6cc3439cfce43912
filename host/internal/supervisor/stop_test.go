package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

// stubborn ignores what it is told; only a kill ends it.
func stubborn() behaviour {
	b := good()
	b.work, b.onDrain, b.onCancel = -1, -1, -1
	return b
}

func TestStopGoesDownTheLadder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		behaviour func(b *behaviour)
		command   task.Command
		took      time.Duration
		outcome   task.Outcome
		endedIn   string
	}{
		"graceful, it finishes its work":      {func(b *behaviour) {}, task.Command{}, 100 * time.Millisecond, task.OutcomeSucceeded, "drain"},
		"graceful, it returns interrupted":    {func(b *behaviour) { b.status = task.StatusInterrupted }, task.Command{}, 100 * time.Millisecond, task.OutcomeInterrupted, "drain"},
		"graceful, it needs the cancel":       {func(b *behaviour) { b.onDrain = -1 }, task.Command{}, 10*time.Second + 10*time.Millisecond, task.OutcomeInterrupted, "cancel"},
		"graceful, it needs the kill":         {func(b *behaviour) { b.onDrain, b.onCancel = -1, -1 }, task.Command{}, 15*time.Second + 5*time.Millisecond, task.OutcomeInterrupted, "kill"},
		"graceful, with a timeout":            {func(b *behaviour) { b.onDrain = -1 }, task.Command{Timeout: 500 * time.Millisecond}, 510 * time.Millisecond, task.OutcomeInterrupted, "cancel"},
		"hard":                                {func(b *behaviour) {}, task.Command{Mode: task.Hard}, 10 * time.Millisecond, task.OutcomeInterrupted, "cancel"},
		"hard, it needs the kill":             {func(b *behaviour) { b.onCancel = -1 }, task.Command{Mode: task.Hard}, 5*time.Second + 5*time.Millisecond, task.OutcomeInterrupted, "kill"},
		"hard, with a timeout, and the kill":  {func(b *behaviour) { b.onCancel = -1 }, task.Command{Mode: task.Hard, Timeout: time.Second}, time.Second + 5*time.Millisecond, task.OutcomeInterrupted, "kill"},
		"kill":                                {func(b *behaviour) {}, task.Command{Mode: task.Kill}, 5 * time.Millisecond, task.OutcomeInterrupted, "kill"},
		"cancel of the run":                   {func(b *behaviour) {}, task.Command{Verb: task.VerbCancel}, 10 * time.Millisecond, task.OutcomeCancelled, "cancel"},
		"cancel of the run, gracefully":       {func(b *behaviour) {}, task.Command{Verb: task.VerbCancel, Mode: task.Graceful}, 100 * time.Millisecond, task.OutcomeCancelled, "drain"},
		"cancel of a run that needs the kill": {func(b *behaviour) { b.onCancel = -1 }, task.Command{Verb: task.VerbCancel}, 5*time.Second + 5*time.Millisecond, task.OutcomeCancelled, "kill"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, onDemandTask())
			s.behave = func() behaviour {
				b := good()
				b.work = time.Hour
				test.behaviour(&b)
				return b
			}
			s.boot(task.Memory{})
			id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
			s.advance(time.Second)
			if test.command.Verb == "" {
				test.command.Verb = task.VerbStop
			}
			began := s.now
			reply := s.must(test.command)
			if !reply.Changed || len(reply.Runs) != 1 || reply.Runs[0].Stop == nil {
				t.Errorf("reply: changed %t, runs %+v", reply.Changed, reply.Runs)
			}
			s.advance(30 * time.Second)
			r := s.runs[id]
			if r.Outcome != test.outcome || r.EndedIn != test.endedIn || r.Ended.Sub(began) != test.took || r.Stop.Took != test.took {
				t.Errorf("%s in %s after %s (stop %s), want %s in %s after %s", r.Outcome, r.EndedIn, r.Ended.Sub(began), r.Stop.Took, test.outcome, test.endedIn, test.took)
			}
			if test.command.Verb == task.VerbStop && (s.st.word != task.Stopped || s.alive() > 0) {
				t.Errorf("%s with %d processes", s.st.word, s.alive())
			}
		})
	}
}

func TestACallOnlyEverEscalates(t *testing.T) {
	t.Parallel()
	s := newSim(t, onDemandTask())
	s.behave = stubborn
	s.boot(task.Memory{})
	id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
	s.advance(time.Second)
	s.must(task.Command{Verb: task.VerbStop, Actor: "anna"})
	if r := s.must(task.Command{Verb: task.VerbStop}); r.Changed {
		t.Error("the same stop again changed something")
	}
	if r := s.must(task.Command{Verb: task.VerbStop, Mode: task.Hard, Actor: "ben"}); !r.Changed || r.Runs[0].Stop.EscalatedBy != "ben" {
		t.Errorf("a harder stop: %+v", r)
	}
	deadline := s.runs[id].Stop.Deadline
	if r := s.must(task.Command{Verb: task.VerbStop}); r.Changed || !s.runs[id].Stop.Deadline.Equal(deadline) {
		t.Error("a gentler stop changed something")
	}
	if r := s.must(task.Command{Verb: task.VerbStop, Mode: task.Hard, Timeout: time.Second}); !r.Changed {
		t.Error("a shorter stage is no change")
	}
	s.advance(time.Second + 100*time.Millisecond)
	r := s.runs[id]
	want := &task.StopInfo{From: task.StageDrain, Stage: task.StageKill, Began: r.Stop.Began, Actor: "anna", EscalatedBy: "ben", Took: time.Second + 5*time.Millisecond}
	if diff := cmp.Diff(want, r.Stop); diff != "" {
		t.Error(diff)
	}
	if s.must(task.Command{Verb: task.VerbStop}).Changed {
		t.Error("the stop of a stopped task changed something")
	}
}

func TestTimeoutBeginsAtCancelAndCountsAsFailure(t *testing.T) {
	t.Parallel()
	for name, kills := range map[string]bool{"returned": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := periodicTask()
			d.Timeout = 3 * time.Second
			s := newSim(t, d)
			s.behave = func() behaviour {
				b := good()
				b.work = time.Hour
				if kills {
					b.onCancel = -1
				}
				return b
			}
			s.boot(task.Memory{})
			s.advance(20 * time.Second)
			want, launched := "slot timed_out cancel", 1
			if kills {
				want, launched = "slot timed_out kill", 2
			}
			if got := s.outcomes(); len(got) == 0 || got[0] != want {
				t.Errorf("%v, want %s", got, want)
			}
			if s.launched != launched {
				t.Errorf("%d launches, want %d: a process that returned in time stays, a killed one does not", s.launched, launched)
			}
			if h := s.status().Health; h.OK {
				t.Error("health is ok after a timeout")
			}
		})
	}
}

func TestExtendPushesTheDeadlineUpToItsBound(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Timeout, d.MaxTimeout = 10*time.Second, 30*time.Second
	s := newSim(t, d)
	s.behave = working(29 * time.Second) // 5 s + 20 s would not do: it is the deadline that moves
	s.boot(task.Memory{})
	id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
	s.advance(5 * time.Second)
	var granted []bool
	ask := func(by time.Duration) {
		for _, p := range s.procs {
			if p.run == id {
				for _, e := range decide(s.st, reported{task.Extension{ID: p.id, Run: id, By: by}}, s.now) {
					if g, ok := e.(grantEffect); ok {
						granted = append(granted, g.granted)
					} else {
						s.carryOut(e)
					}
				}
			}
		}
	}
	ask(20 * time.Second)
	ask(40 * time.Second)
	if diff := cmp.Diff([]bool{true, false}, granted); diff != "" {
		t.Error(diff)
	}
	s.advance(30 * time.Second)
	if diff := cmp.Diff([]string{"manual succeeded return"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestADrainThatIsExtendedInALoopEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		timeout, maxTimeout, by time.Duration
		end                     time.Duration // of the run, after the stop at 1 s
	}{
		"without a bound of its own":  {0, 0, 10 * time.Minute, 50*time.Minute + 10*time.Second},
		"by small steps":              {0, 0, time.Minute, 59*time.Minute + 10*time.Second},
		"by the bound of the attempt": {time.Minute, 5 * time.Minute, time.Minute, 4*time.Minute + 10*time.Second},
		"when the bound is near":      {time.Minute, 61 * time.Second, time.Minute, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := onDemandTask()
			d.Timeout, d.MaxTimeout = c.timeout, c.maxTimeout
			s := newSim(t, d)
			s.behave = stubborn
			s.boot(task.Memory{})
			id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
			s.advance(time.Second)
			s.must(task.Command{Verb: task.VerbStop})
			began := s.now
			for end := (time.Time{}); s.st.live()[0].Stop.Deadline.After(end); { // until it is refused
				end = s.st.live()[0].Stop.Deadline
				for _, p := range s.procs {
					if p.run == id {
						s.event(reported{task.Extension{ID: p.id, Run: id, By: c.by}})
					}
				}
			}
			live := s.st.live()
			if len(live) != 1 {
				t.Fatalf("%d live runs", len(live))
			}
			if got := live[0].Stop.Deadline.Sub(began); got != c.end {
				t.Errorf("the drain ends after %s, want %s", got, c.end)
			}
			s.advance(c.end + time.Minute)
			if len(s.st.live()) > 0 {
				t.Error("the ladder has not ended")
			}
		})
	}
}

func TestAStopThatHasBegunIsCancelledBeforeTheHostEnds(t *testing.T) {
	t.Parallel()
	begin := map[string]func(s *sim){
		"stop":    func(s *sim) { s.must(task.Command{Verb: task.VerbStop}) },
		"removal": func(s *sim) { s.event(retired{}) },
	}
	for name, stop := range begin {
		s := newSim(t, continuousTask())
		s.behave = func() behaviour {
			b := stubborn()
			b.onCancel = time.Second
			return b
		}
		s.boot(task.Memory{})
		s.advance(time.Second)
		stop(s)
		s.extendSomething(30 * time.Minute)
		s.advance(time.Second)
		s.event(shutdown{by: s.now.Add(s.st.def.Stop.Total())})
		s.advance(s.st.def.Stop.Total() - task.KillBound)
		if diff := cmp.Diff([]string{"start interrupted cancel"}, s.outcomes()); diff != "" || !s.done {
			t.Error(name, diff)
		}
	}
}

func TestAnInterruptedRunGoesOnAtTheNextStart(t *testing.T) {
	t.Parallel()
	tests := map[task.OnInterrupt]struct {
		saves bool
		want  task.Outcome
	}{
		task.InterruptAuto:   {true, task.OutcomeSucceeded},
		task.InterruptDrop:   {true, task.OutcomeInterrupted},
		task.InterruptResume: {false, task.OutcomeSucceeded},
	}
	for policy, test := range tests {
		d := onDemandTask()
		d.OnInterrupt = policy
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.work, b.saves = 5*time.Second, test.saves
			return b
		}
		s.boot(task.Memory{})
		id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
		s.advance(time.Second)
		s.must(task.Command{Verb: task.VerbStop, Mode: task.Kill})
		s.advance(time.Minute)
		s.must(task.Command{Verb: task.VerbStart})
		s.advance(time.Minute)
		if r := s.runs[id]; r.Outcome != test.want || r.State != task.RunEnded {
			t.Errorf("%s: %s %s", policy, r.State, r.Outcome)
		}
	}
}

func TestAPanicReplacesTheProcess(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.behave = func() behaviour {
		b := good()
		b.status = task.StatusPanic
		return b
	}
	s.boot(task.Memory{})
	s.advance(35 * time.Second)
	if s.launched != 4 {
		t.Errorf("%d launches after three panics", s.launched)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	missing := func() behaviour {
		b := good()
		b.launchErr = &task.LaunchError{Kind: task.LaunchMissing, Detail: "there is no plugin p"}
		return b
	}
	tests := map[string]struct {
		def     task.Definition
		behave  func() behaviour
		before  []task.Command
		command task.Command
		code    string
	}{
		"a second run":              {onDemandTask(), working(time.Minute), []task.Command{{Verb: task.VerbRun}}, task.Command{Verb: task.VerbRun}, task.CodeOverlap},
		"more than max_parallel":    {onDemandTask(), working(time.Minute), []task.Command{{Verb: task.VerbRun}}, task.Command{Verb: task.VerbRun, Overlap: task.OverlapAllow}, task.CodeOverlap},
		"run of a stopped task":     {onDemandTask(), good, []task.Command{{Verb: task.VerbStop}}, task.Command{Verb: task.VerbRun}, task.CodeStopped},
		"restart of a stopped task": {onDemandTask(), good, []task.Command{{Verb: task.VerbStop}}, task.Command{Verb: task.VerbRestart}, task.CodeStopped},
		"run of a failed task":      {onDemandTask(), missing, []task.Command{{Verb: task.VerbRun}}, task.Command{Verb: task.VerbRun}, task.CodeFailed},
		"run of a continuous task":  {continuousTask(), good, nil, task.Command{Verb: task.VerbRun}, task.CodeNotPeriodic},
		"backfill without schedule": {onDemandTask(), good, nil, task.Command{Verb: task.VerbBackfill}, task.CodeNotPeriodic},
		"backfill of nothing":       {periodicTask(), good, nil, task.Command{Verb: task.VerbBackfill}, task.CodeInvalid},
		"timeout of no run":         {periodicTask(), good, nil, task.Command{Verb: task.VerbTimeout, Run: "x"}, task.CodeNotRunning},
		"pause until yesterday":     {periodicTask(), good, nil, task.Command{Verb: task.VerbPause, Until: epoch.Add(-time.Hour)}, task.CodeInvalid},
		"an unknown verb":           {periodicTask(), good, nil, task.Command{Verb: "dance"}, task.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, test.def)
			s.behave = test.behave
			s.boot(task.Memory{})
			for _, c := range test.before {
				s.must(c)
			}
			s.advance(time.Second)
			_, err := s.ask(test.command)
			e, ok := errors.AsType[*task.Error](err)
			if !ok || e.Code != test.code {
				t.Fatalf("%v, want %s", err, test.code)
			}
			if e.Code == task.CodeOverlap && e.Run == "" {
				t.Error("the run in the way is not named")
			}
		})
	}
}

func TestNoVerbKeepsATaskThatIsNoLongerDeclared(t *testing.T) {
	t.Parallel()
	for _, verb := range []task.Verb{task.VerbStart, task.VerbRestart, task.VerbReset, task.VerbResume, task.VerbRun, task.VerbStop, task.VerbCancel} {
		d := periodicTask()
		d.Schedule.RunOnStart = true
		s := newSim(t, d)
		s.behave = stubborn
		s.boot(task.Memory{})
		s.must(task.Command{Verb: task.VerbPause})
		s.advance(15 * time.Second)
		if verb != task.VerbRestart {
			s.must(task.Command{Verb: task.VerbStop})
		}
		s.event(retired{})
		_, err := s.ask(task.Command{Verb: verb, CatchUp: true})
		if refused := err != nil; refused == (verb == task.VerbStop || verb == task.VerbCancel) {
			t.Errorf("%s: %v", verb, err)
		}
		s.advance(time.Minute)
		if !s.done {
			t.Errorf("%s: it is still there, and %s", verb, s.st.word)
		}
		for _, r := range s.runs {
			if r.State != task.RunEnded {
				t.Errorf("%s: run %s is left %s", verb, r.ID, r.State)
			}
		}
	}
}

func TestVerbsAreIdempotent(t *testing.T) {
	t.Parallel()
	for _, c := range []task.Command{{Verb: task.VerbStop}, {Verb: task.VerbStart}, {Verb: task.VerbPause, Reason: "move"}, {Verb: task.VerbResume}, {Verb: task.VerbReset}} {
		s := newSim(t, periodicTask())
		s.boot(task.Memory{})
		if c.Verb == task.VerbStart || c.Verb == task.VerbReset {
			s.must(task.Command{Verb: task.VerbStop})
		}
		if c.Verb == task.VerbResume {
			s.must(task.Command{Verb: task.VerbPause})
		}
		if !s.must(c).Changed {
			t.Errorf("%s changed nothing", c.Verb)
		}
		s.advance(time.Second)
		if s.must(c).Changed {
			t.Errorf("%s again changed something", c.Verb)
		}
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.boot(task.Memory{})
	if r := s.must(task.Command{Verb: task.VerbStop, DryRun: true}); !r.Changed {
		t.Error("it would change something")
	}
	if s.st.word != task.Idle || s.overrides != (task.Overrides{}) || !s.must(task.Command{Verb: task.VerbStop}).Changed {
		t.Error("the dry run stopped the task")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Retry = task.Retry{Attempts: 3, Backoff: 10 * time.Second, MaxBackoff: time.Minute}
	tests := map[task.RunStatus]int{task.StatusFailed: 3, task.StatusRetryAfter: 3, task.StatusPermanent: 1, task.StatusUnhealthy: 1, task.StatusPanic: 3, task.StatusSucceeded: 1}
	for status, attempts := range tests {
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.status, b.asked = status, 0
			return b
		}
		s.boot(task.Memory{})
		id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
		s.advance(5 * time.Second)
		if attempts > 1 {
			if _, err := s.ask(task.Command{Verb: task.VerbRun}); err == nil {
				t.Error("a run that waits for its retry is not in the way")
			}
			if w := s.status().Waiting; w == nil || w.For != "retry" {
				t.Errorf("waiting: %+v", w)
			}
		}
		s.advance(5 * time.Minute)
		if r := s.runs[id]; len(r.Attempts) != attempts || r.State != task.RunEnded {
			t.Errorf("%s: %d attempts, want %d", status, len(r.Attempts), attempts)
		}
	}
}

func TestTheResultOfTheLastAttemptIsKeptWhateverItsOutcome(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Retry = task.Retry{Attempts: 2, Backoff: time.Second, MaxBackoff: time.Minute, On: []task.ErrorClass{task.ErrorUnhealthy}}
	for name, c := range map[string]struct {
		second behaviour
		want   string
	}{
		"unhealthy": {behaviour{status: task.StatusUnhealthy, result: `{"ok":false,"n":2}`}, `{"ok":false,"n":2}`},
		"succeeded": {behaviour{status: task.StatusSucceeded, result: `{"ok":true}`}, `{"ok":true}`},
		"failed":    {behaviour{status: task.StatusFailed}, ""},
		"crashed":   {behaviour{crashes: true}, ""},
	} {
		s := newSim(t, d)
		first := behaviour{status: task.StatusUnhealthy, result: `{"ok":false,"n":1}`}
		s.behave = func() behaviour { return first }
		s.boot(task.Memory{})
		id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
		for len(s.runs[id].Attempts) < 1 || s.runs[id].Attempts[0].Ended.IsZero() {
			s.advance(time.Millisecond)
		}
		if got := string(s.runs[id].Result); got != first.result {
			t.Errorf("%s: after the first attempt the result is %q", name, got)
		}
		for _, p := range s.procs {
			p.b = c.second
		}
		s.advance(5 * time.Second)
		if r := s.runs[id]; string(r.Result) != c.want || len(r.Attempts) != 2 {
			t.Errorf("%s: %d attempts, the result is %q, want %q", name, len(r.Attempts), r.Result, c.want)
		}
	}
}

func TestMoreAttemptsThanARunRemembersEnd(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Retry = task.Retry{Attempts: maxAttempts + 50, Backoff: time.Second, MaxBackoff: time.Second}
	fates := map[string]func(b *behaviour){
		"run":    func(b *behaviour) { b.status = task.StatusFailed },
		"launch": func(b *behaviour) { b.launchErr = &task.LaunchError{Kind: task.LaunchTimeout} },
	}
	for name, fate := range fates {
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			fate(&b)
			return b
		}
		s.boot(task.Memory{})
		id := s.must(task.Command{Verb: task.VerbRun}).Runs[0].ID
		s.advance(time.Hour)
		r := s.runs[id]
		if n := len(r.Attempts); n != maxAttempts || r.Attempts[n-1].Number != d.Retry.Attempts || r.State != task.RunEnded {
			t.Errorf("%s fails: it is %s after attempt %d and remembers %d", name, r.State, r.Attempts[n-1].Number, n)
		}
	}
}

func TestARetryAfterTheNextSlotIsDropped(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Retry = task.Retry{Attempts: 3, Backoff: 15 * time.Second, MaxBackoff: time.Minute}
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.status = task.StatusFailed
		return b
	}
	s.boot(task.Memory{})
	s.advance(15 * time.Second)
	for _, r := range s.runs {
		if len(r.Attempts) != 1 || r.Note == "" || r.Outcome != task.OutcomeFailed {
			t.Errorf("%d attempts, note %q, %s", len(r.Attempts), r.Note, r.Outcome)
		}
	}
}
