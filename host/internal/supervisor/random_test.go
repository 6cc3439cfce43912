package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"pgregory.net/rapid"
)

// drawDefinition draws one of the tasks that a configuration may hold.
func drawDefinition(t *rapid.T) task.Definition {
	mode := rapid.SampledFrom([]task.Mode{task.Periodic, task.Periodic, task.Continuous, task.OnDemand}).Draw(t, "mode")
	d := map[task.Mode]func() task.Definition{task.Periodic: periodicTask, task.Continuous: continuousTask, task.OnDemand: onDemandTask}[mode]()
	d.Process = rapid.SampledFrom([]task.ProcessMode{task.ProcessAuto, task.ProcessTask, task.ProcessRun, task.ProcessShared}).Draw(t, "process")
	d.OnInterrupt = rapid.SampledFrom([]task.OnInterrupt{task.InterruptAuto, task.InterruptResume, task.InterruptDrop}).Draw(t, "on_interrupt")
	d.Enabled = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
	d.StuckAfter = seconds(t, "stuck_after", 0, 30)
	if mode != task.Continuous {
		d.Timeout = seconds(t, "timeout", 0, 20)
		d.MaxTimeout = seconds(t, "max_timeout", 0, 40)
		d.Retry = task.Retry{Attempts: rapid.IntRange(1, 3).Draw(t, "attempts"), Backoff: seconds(t, "retry", 0, 15), MaxBackoff: time.Minute}
		if rapid.Bool().Draw(t, "grouped") {
			d.Groups = []string{"g"}
		}
	}
	d.Stop = task.Ladder{Drain: seconds(t, "drain", 0, 10), Cancel: seconds(t, "cancel", 0, 5)}
	if mode == task.Periodic {
		d.Schedule.Overlap = rapid.SampledFrom([]task.Overlap{task.OverlapSkip, task.OverlapQueue, task.OverlapCancel, task.OverlapAllow}).Draw(t, "overlap")
		d.Schedule.MaxParallel = rapid.IntRange(2, 4).Draw(t, "max_parallel")
		d.Schedule.RunOnStart = rapid.Bool().Draw(t, "run_on_start")
		d.Schedule.Jitter = seconds(t, "jitter", 0, 4)
		d.Schedule.CatchUp.Policy = rapid.SampledFrom([]task.CatchUpPolicy{task.CatchUpNone, task.CatchUpLatest, task.CatchUpAll}).Draw(t, "catch_up")
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			d.Schedule.Every, d.Schedule.HasOffset = 0, false
			d.Schedule.HasAfter, d.Schedule.After = true, seconds(t, "after", 0, 10)
		} else {
			d.Schedule.Every = time.Duration(rapid.IntRange(5, 120).Draw(t, "every")) * time.Second
		}
	}
	if mode == task.Continuous {
		d.Continuous.Restart.Policy = rapid.SampledFrom([]task.RestartPolicy{task.RestartOnFailure, task.RestartAlways, task.RestartNever}).Draw(t, "restart")
		d.Continuous.Ready.Timeout = seconds(t, "ready", 0, 10)
		d.Continuous.Watchdog = task.Watchdog{Timeout: seconds(t, "watchdog", 0, 20),
			Action: rapid.SampledFrom([]task.WatchdogAction{task.WatchdogRestart, task.WatchdogAlarm}).Draw(t, "action")}
	}
	return d
}

// seconds draws a whole number of seconds, often none.
func seconds(t *rapid.T, what string, low, high int) time.Duration {
	if rapid.Bool().Draw(t, what+" set") {
		return time.Duration(rapid.IntRange(low, high).Draw(t, what)) * time.Second
	}
	return time.Duration(low) * time.Second
}

func drawBehaviour(t *rapid.T) behaviour {
	b := good()
	b.launch = time.Duration(rapid.IntRange(1, 3000).Draw(t, "launch ms")) * time.Millisecond
	switch rapid.IntRange(0, 15).Draw(t, "launch fate") {
	case 0, 1:
		b.launchErr = errors.New("boom")
	case 2:
		b.launchErr = &task.LaunchError{Kind: task.LaunchMissing, Detail: "gone"}
	case 3:
		b.launchErr = &task.ConfigError{Problems: []task.ConfigProblem{{Path: "url", Summary: "bad"}}}
	case 4:
		b.hangs = true
	}
	b.work = time.Duration(rapid.IntRange(50, 30_000).Draw(t, "work ms")) * time.Millisecond
	if rapid.IntRange(0, 9).Draw(t, "for ever") == 0 {
		b.work = -1
	}
	b.status = rapid.SampledFrom([]task.RunStatus{task.StatusSucceeded, task.StatusSucceeded, task.StatusFailed, task.StatusPermanent,
		task.StatusRetryAfter, task.StatusSkipped, task.StatusInterrupted, task.StatusUnhealthy, task.StatusPanic}).Draw(t, "status")
	if b.status == task.StatusRetryAfter {
		b.asked = time.Second
	}
	b.crashes = rapid.IntRange(0, 5).Draw(t, "crashes") == 0
	b.saves = rapid.Bool().Draw(t, "saves")
	b.ready = rapid.Bool().Draw(t, "ready")
	stubborn := func(what string, d time.Duration) time.Duration {
		if rapid.IntRange(0, 3).Draw(t, what) == 0 {
			return -1
		}
		return d
	}
	b.onDrain = stubborn("ignores drain", time.Second)
	b.onCancel = stubborn("ignores cancel", 100*time.Millisecond)
	b.onClose = stubborn("ignores close", 100*time.Millisecond)
	b.onKill = time.Duration(rapid.IntRange(0, 1500).Draw(t, "kill ms")) * time.Millisecond
	if rapid.IntRange(0, 5).Draw(t, "dies") == 0 {
		b.dies = 3 * time.Second
	}
	if rapid.IntRange(0, 5).Draw(t, "neighbour") == 0 {
		b.neighbour = "wild"
	}
	if rapid.IntRange(0, 5).Draw(t, "moves") == 0 {
		b.moves = time.Duration(rapid.IntRange(1, 20_000).Draw(t, "moves ms")) * time.Millisecond
	}
	return b
}

func drawCommand(t *rapid.T, s *sim) task.Command {
	c := task.Command{
		Verb: rapid.SampledFrom([]task.Verb{task.VerbStart, task.VerbStart, task.VerbStop, task.VerbCancel, task.VerbRun, task.VerbRun,
			task.VerbPause, task.VerbResume, task.VerbRestart, task.VerbBackfill, task.VerbRetry, task.VerbTimeout, task.VerbReset}).Draw(t, "verb"),
		Mode:    rapid.SampledFrom([]task.StopMode{"", task.Graceful, task.Hard, task.Kill}).Draw(t, "mode"),
		Overlap: rapid.SampledFrom([]task.Overlap{"", task.OverlapSkip, task.OverlapQueue, task.OverlapCancel, task.OverlapAllow}).Draw(t, "overlap"),
		CatchUp: rapid.Bool().Draw(t, "catch up"),
		DryRun:  rapid.IntRange(0, 9).Draw(t, "dry") == 0,
		Timeout: seconds(t, "timeout", 0, 3),
		Actor:   "anna",
	}
	if len(s.st.runs) > 0 && rapid.Bool().Draw(t, "one run") || c.Verb == task.VerbTimeout {
		c.Run = "none"
		if len(s.st.runs) > 0 {
			c.Run = rapid.SampledFrom(s.st.runs).Draw(t, "run").ID
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "at") == 0 {
		c.At = s.now.Add(seconds(t, "at", 1, 20))
	}
	if c.Verb == task.VerbPause {
		c.Until = s.now.Add(seconds(t, "until", 1, 60))
	}
	if c.Verb == task.VerbRetry {
		c.Retry = &task.Run{ID: "old", State: task.RunEnded, Slot: s.now}
	}
	if c.Verb == task.VerbBackfill {
		c.MaxParallel = rapid.IntRange(0, 3).Draw(t, "parallel")
		for i := range rapid.IntRange(0, 4).Draw(t, "slots") {
			c.Slots = append(c.Slots, epoch.Add(-time.Duration(i+1)*time.Hour))
		}
	}
	return c
}

// TestRandomLifeKeepsThePromises walks random lives of random tasks over an engine that
// may do anything that the contract allows. The sim checks after every event that runs and
// processes are within bounds, that stages only rise, that transitions are legal and that
// commands are answered; the end of the life checks slots, stops and what is left behind.
func TestRandomLifeKeepsThePromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, randomLife)
}

func randomLife(t *rapid.T) {
	s := newSim(t, drawDefinition(t))
	s.fatalf = func(format string, args ...any) {
		t.Fatalf("%s\n"+format, append([]any{strings.Join(s.trace, "\n")}, args...)...)
	}
	s.behave = func() behaviour { return drawBehaviour(t) }
	unmet := []string(nil)
	if rapid.IntRange(0, 4).Draw(t, "depends") == 0 {
		unmet = []string{"redis"}
	}
	memory := task.Memory{}
	if rapid.Bool().Draw(t, "had a life") {
		memory.LastSlot = epoch.Add(-time.Hour)
		memory.Live = []task.Run{{ID: "live", State: task.RunRunning, Attempts: []task.Attempt{{Number: 1}}}}
		memory.Interrupted = []task.Run{{ID: "interrupted", State: task.RunQueued, Trigger: task.TriggerManual}}
	}
	s.event(booted{memory: memory, unmet: unmet})
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		if s.done {
			break
		}
		if rapid.IntRange(0, 7).Draw(t, "late") == 0 {
			s.wakeLate(time.Duration(rapid.IntRange(1, 900).Draw(t, "late ms")) * time.Millisecond)
		}
		switch rapid.IntRange(0, 17).Draw(t, "step") {
		case 0, 1, 2, 3, 4:
			s.advance(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
		case 5:
			s.advance(time.Duration(rapid.IntRange(1, 10).Draw(t, "minutes")) * time.Minute)
		case 6, 7, 8, 9, 10:
			_, _ = s.ask(drawCommand(t, s))
		case 11:
			unmet := [][]string{nil, {"redis"}}[rapid.IntRange(0, 1).Draw(t, "unmet")]
			s.event(gated{unmet: unmet})
		case 12:
			s.event(followed{source: task.Run{ID: "source", Ended: s.now, Outcome: task.OutcomeSucceeded}})
		case 13:
			on := rapid.Bool().Draw(t, "host pause")
			var o *task.Override
			if on {
				o = &task.Override{By: "ben", At: s.now}
			}
			s.event(hostPaused{override: o, catchUp: true})
		case 14:
			by := time.Duration(rapid.IntRange(-3600, 7200).Draw(t, "step s")) * time.Second
			s.step(by)
		case 15:
			s.holdGate = rapid.Bool().Draw(t, "hold gate")
		case 16:
			switch rapid.IntRange(0, 3).Draw(t, "config") {
			case 0:
				s.event(drained{on: rapid.Bool().Draw(t, "drain")})
			case 1:
				d := *s.st.def
				d.Timeout = seconds(t, "timeout", 0, 20)
				d.Enabled = rapid.Bool().Draw(t, "enabled")
				s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
			case 2:
				d := *s.st.def
				d.Env = map[string]string{"A": rapid.StringMatching("[a-z]").Draw(t, "env")}
				s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
			case 3:
				s.extendSomething(seconds(t, "by", 1, 30))
			}
		case 17:
			switch rapid.IntRange(0, 5).Draw(t, "rare") {
			case 0:
				s.event(retired{to: rapid.SampledFrom([]string{"", "heir"}).Draw(t, "heir")})
			case 1:
				s.event(shutdown{by: s.now.Add(s.st.def.Stop.Total())})
			case 2:
				s.event(escalated{mode: rapid.SampledFrom([]task.StopMode{task.Hard, task.Kill}).Draw(t, "hurry")})
			case 3:
				s.event(overslept{})
			case 4, 5:
				d := *s.st.def
				d.Config.Digest = rapid.StringMatching("[a-z]").Draw(t, "binary")
				s.event(defined{definition{def: &d, gen: 3, plan: s.st.plan}})
			}
		}
	}
	s.checkSlots()
	s.endLife(t)
}

func (s *sim) extendSomething(by time.Duration) {
	for _, p := range s.procs {
		if p.run != "" {
			s.deliverExtension(p, by)
			return
		}
	}
}

func (s *sim) deliverExtension(p *fakeProcess, by time.Duration) {
	s.event(reported{task.Extension{ID: p.id, Run: p.run, Request: 1, By: by}})
}

// wakeLate lets the time of the next wake pass without a tick: what happens next is heard of first.
func (s *sim) wakeLate(by time.Duration) {
	at := wake(s.st, s.now)
	for _, d := range s.pending {
		if at.IsZero() || d.at.Before(at.Add(by)) {
			return // a process says something before
		}
	}
	if !at.IsZero() && !s.done {
		s.now = at.Add(by)
	}
}

// step sets the wall clock; what the engine does goes on by its own time.
func (s *sim) step(by time.Duration) {
	s.now = s.now.Add(by)
	for i := range s.pending {
		s.pending[i].at = s.pending[i].at.Add(by)
	}
	s.event(stepped{by: by})
}

// endLife ends the task in one of the ways there are and looks at what is left.
func (s *sim) endLife(t *rapid.T) {
	if s.done {
		return
	}
	s.holdGate = false
	began := s.now
	ladder := s.st.def.Stop.Total()
	if s.st.next != nil {
		ladder = max(ladder, s.st.next.def.Stop.Total())
	}
	bound := ladder + closeBound + 2*task.KillBound + 2*time.Second
	switch rapid.IntRange(0, 2).Draw(t, "end") {
	case 0:
		s.must(task.Command{Verb: task.VerbStop})
		for s.alive() > 0 && s.now.Before(began.Add(bound)) {
			s.next(began.Add(bound))
		}
		if s.alive() > 0 && !s.extended() {
			s.fatalf("%d processes are left %s after the stop", s.alive(), bound)
		}
	case 1:
		s.event(shutdown{by: s.now.Add(ladder)})
		s.advance(bound)
		if !s.done {
			s.fatalf("not down %s after shutdown began", bound)
		}
	case 2:
		s.event(retired{})
		s.advance(bound)
		if !s.done && !s.extended() {
			s.fatalf("not gone %s after it was retired", bound)
		}
	}
	for id, p := range s.procs {
		if p.state != "gone" && !s.extended() {
			s.fatalf("process %d is left in state %s", id, p.state)
		}
	}
	for _, r := range s.runs {
		if r.State != task.RunEnded && r.State != task.RunQueued && !s.extended() {
			s.fatalf("run %s is left in state %s", r.ID, r.State)
		}
	}
}

// extended reports whether a granted extension made a ladder longer.
func (s *sim) extended() bool {
	for _, r := range s.st.runs {
		for _, m := range r.Timeline {
			if m.What == "extended" {
				return true
			}
		}
	}
	return false
}
