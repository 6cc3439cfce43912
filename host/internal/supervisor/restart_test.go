package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestRestartPolicies(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy task.RestartPolicy
		status task.RunStatus
		runs   int // after eight seconds of runs of a second
		state  task.State
	}{
		"on_failure ends with a clean return": {task.RestartOnFailure, task.StatusSucceeded, 1, task.CompletedState},
		"on_failure goes on after a failure":  {task.RestartOnFailure, task.StatusFailed, 3, task.Backoff},
		"always goes on after a clean return": {task.RestartAlways, task.StatusSucceeded, 7, task.Running},
		"always goes on after a failure":      {task.RestartAlways, task.StatusFailed, 3, task.Backoff},
		"never ends with a clean return":      {task.RestartNever, task.StatusSucceeded, 1, task.CompletedState},
		"never ends with a failure":           {task.RestartNever, task.StatusFailed, 1, task.FailedState},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := continuousTask()
			d.Continuous.Restart.Policy = test.policy
			s := newSim(t, d)
			s.behave = func() behaviour {
				b := good()
				b.status = test.status
				return b
			}
			s.boot(task.Memory{})
			s.advance(8 * time.Second)
			if n := len(s.outcomes()); n != test.runs {
				t.Errorf("%d runs, want %d: %v", n, test.runs, s.outcomes())
			}
			if s.st.word != test.state {
				t.Errorf("it is %s, want %s", s.st.word, test.state)
			}
			s.must(task.Command{Verb: task.VerbStart})
			s.advance(100 * time.Millisecond)
			if s.st.word != task.Running {
				t.Errorf("start led to %s", s.st.word)
			}
		})
	}
}

func TestCancelOfAContinuousRunCountsAsACleanReturn(t *testing.T) {
	t.Parallel()
	for policy, want := range map[task.RestartPolicy]task.State{task.RestartAlways: task.Running, task.RestartOnFailure: task.CompletedState, task.RestartNever: task.CompletedState} {
		d := continuousTask()
		d.Continuous.Restart.Policy = policy
		s := newSim(t, d)
		s.behave = working(time.Hour)
		s.boot(task.Memory{})
		s.advance(5 * time.Second)
		s.must(task.Command{Verb: task.VerbCancel})
		s.advance(2 * time.Second)
		if s.st.word != want {
			t.Errorf("%s: %s, want %s", policy, s.st.word, want)
		}
		if diff := cmp.Diff([]string{"start cancelled cancel"}, s.outcomes()); diff != "" {
			t.Error(diff)
		}
		if s.status().Failures != 0 {
			t.Error("a cancel counts as a failure")
		}
	}
}

func TestACrashLoopIsVisibleAndKeepsTrying(t *testing.T) {
	t.Parallel()
	s := newSim(t, continuousTask())
	s.behave = func() behaviour {
		b := good()
		b.work, b.crashes = 100*time.Millisecond, true
		return b
	}
	s.boot(task.Memory{})
	s.advance(2 * time.Minute)
	if s.st.word != task.CrashLoop {
		t.Errorf("it is %s", s.st.word)
	}
	st := s.status()
	if st.Reason == nil || st.Reason.Until.IsZero() || st.Restarts < 6 || st.Failures < 6 || st.Health.OK {
		t.Errorf("reason %+v, %d restarts, %d failures, health %+v", st.Reason, st.Restarts, st.Failures, st.Health)
	}
	before := len(s.outcomes())
	s.advance(5 * time.Minute)
	if n := len(s.outcomes()) - before; n < 4 || n > 7 {
		t.Errorf("%d tries in five minutes at a minute's delay", n)
	}
	s.behave = working(time.Hour)
	s.advance(5 * time.Minute)
	if s.st.word != task.Running {
		t.Errorf("mended, it is %s", s.st.word)
	}
}

func TestHopelessLaunchesFailAtOnceInEveryMode(t *testing.T) {
	t.Parallel()
	errs := map[string]error{
		"plugin_missing": &task.LaunchError{Kind: task.LaunchMissing, Detail: "there is no plugin p"},
		"config":         &task.ConfigError{Problems: []task.ConfigProblem{{Path: "url", Summary: "is no URL"}}},
	}
	for code, err := range errs {
		for _, d := range []task.Definition{continuousTask(), periodicTask(), onDemandTask()} {
			t.Run(code+" "+string(d.Mode), func(t *testing.T) {
				t.Parallel()
				s := newSim(t, d)
				broken := true
				s.behave = func() behaviour {
					b := good()
					if broken {
						b.launchErr = err
					}
					return b
				}
				s.boot(task.Memory{})
				if d.Mode == task.OnDemand {
					s.must(task.Command{Verb: task.VerbRun})
				}
				s.advance(time.Minute)
				if st := s.status(); st.State != task.FailedState || st.Reason.Code != code || s.launched != 1 {
					t.Errorf("%s %+v after %d launches", st.State, st.Reason, s.launched)
				}
				broken = false
				s.must(task.Command{Verb: task.VerbRestart})
				s.advance(30 * time.Second)
				if s.st.word == task.FailedState {
					t.Error("restart did not try again")
				}
			})
		}
	}
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	for action, want := range map[task.WatchdogAction]string{task.WatchdogRestart: "start failed cancel", task.WatchdogAlarm: ""} {
		d := continuousTask()
		d.Continuous.Watchdog = task.Watchdog{Timeout: 10 * time.Second, Action: action}
		s := newSim(t, d)
		s.behave = working(-1)
		s.boot(task.Memory{})
		for range 3 {
			s.advance(9 * time.Second)
			for _, p := range s.procs {
				s.event(reported{task.Alive{ID: p.id, Run: p.run}})
			}
		}
		if len(s.outcomes()) > 0 {
			t.Errorf("%s: a living run was ended", action)
		}
		s.advance(11 * time.Second)
		got := ""
		if o := s.outcomes(); len(o) > 0 {
			got = o[0]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
		if s.status().Health.OK {
			t.Errorf("%s: health is ok", action)
		}
		if action == task.WatchdogAlarm {
			for _, p := range s.procs {
				s.event(reported{task.Alive{ID: p.id, Run: p.run}})
			}
			if !s.status().Health.OK {
				t.Error("health is not ok after a sign of life")
			}
		}
	}
}

func TestATaskThatIsNotReadyInTimeIsRestarted(t *testing.T) {
	t.Parallel()
	for _, ready := range []bool{true, false} {
		d := continuousTask()
		d.Continuous.Ready.Timeout = 5 * time.Second
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.work, b.ready = -1, ready
			return b
		}
		s.boot(task.Memory{})
		s.advance(time.Second)
		if s.status().Ready != ready || s.facts.Ready != ready {
			t.Errorf("ready: status %t, facts %t", s.status().Ready, s.facts.Ready)
		}
		s.advance(5 * time.Second)
		if n := len(s.outcomes()); (n == 0) != ready {
			t.Errorf("ready %t: %v", ready, s.outcomes())
		}
	}
}

func TestATaskThatBeginsSlowlyMayAskForTimeToBecomeReady(t *testing.T) {
	t.Parallel()
	d := continuousTask()
	d.Continuous.Ready.Timeout = 5 * time.Second
	d.MaxTimeout = 20 * time.Second
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.work, b.ready = -1, false
		return b
	}
	s.boot(task.Memory{})
	s.advance(time.Second)
	for _, p := range s.procs {
		if p.run == "" {
			continue
		}
		s.event(reported{task.Extension{ID: p.id, Run: p.run, Request: 1, By: 10 * time.Second}})
		s.event(reported{task.Extension{ID: p.id, Run: p.run, Request: 2, By: 10 * time.Second}}) // beyond max_timeout
	}
	s.advance(13 * time.Second)
	if got := s.outcomes(); len(got) != 0 {
		t.Errorf("after 14 s: %v", got)
	}
	s.advance(3 * time.Second)
	if got := s.outcomes(); len(got) != 1 {
		t.Errorf("after 17 s: %v", got)
	}
}

func TestAStuckRunDegradesItsTask(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.StuckAfter = time.Minute
	s := newSim(t, d)
	s.behave = working(2 * time.Minute)
	s.boot(task.Memory{})
	s.must(task.Command{Verb: task.VerbRun})
	s.advance(59 * time.Second)
	if !s.status().Health.OK {
		t.Error("stuck too early")
	}
	s.advance(2 * time.Second)
	if s.status().Health.OK {
		t.Error("not stuck after its time")
	}
	s.advance(2 * time.Minute)
	if !s.status().Health.OK {
		t.Error("still stuck after its end")
	}
}

func TestRestartMakesANewProcessAndKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.boot(task.Memory{})
	s.advance(15 * time.Second)
	launched := s.launched
	if r := s.must(task.Command{Verb: task.VerbRestart}); !r.Changed {
		t.Error("restart changed nothing")
	}
	s.advance(40 * time.Second)
	if s.launched != launched+1 || len(s.outcomes()) != 5 {
		t.Errorf("%d launches more, %d runs", s.launched-launched, len(s.outcomes()))
	}
	if s.overrides != (task.Overrides{}) {
		t.Error("restart left an override")
	}
}

func TestARestartBringsUpATaskWhoseRunFailsInItsDrain(t *testing.T) {
	t.Parallel()
	for _, policy := range []task.RestartPolicy{task.RestartOnFailure, task.RestartAlways, task.RestartNever} {
		d := continuousTask()
		d.Continuous.Restart.Policy = policy
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.work, b.crashes, b.onDrain = 10*time.Second, true, -1
			return b
		}
		s.boot(task.Memory{})
		s.advance(8 * time.Second)
		s.must(task.Command{Verb: task.VerbRestart})
		s.behave = working(time.Hour)
		s.advance(5 * time.Second)
		if s.st.word != task.Running || s.launched != 2 {
			t.Errorf("%s: it is %s after %v", policy, s.st.word, s.outcomes())
		}
	}
}

func TestDependenciesHoldTheFirstStartOnly(t *testing.T) {
	t.Parallel()
	s := newSim(t, continuousTask())
	s.behave = working(-1)
	s.event(booted{unmet: []string{"redis (ready)"}})
	s.advance(time.Minute)
	if st := s.status(); st.State != task.Starting || st.Waiting == nil || st.Waiting.For != "dependency" || s.launched > 0 {
		t.Errorf("%s, waiting %+v, %d launches", st.State, st.Waiting, s.launched)
	}
	s.event(gated{})
	s.advance(time.Second)
	s.event(gated{[]string{"redis (ready)"}})
	s.must(task.Command{Verb: task.VerbRestart})
	s.advance(time.Minute)
	if s.st.word != task.Running {
		t.Errorf("it is %s after a restart", s.st.word)
	}
	s.must(task.Command{Verb: task.VerbStop})
	s.must(task.Command{Verb: task.VerbStart})
	s.advance(time.Minute)
	if s.st.word != task.Starting {
		t.Errorf("it is %s after a start without its dependency", s.st.word)
	}
}

func TestLostRunsAreRecordedAndRetried(t *testing.T) {
	t.Parallel()
	lost := task.Run{ID: "lost", Task: "sync", State: task.RunRunning, Trigger: task.TriggerManual, Attempts: []task.Attempt{{Number: 1}}}
	d := onDemandTask()
	s := newSim(t, d).boot(task.Memory{Live: []task.Run{lost}})
	if r := s.runs["lost"]; r.Outcome != task.OutcomeLost || r.EndedIn != "host_died" {
		t.Errorf("%s in %s", r.Outcome, r.EndedIn)
	}
	d.Retry = task.Retry{Attempts: 2, Backoff: time.Second}
	s = newSim(t, d).boot(task.Memory{Live: []task.Run{lost}})
	s.advance(10 * time.Second)
	if r := s.runs["lost"]; r.Outcome != task.OutcomeSucceeded || len(r.Attempts) != 2 || r.Attempts[0].Outcome != task.OutcomeLost {
		t.Errorf("%s after %+v", r.Outcome, r.Attempts)
	}
	c := continuousTask()
	c.Continuous.Restart.Policy = task.RestartNever
	s = newSim(t, c)
	s.behave = working(-1)
	s.boot(task.Memory{Live: []task.Run{lost}})
	s.advance(time.Second)
	if s.st.word != task.Running {
		t.Errorf("a continuous task that the host died under is %s", s.st.word)
	}
}

func TestProcessesAreThereWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	hourly := periodicTask()
	hourly.Schedule.Every = time.Hour
	perRun := periodicTask()
	perRun.Process = task.ProcessRun
	resident := periodicTask()
	resident.Schedule.Every, resident.Process = time.Hour, task.ProcessTask
	tests := map[string]struct {
		def      task.Definition
		time     time.Duration
		launches int
		alive    int
	}{
		"auto stays between near slots":           {periodicTask(), 65 * time.Second, 1, 1},
		"auto is launched ahead of far slots":     {hourly, 4*time.Hour + time.Minute, 4, 0},
		"run has a fresh one for each, ahead":     {perRun, 65 * time.Second, 6, 0},
		"task is resident whatever the schedule":  {resident, 4 * time.Hour, 1, 1},
		"on demand none is up without work":       {onDemandTask(), time.Hour, 0, 0},
		"continuous: one, from the first moment ": {continuousTask(), 500 * time.Millisecond, 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, test.def)
			s.boot(task.Memory{})
			s.advance(test.time)
			if s.launched != test.launches || s.alive() != test.alive {
				t.Errorf("%d launches, %d alive, want %d and %d", s.launched, s.alive(), test.launches, test.alive)
			}
			for _, r := range s.runs {
				if !r.Slot.IsZero() && r.Started.Sub(r.Slot) > time.Millisecond {
					t.Errorf("slot %s began %s late", r.Slot, r.Started.Sub(r.Slot))
				}
			}
		})
	}
}

func TestLaunchesThatFailAheadCountAsOneAttempt(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Schedule.Every = time.Minute
	d.Idle = 2 * time.Minute
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.launchErr = errors.New("no memory")
		return b
	}
	s.boot(task.Memory{})
	s.advance(50 * time.Second)
	if s.launched < 3 || len(s.runs) > 0 {
		t.Errorf("ahead of the slot: %d launches, %d runs", s.launched, len(s.runs))
	}
	if s.status().Health.OK {
		t.Error("health is ok while launches fail")
	}
	s.advance(20 * time.Second)
	if diff := cmp.Diff([]string{"slot failed launch"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestAnIdleProcessThatDiesIsLaunchedAgainWithoutFailingARun(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.behave = func() behaviour {
		b := good()
		b.dies = 3 * time.Second
		return b
	}
	s.boot(task.Memory{})
	s.advance(65 * time.Second)
	for _, o := range s.outcomes() {
		if o != "slot succeeded return" {
			t.Error(o)
		}
	}
	if len(s.outcomes()) != 6 || s.launched < 6 {
		t.Errorf("%d runs, %d launches", len(s.outcomes()), s.launched)
	}
}

func TestBackfillRunsSlotsInOrder(t *testing.T) {
	t.Parallel()
	for parallel, took := range map[int]time.Duration{1: 6 * time.Second, 2: 3 * time.Second} {
		d := periodicTask()
		d.Schedule.Every, d.Schedule.Overlap, d.Schedule.MaxParallel = time.Hour, task.OverlapAllow, 4
		s := newSim(t, d)
		s.boot(task.Memory{})
		var slots []time.Time
		for i := range 6 {
			slots = append(slots, epoch.Add(time.Duration(i-10)*time.Hour))
		}
		ids := s.must(task.Command{Verb: task.VerbBackfill, Slots: slots, MaxParallel: parallel}).Runs
		s.advance(30 * time.Second)
		last := s.runs[ids[5].ID]
		if total := last.Ended.Sub(epoch); total < took || total > took+500*time.Millisecond {
			t.Errorf("%d at a time took %s", parallel, total)
		}
		for i := 1; i < 6; i++ {
			if s.runs[ids[i].ID].Started.Before(s.runs[ids[i-1].ID].Started) {
				t.Error("out of order")
			}
		}
	}
}

func TestAHostThatSleptBlamesNoRun(t *testing.T) {
	t.Parallel()
	d := continuousTask()
	d.Continuous.Watchdog = task.Watchdog{Timeout: time.Second, Action: task.WatchdogRestart}
	s := newSim(t, d)
	s.behave = working(time.Hour)
	s.boot(task.Memory{})
	s.advance(100 * time.Millisecond)
	r := s.st.live()[0]
	s.now = s.now.Add(time.Minute) // nobody listened
	s.event(overslept{})
	if r.Stop != nil {
		t.Fatal("it was judged before it could be heard")
	}
	s.event(reported{task.Alive{ID: r.proc.id, Run: r.ID}})
	s.advance(900 * time.Millisecond)
	if r.Stop != nil {
		t.Fatal("it was stopped although it gave a sign of life")
	}
	s.advance(200 * time.Millisecond)
	if r.Stop == nil || r.why != whyWatchdog {
		t.Error("the watchdog no longer works")
	}
}

func TestATypeThatCallsReadyIsNotReadyBefore(t *testing.T) {
	t.Parallel()
	for _, calls := range []bool{true, false} {
		d := continuousTask()
		d.Continuous.Ready.Called = true
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.work, b.ready = -1, calls
			return b
		}
		s.boot(task.Memory{})
		s.advance(time.Hour)
		if s.facts.Ready != calls {
			t.Errorf("ready %t although it called: %t", s.facts.Ready, calls)
		}
		if n := len(s.outcomes()); n != 0 {
			t.Errorf("without a timeout nobody ends it: %v", s.outcomes())
		}
	}
}

func TestATaskIsReadyAgainInTheProcessOfTheRunBefore(t *testing.T) {
	t.Parallel()
	d := continuousTask()
	d.Continuous.Restart.Policy, d.Continuous.Restart.Backoff = task.RestartAlways, 10*time.Second
	s := newSim(t, d)
	s.behave = working(3 * time.Second)
	s.boot(task.Memory{})
	s.advance(5 * time.Second)
	if s.status().Ready {
		t.Error("it is ready while it waits")
	}
	s.must(task.Command{Verb: task.VerbStart})
	s.advance(time.Second)
	if !s.status().Ready || !s.facts.Ready || s.launched != 1 {
		t.Errorf("ready %t, as a fact %t, in process %d", s.status().Ready, s.facts.Ready, s.launched)
	}
}
