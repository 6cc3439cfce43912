package supervisor

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestTheTableNamesEachWayOnce(t *testing.T) {
	t.Parallel()
	seen := map[[2]task.State]bool{}
	for _, m := range moves {
		way := [2]task.State{m.from, m.to}
		if seen[way] || m.from == m.to || m.cause == "" {
			t.Errorf("%s → %s: %q", m.from, m.to, m.cause)
		}
		seen[way] = true
		for _, s := range way {
			if !slices.Contains(task.States, s) {
				t.Errorf("%q is no state", s)
			}
		}
	}
}

func TestTheDocumentShowsTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```mermaid\n"+Diagram()+"```\n") {
		t.Errorf("docs/states.md does not show the table of transitions; it is:\n%s", Diagram())
	}
}

// situation is a task in some state of its life.
type situation struct {
	name string
	sim  func(t *testing.T) *sim
}

// situations has every state of every mode in it, reached in an ordinary way.
func situations() []situation {
	at := func(d task.Definition, b behaviour, then ...func(s *sim)) func(t *testing.T) *sim {
		return func(t *testing.T) *sim {
			s := newSim(t, d)
			s.behave = func() behaviour { return b }
			s.boot(task.Memory{})
			for _, step := range then {
				step(s)
			}
			return s
		}
	}
	pass := func(d time.Duration) func(s *sim) { return func(s *sim) { s.advance(d) } }
	ask := func(c task.Command) func(s *sim) { return func(s *sim) { s.must(c) } }
	endless, hung, slow, failing, missing := good(), stubborn(), good(), good(), good()
	endless.work, endless.saves, endless.status = -1, true, task.StatusInterrupted
	hung.onClose = -1
	slow.launch = time.Minute
	failing.status, failing.work = task.StatusFailed, 10*time.Millisecond
	missing.launchErr = &task.LaunchError{Kind: task.LaunchMissing, Detail: "there is no plugin"}
	retrying := onDemandTask()
	retrying.Retry = task.Retry{Attempts: 3, Backoff: time.Minute, MaxBackoff: time.Minute}
	grouped := onDemandTask()
	grouped.Groups = []string{"g"}
	hold := func(s *sim) { s.holdGate = true }
	run, stop := ask(task.Command{Verb: task.VerbRun}), ask(task.Command{Verb: task.VerbStop})
	kill := ask(task.Command{Verb: task.VerbStop, Mode: task.Kill})
	return []situation{
		{"periodic idle", at(periodicTask(), good())},
		{"periodic idle, resident", at(periodicTask(), good(), pass(15*time.Second))},
		{"periodic at work", at(periodicTask(), endless, pass(15*time.Second))},
		{"periodic draining", at(periodicTask(), hung, pass(15*time.Second), stop)},
		{"periodic cancelling", at(periodicTask(), hung, pass(15*time.Second), stop, pass(11*time.Second))},
		{"periodic being killed", at(periodicTask(), hung, pass(15*time.Second), kill)},
		{"periodic stopped", at(periodicTask(), good(), stop, pass(time.Minute))},
		{"periodic paused", at(periodicTask(), good(), ask(task.Command{Verb: task.VerbPause}))},
		{"periodic failed", at(periodicTask(), missing, pass(15*time.Second))},
		{"on demand, launching", at(onDemandTask(), slow, run, pass(time.Second))},
		{"on demand, waiting for a retry", at(retrying, failing, run, pass(time.Second))},
		{"on demand, waiting in a group", at(grouped, good(), hold, run)},
		{"on demand, interrupted", at(onDemandTask(), endless, run, pass(time.Second), stop, pass(time.Second))},
		{"continuous starting", at(continuousTask(), slow, pass(time.Second))},
		{"continuous at work", at(continuousTask(), endless, pass(time.Second))},
		{"continuous in backoff", at(continuousTask(), failing, pass(100*time.Millisecond))},
		{"continuous in a crash loop", at(continuousTask(), failing, pass(2*time.Minute))},
		{"continuous completed", at(continuousTask(), good(), pass(2*time.Second))},
		{"continuous failed", at(continuousTask(), missing, pass(2*time.Second))},
		{"continuous draining", at(continuousTask(), hung, pass(time.Second), stop)},
		{"continuous restarting", at(continuousTask(), hung, pass(time.Second), ask(task.Command{Verb: task.VerbRestart}))},
		{"continuous stopped", at(continuousTask(), endless, pass(time.Second), stop, pass(time.Minute))},
		{"draining", at(continuousTask(), endless, pass(time.Second), func(s *sim) { s.event(drained{on: true}) })},
		{"shutting down", at(continuousTask(), hung, pass(time.Second), func(s *sim) { s.event(shutdown{by: s.now.Add(time.Minute)}) })},
		{"retired", at(continuousTask(), hung, pass(time.Second), func(s *sim) { s.event(retired{}) })},
	}
}

// happenings has every kind of event in it, fitting or not.
func happenings(s *sim) map[string]func() {
	command := func(c task.Command) func() { return func() { _, _ = s.ask(c) } }
	all := map[string]func(){
		"tick":            func() { s.event(ticked{}) },
		"a minute":        func() { s.advance(time.Minute) },
		"an hour":         func() { s.advance(time.Hour) },
		"clock forward":   func() { s.step(3 * time.Hour) },
		"clock back":      func() { s.step(-3 * time.Hour) },
		"a long sleep":    func() { s.event(overslept{}) },
		"grant of nobody": func() { s.event(granted{99}) },
		"gate closed":     func() { s.event(gated{[]string{"redis"}}) },
		"gate open":       func() { s.event(gated{}) },
		"followed":        func() { s.event(followed{task.Run{ID: "source", Ended: s.now}}) },
		"host pause":      func() { s.event(hostPaused{override: &task.Override{By: "ben"}}) },
		"host resume":     func() { s.event(hostPaused{}) },
		"drain":           func() { s.event(drained{on: true}) },
		"end of drain":    func() { s.event(drained{}) },
		"hold":            func() { s.event(held{}) },
		"shutdown":        func() { s.event(shutdown{by: s.now.Add(20 * time.Second)}) },
		"hurry":           func() { s.event(escalated{task.Hard}) },
		"kill all":        func() { s.event(escalated{task.Kill}) },
		"retired":         func() { s.event(retired{}) },
		"defined live": func() {
			d := *s.st.def
			d.Description = "new"
			s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
		},
		"defined anew": func() {
			d := *s.st.def
			d.Type = "new"
			s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
		},
		"disabled": func() {
			d := *s.st.def
			d.Enabled = false
			s.event(defined{definition{def: &d, gen: 2, plan: s.st.plan}})
		},
	}
	for _, verb := range []task.Verb{task.VerbStart, task.VerbStop, task.VerbCancel, task.VerbRun, task.VerbPause, task.VerbResume, task.VerbRestart,
		task.VerbBackfill, task.VerbRetry, task.VerbTimeout, task.VerbReset} {
		for _, mode := range []task.StopMode{task.Graceful, task.Hard, task.Kill} {
			all[string(verb)+" "+string(mode)] = command(task.Command{Verb: verb, Mode: mode, Overlap: task.OverlapCancel, CatchUp: true,
				Slots: []time.Time{epoch}, Retry: &task.Run{State: task.RunEnded}})
		}
	}
	for _, id := range []task.ProcessID{1, 77} {
		p := s.procs[id]
		run := "none"
		if p != nil && p.run != "" {
			run = p.run
		}
		known := map[bool]string{true: "its process", false: "a stranger"}[id == 1]
		report := func(r task.Report) func() {
			return func() {
				if p == nil {
					s.event(reported{r})
					return
				}
				s.deliver(r)
			}
		}
		all["failed: "+known] = report(task.ProcessFailed{ID: id, Err: &task.LaunchError{Kind: task.LaunchTimeout}})
		all["gone: "+known] = report(task.ProcessGone{ID: id})
		all["moving: "+known] = report(task.ProcessMoving{ID: id})
		all["brought down: "+known] = report(task.ProcessGone{ID: id, Exit: task.ExitCause{Neighbour: "wild"}})
		all["entered: "+known] = report(task.RunEntered{ID: id, Run: run})
		all["returned: "+known] = func() {
			if p != nil && p.run == "" {
				return
			}
			report(task.RunReturned{ID: id, Result: task.RunResult{Run: run, Status: task.StatusFailed}})()
		}
		all["ready: "+known] = report(task.BecameReady{ID: id})
		all["alive: "+known] = report(task.Alive{ID: id, Run: run, Progress: &task.Progress{Done: 1}})
		all["extension: "+known] = report(task.Extension{ID: id, Run: run, By: time.Minute})
	}
	return all
}

// TestEverySituationBearsEveryEvent walks all pairs. The sim checks the invariants; at the
// end a stop must still bring the task down.
func TestEverySituationBearsEveryEvent(t *testing.T) {
	t.Parallel()
	for _, now := range situations() {
		t.Run(now.name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for name := range happenings(now.sim(t)) {
				names = append(names, name)
			}
			for _, name := range names {
				s := now.sim(t)
				s.fatalf = func(format string, args ...any) {
					t.Helper()
					t.Fatalf(name+": "+format, args...)
				}
				happenings(s)[name]()
				s.advance(5 * time.Second)
				s.checkSlots()
				if s.done {
					continue
				}
				s.must(task.Command{Verb: task.VerbStop, Mode: task.Kill})
				s.advance(10 * time.Second)
				if !s.done && (s.st.word != task.Stopped || s.alive() > 0) {
					t.Errorf("%s: after a kill it is %s with %d processes", name, s.st.word, s.alive())
				}
			}
		})
	}
}

func TestAllStatesAreReached(t *testing.T) {
	t.Parallel()
	reached := map[task.State]bool{}
	for _, now := range situations() {
		reached[now.sim(t).st.word] = true
	}
	for _, s := range task.States {
		if !reached[s] {
			t.Errorf("no situation is %s", s)
		}
	}
}
