package supervisor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

// redefine gives the task another definition.
func (s *sim) redefine(d task.Definition) {
	s.event(defined{definition{def: &d, gen: 2, plan: compile(s.t, &d)}})
}

// endless is work that ends only when it is told to.
func endless() behaviour {
	b := good()
	b.work = -1
	return b
}

func TestAChangedTimeoutReachesTheRunningAttempt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		old, new time.Duration
		own      time.Duration // given by a person, at 20 s
		want     time.Duration // when the run is over, after its begin; 0 is not within an hour
	}{
		{"longer", time.Minute, 5 * time.Minute, 0, 5 * time.Minute},
		{"shorter", 5 * time.Minute, time.Minute, 0, time.Minute},
		{"shorter than it has been at work", 5 * time.Minute, 10 * time.Second, 0, 30 * time.Second},
		{"new", 0, time.Minute, 0, time.Minute},
		{"gone", time.Minute, 0, 0, 0},
		{"another than a person gave", time.Minute, 2 * time.Minute, 10 * time.Minute, 20*time.Second + 10*time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := onDemandTask()
			d.Timeout = test.old
			s := newSim(t, d)
			s.behave = endless
			s.boot(task.Memory{})
			s.must(task.Command{Verb: task.VerbRun})
			s.advance(time.Second)
			began := s.st.live()[0].began
			s.advance(began.Add(20 * time.Second).Sub(s.now))
			if test.own > 0 {
				s.must(task.Command{Verb: task.VerbTimeout, Run: s.st.live()[0].ID, Timeout: test.own})
			}
			s.advance(10 * time.Second)
			changed := d
			changed.Timeout = test.new
			s.redefine(changed)
			s.advance(time.Hour)
			live := s.st.live()
			if test.want == 0 {
				if len(live) != 1 || live[0].Stop != nil {
					t.Errorf("the run has not gone on: %v", s.outcomes())
				}
				return
			}
			for _, r := range s.runs {
				if r.Outcome != task.OutcomeTimedOut || !r.Stop.Began.Equal(began.Add(test.want)) {
					t.Errorf("%s: stopped after %s, want %s", r.Outcome, r.Stop.Began.Sub(began), test.want)
				}
			}
		})
	}
}

func TestATimeThatWasGrantedOnTopStaysGranted(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	d.Timeout = time.Minute
	s := newSim(t, d)
	s.behave = endless
	s.boot(task.Memory{})
	s.must(task.Command{Verb: task.VerbRun})
	s.advance(time.Second)
	r := s.st.live()[0]
	s.event(reported{task.Extension{ID: r.proc.id, Run: r.ID, Request: 1, By: 30 * time.Second}})
	changed := d
	changed.Timeout = 2 * time.Minute
	s.redefine(changed)
	if want := r.began.Add(2*time.Minute + 30*time.Second); !r.Deadline.Equal(want) {
		t.Errorf("the deadline is %s, want %s", r.Deadline, want)
	}
}

func TestARunFinishesOnTheOldBinaryAndTheNextBeginsOnTheNew(t *testing.T) {
	t.Parallel()
	d := periodicTask()
	d.Config.Digest = "old"
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.work = 5 * time.Second
		return b
	}
	s.boot(task.Memory{})
	s.advance(12 * time.Second)
	first := s.st.live()[0]
	process := first.proc.id
	changed := d
	changed.Config.Digest = "new"
	s.redefine(changed)
	s.advance(10 * time.Second)
	if s.runs[first.ID].Outcome != task.OutcomeSucceeded {
		t.Errorf("the run under which the binary changed: %+v", s.runs[first.ID])
	}
	if next := s.st.live(); len(next) != 1 || next[0].proc.id == process || s.launched != 2 {
		t.Errorf("the next run is in the old process; %d launches", s.launched)
	}
}

func TestALaunchOfTheOldBinaryIsGivenUpForTheNewOne(t *testing.T) {
	t.Parallel()
	d := onDemandTask()
	s := newSim(t, d)
	s.behave = func() behaviour {
		b := good()
		b.launch, b.launchErr = 10*time.Second, &task.LaunchError{Kind: task.LaunchNotPlugin, Detail: "the old one"}
		return b
	}
	s.boot(task.Memory{})
	s.must(task.Command{Verb: task.VerbRun})
	s.advance(time.Second)
	s.behave = good
	mended := d
	mended.Config.Digest = "new"
	s.redefine(mended)
	s.advance(5 * time.Second)
	if diff := cmp.Diff([]string{"manual succeeded return"}, s.outcomes()); diff != "" || s.st.word != task.Idle {
		t.Error(s.st.word, diff)
	}
	s.advance(10 * time.Second)
	if s.st.word != task.Idle {
		t.Errorf("later it is %s", s.st.word)
	}
}

func TestAReloadDisturbsNoSlotOfOtherTasks(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		const tasks, minutes = 100, 3
		defs := make([]task.Definition, tasks)
		for i := range defs {
			defs[i] = named(periodicTask(), fmt.Sprintf("t%d", i))
			defs[i].Schedule.Offset = time.Duration(i) * 100 * time.Millisecond
		}
		h.apply(nil, defs...)
		h.pass(time.Minute)
		for i := range minutes * 6 { // in the middle between slots and right at them
			defs[0].Description, defs[0].Config.Digest = fmt.Sprint(i), fmt.Sprint(i)
			defs[1].User = fmt.Sprint(i)
			h.apply(nil, defs...)
			h.pass(10*time.Second + 50*time.Millisecond)
		}
		h.pass(time.Minute)
		ran := map[string]map[time.Time]bool{}
		for _, r := range h.journal.runs {
			if r.Started.Sub(r.Slot) > time.Millisecond && r.Task != "t0" && r.Task != "t1" {
				t.Errorf("%s: slot %s began at %s", r.Task, r.Slot, r.Started)
			}
			if ran[r.Task] == nil {
				ran[r.Task] = map[time.Time]bool{}
			}
			ran[r.Task][r.Slot] = true
		}
		for _, d := range defs[2:] {
			first, last := time.Time{}, time.Time{}
			for slot := range ran[d.Name] {
				if first.IsZero() || slot.Before(first) {
					first = slot
				}
				if slot.After(last) {
					last = slot
				}
			}
			if n := int(last.Sub(first)/(10*time.Second)) + 1; len(ran[d.Name]) != n || n < minutes*6 {
				t.Errorf("%s: %d of %d slots ran", d.Name, len(ran[d.Name]), n)
			}
		}
	})
}

// rename does what a store does for a task that gets another name.
func (j *fakeJournal) rename(from, to string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, r := range j.runs {
		if r.Task == from {
			r.Task = to
			j.runs[id] = r
		}
	}
	j.overrides[to] = j.overrides[from]
	delete(j.overrides, from)
}

func TestARenamedTaskGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine, journal := newEngine(), newJournal()
		engine.behave = func(*task.Definition) behaviour {
			b := endless()
			b.saves, b.onDrain = true, 3*time.Second
			return b
		}
		var told []string
		broken := true
		h := startHost(t, engine, journal, Config{Rename: func(_ context.Context, from, to string) error {
			told = append(told, from+" "+to)
			if broken {
				broken = false
				return context.DeadlineExceeded
			}
			journal.rename(from, to)
			return nil
		}})
		h.apply(nil, named(onDemandTask(), "a"))
		run := h.must("a", task.Command{Verb: task.VerbRun}).Runs[0]
		h.must("a", task.Command{Verb: task.VerbPause, Actor: "anna"})
		h.pass(time.Second)
		gen := task.Generation{Number: 2, Tasks: []task.Definition{named(onDemandTask(), "b")}, Moves: []task.Move{{From: "a", To: "b"}}}
		if err := h.fleet.Apply(t.Context(), gen); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := h.fleet.Command(t.Context(), "b", task.Command{Verb: task.VerbPause}); err == nil {
			t.Error("it took a command while it was being drained under its old name")
		}
		h.pass(5 * time.Second)
		if len(told) != 2 || told[1] != "a b" {
			t.Errorf("renamed: %q; want a second try after the first failed", told)
		}
		if r := journal.runs[run.ID]; r.Task != "b" || len(r.Attempts) != 2 || r.Attempts[0].Outcome != task.OutcomeInterrupted {
			t.Errorf("its run: %+v", r)
		}
		if s := journal.status("b"); s.Paused == nil || s.Paused.By != "anna" {
			t.Errorf("its pause: %+v", s.Paused)
		}
		if engine.most["a"]+engine.most["b"] != 2 {
			t.Errorf("runs side by side: %v", engine.most)
		}
		// The block that says so stays in the file.
		gen.Number, gen.Tasks[0].Description = 3, "changed"
		if err := h.fleet.Apply(t.Context(), gen); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		if len(told) != 2 {
			t.Errorf("renamed again: %q", told)
		}
		h.end()
	})
}

func TestATaskThatIsNamedBackWhileItDrainsKeepsItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := newEngine()
		engine.behave = func(*task.Definition) behaviour {
			b := endless()
			b.onDrain = 3 * time.Second
			return b
		}
		h := startHost(t, engine, newJournal(), Config{Rename: func(context.Context, string, string) error {
			t.Error("it was renamed")
			return nil
		}})
		h.apply(nil, named(continuousTask(), "a"))
		h.pass(time.Second)
		if err := h.fleet.Apply(t.Context(), task.Generation{Tasks: []task.Definition{named(continuousTask(), "b")}, Moves: []task.Move{{From: "a", To: "b"}}}); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		h.apply(nil, named(continuousTask(), "a"))
		h.pass(10 * time.Second)
		if s := h.journal.status("a"); s.State != task.Running {
			t.Errorf("it is %s", s.State)
		}
		h.end()
	})
}

func TestWhatWasTakenOutWhileNoHostWasThereIsEnded(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.journal.SaveStatus(task.Status{Task: "gone", LastSlot: time.Now()})
		h.journal.SaveStatus(task.Status{Task: "sync", LastSlot: time.Now()})
		h.journal.SaveStatus(task.Status{Task: "old", LastSlot: time.Now()})
		run := task.Run{Task: "gone", Trigger: task.TriggerManual, Queued: time.Now()}
		for id, state := range map[string]task.RunState{"ran": task.RunRunning, "waited": task.RunQueued} {
			run.ID, run.State = id, state
			h.journal.SaveRun(run)
		}
		// Also one that somebody has started, against its declaration.
		h.journal.overrides["gone"] = task.Overrides{Started: &task.Override{By: "ann"}}
		h.fleet.cfg.Rename = func(context.Context, string, string) error { return nil }
		gen := task.Generation{Number: 1, Tasks: []task.Definition{periodicTask(), named(periodicTask(), "new")}, Moves: []task.Move{{From: "old", To: "new"}}}
		if err := h.fleet.Apply(t.Context(), gen); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if lost, dropped := h.journal.count("gone", task.OutcomeLost), h.journal.count("gone", task.OutcomeInterrupted); lost != 1 || dropped != 1 {
			t.Errorf("%d runs are lost and %d interrupted, want one each", lost, dropped)
		}
		h.pass(time.Minute)
		for name, there := range map[string]bool{"gone": false, "sync": true, "old": true, "new": true} {
			if s := h.journal.status(name); (s.Task != "") != there {
				t.Errorf("the status of %s is there: %t", name, s.Task != "")
			}
		}
		if slices.Contains(h.engine.log, "launch gone") {
			t.Error("what is not declared is launched")
		}
	})
}
