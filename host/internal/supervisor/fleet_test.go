package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

// fakeEngine is an engine whose processes behave as they are told, by timers.
type fakeEngine struct {
	mu     sync.Mutex
	report func(name string, r task.Report)
	behave func(def *task.Definition) behaviour
	procs  map[task.ProcessID]*engineProcess
	busy   map[string]int // runs at work, by task
	most   map[string]int
	log    []string // what was asked for, in order

	onStart func(task.RunStart)
}

type engineProcess struct {
	name string
	b    behaviour
	run  string
	up   bool
	gone bool
}

func newEngine() *fakeEngine {
	return &fakeEngine{behave: func(*task.Definition) behaviour { return good() },
		procs: map[task.ProcessID]*engineProcess{}, busy: map[string]int{}, most: map[string]int{}}
}

func (e *fakeEngine) note(what, name string) { e.log = append(e.log, what+" "+name) }

// after lets something happen later; what returns a report, or nil when it has been overtaken.
func (e *fakeEngine) after(d time.Duration, p *engineProcess, what func() task.Report) {
	time.AfterFunc(d, func() {
		e.mu.Lock()
		r := what()
		e.mu.Unlock()
		if r != nil {
			e.report(p.name, r)
		}
	})
}

func (e *fakeEngine) Launch(id task.ProcessID, def *task.Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &engineProcess{name: def.Name, b: e.behave(def)}
	e.procs[id] = p
	e.note("launch", p.name)
	if p.b.hangs {
		return
	}
	e.after(p.b.launch, p, func() task.Report {
		switch {
		case p.gone:
			return nil
		case p.b.launchErr != nil:
			p.gone = true
			return task.ProcessFailed{ID: id, Err: p.b.launchErr}
		}
		p.up = true
		return task.ProcessReady{ID: id, Info: task.ProcessInfo{PID: int(id % 1000)}}
	})
}

func (e *fakeEngine) StartRun(id task.ProcessID, start task.RunStart) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[id]
	if p.gone {
		return
	}
	if e.onStart != nil {
		e.onStart(start)
	}
	p.run = start.Run
	e.busy[p.name]++
	e.most[p.name] = max(e.most[p.name], e.busy[p.name])
	e.after(0, p, func() task.Report { return task.RunEntered{ID: id, Run: start.Run} })
	if p.b.ready {
		e.after(0, p, func() task.Report { return task.BecameReady{ID: id} })
	}
	switch {
	case p.b.work < 0:
	case p.b.crashes:
		e.gone(id, p, p.b.work, func() bool { return p.run == start.Run })
	default:
		e.returns(id, p, p.b.work, start.Run, p.b.status, false)
	}
}

func (e *fakeEngine) returns(id task.ProcessID, p *engineProcess, d time.Duration, run string, status task.RunStatus, observed bool) {
	e.after(d, p, func() task.Report {
		if p.run != run || p.gone {
			return nil
		}
		p.run = ""
		e.busy[p.name]--
		return task.RunReturned{ID: id, SavedValues: p.b.saves, Result: task.RunResult{Run: run, Status: status, ObservedStop: observed}}
	})
}

func (e *fakeEngine) gone(id task.ProcessID, p *engineProcess, d time.Duration, holds func() bool) {
	e.after(d, p, func() task.Report {
		if p.gone || !holds() {
			return nil
		}
		p.gone = true
		if p.run != "" {
			p.run = ""
			e.busy[p.name]--
		}
		if !p.up {
			return task.ProcessFailed{ID: id, Err: &task.LaunchError{Kind: task.LaunchStopped}}
		}
		return task.ProcessGone{ID: id, Exit: task.ExitCause{Code: -1}, SavedValues: p.b.saves}
	})
}

func (e *fakeEngine) Drain(id task.ProcessID, run string, _ time.Duration, _ string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[id]
	e.note("drain", p.name)
	if p.b.onDrain >= 0 {
		e.returns(id, p, p.b.onDrain, run, interruptedStatus(p.b), true)
	}
}

func (e *fakeEngine) Cancel(id task.ProcessID, run string, _ task.CancelCause, _ time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[id]
	e.note("cancel", p.name)
	if p.b.onCancel >= 0 {
		e.returns(id, p, p.b.onCancel, run, task.StatusFailed, true)
	}
}

func (e *fakeEngine) Close(id task.ProcessID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[id]
	e.note("close", p.name)
	if p.b.onClose >= 0 {
		e.gone(id, p, p.b.onClose, func() bool { return true })
	}
}

func (e *fakeEngine) Kill(id task.ProcessID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.procs[id]
	e.note("kill", p.name)
	e.gone(id, p, p.b.onKill, func() bool { return true })
}

func (e *fakeEngine) Grant(task.ProcessID, uint64, bool) {}
func (e *fakeEngine) Hurry(task.ProcessID)               {}

func (e *fakeEngine) Call(_ context.Context, id task.ProcessID, method string, in json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprintf("%q", method)), nil
}

func (e *fakeEngine) alive() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, p := range e.procs {
		if !p.gone {
			n++
		}
	}
	return n
}

// fakeJournal keeps everything in memory.
type fakeJournal struct {
	mu        sync.Mutex
	runs      map[string]task.Run
	order     []string
	slots     map[string]task.SlotRecord
	statuses  map[string]task.Status
	overrides map[string]task.Overrides
	slow      time.Duration // SaveOverrides takes so long
	broken    error
	flushed   map[string]bool // runs that a Flush has made durable
	flushes   int
}

func newJournal() *fakeJournal {
	return &fakeJournal{runs: map[string]task.Run{}, slots: map[string]task.SlotRecord{},
		statuses: map[string]task.Status{}, overrides: map[string]task.Overrides{}}
}

func (j *fakeJournal) SaveRun(r task.Run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.runs[r.ID]; !known {
		j.order = append(j.order, r.ID)
	}
	j.runs[r.ID] = r
}

func (j *fakeJournal) SaveSlot(r task.SlotRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.slots[r.ID] = r
}

func (j *fakeJournal) SaveStatus(s task.Status) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.statuses[s.Task] = s
}

func (j *fakeJournal) RemoveStatus(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.statuses, name)
}

func (j *fakeJournal) Event(task.Event) {}

func (j *fakeJournal) Flush(context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flushes++
	if j.broken != nil {
		return j.broken
	}
	j.flushed = map[string]bool{}
	for id := range j.runs {
		j.flushed[id] = true
	}
	return nil
}

func (j *fakeJournal) durable(run string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.flushed[run]
}

func (j *fakeJournal) SaveOverrides(_ context.Context, name string, o task.Overrides) error {
	if j.slow > 0 {
		<-time.After(j.slow)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	j.overrides[name] = o
	return nil
}

// Recall tells of an earlier life what a store would: the next host's life begins with it.
func (j *fakeJournal) Recall(_ context.Context, name string) (task.Memory, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m := task.Memory{Overrides: j.overrides[name], LastSlot: j.statuses[name].LastSlot}
	for _, id := range j.order {
		switch r := j.runs[id]; {
		case r.Task != name || r.State == task.RunEnded:
		case r.State == task.RunQueued:
			m.Interrupted = append(m.Interrupted, r)
		default:
			m.Live = append(m.Live, r)
		}
	}
	return m, nil
}

func (j *fakeJournal) Remembered(context.Context) ([]string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := slices.Collect(maps.Keys(j.statuses))
	for _, r := range j.runs {
		if r.State != task.RunEnded && !slices.Contains(names, r.Task) {
			names = append(names, r.Task)
		}
	}
	return names, nil
}

func (j *fakeJournal) status(name string) task.Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.statuses[name]
}

func (j *fakeJournal) count(name string, o task.Outcome) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, r := range j.runs {
		if r.Task == name && r.Outcome == o && r.State == task.RunEnded {
			n++
		}
	}
	return n
}

// host is a fleet at work within a synctest bubble.
type host struct {
	t       *testing.T
	fleet   *Fleet
	engine  *fakeEngine
	journal *fakeJournal
	stop    context.CancelFunc
	ended   chan error
	gen     int
}

func startHost(t *testing.T, engine *fakeEngine, journal *fakeJournal, cfg Config) *host {
	cfg.Engine, cfg.Journal = engine, journal
	h := &host{t: t, fleet: New(cfg), engine: engine, journal: journal, ended: make(chan error, 1)}
	engine.report = h.fleet.Report
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	go func() { h.ended <- h.fleet.Run(ctx) }()
	return h
}

func (h *host) apply(groups []task.Group, defs ...task.Definition) {
	h.t.Helper()
	h.gen++
	if err := h.fleet.Apply(h.t.Context(), task.Generation{Number: h.gen, Tasks: defs, Groups: groups}); err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
}

func (h *host) must(name string, c task.Command) task.Reply {
	h.t.Helper()
	r, err := h.fleet.Command(h.t.Context(), name, c)
	if err != nil {
		h.t.Fatalf("%s %s: %v", c.Verb, name, err)
	}
	synctest.Wait()
	return r
}

// pass lets time pass.
func (h *host) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (h *host) end() {
	h.t.Helper()
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Error(err)
	}
	if n := h.engine.alive(); n > 0 {
		h.t.Errorf("%d processes are left", n)
	}
}

func named(d task.Definition, name string) task.Definition {
	d.Name, d.Block = name, name
	return d
}

// bubble runs a test over a fresh host in virtual time.
func bubble(t *testing.T, test func(t *testing.T, h *host)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := startHost(t, newEngine(), newJournal(), Config{})
		synctest.Wait()
		test(t, h)
		h.end()
	})
}

func TestADayOfSlotsRunsWithoutDrift(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.apply(nil, periodicTask())
		h.pass(24*time.Hour + 5*time.Second)
		if n := h.journal.count("sync", task.OutcomeSucceeded); n != 8640 {
			t.Errorf("%d runs in a day, want 8640", n)
		}
		for _, r := range h.journal.runs {
			if r.Started.Sub(r.Slot) > time.Millisecond {
				t.Fatalf("slot %s began at %s", r.Slot, r.Started)
			}
		}
	})
}

func TestShutdownGoesAgainstTheOrderOfDependencies(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.ready = -1, true
			return b
		}
		db, api, web := named(continuousTask(), "db"), named(continuousTask(), "api"), named(continuousTask(), "web")
		api.DependsOn = []task.Dependency{{Task: "db", Condition: task.Ready}}
		web.DependsOn = []task.Dependency{{Task: "api", Condition: task.Started}}
		h.apply(nil, web, api, db)
		h.pass(time.Second)
		for _, name := range []string{"db", "api", "web"} {
			if s := h.journal.status(name); s.State != task.Running {
				t.Errorf("%s is %s", name, s.State)
			}
		}
		began := time.Now()
		h.end()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the shutdown took %s", took)
		}
		var starts, drains []string
		for _, l := range h.engine.log {
			var what, name string
			fmt.Sscan(l, &what, &name)
			switch what {
			case "launch":
				starts = append(starts, name)
			case "drain":
				drains = append(drains, name)
			}
		}
		if d := cmp.Diff([]string{"db", "api", "web"}, starts); d != "" {
			t.Error("starts", d)
		}
		if d := cmp.Diff([]string{"web", "api", "db"}, drains); d != "" {
			t.Error("drains", d)
		}
		h.ended <- nil
	})
}

func TestShutdownKeepsItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain, b.onCancel, b.onClose = -1, -1, -1, -1
			return b
		}
		db, web := named(continuousTask(), "db"), named(continuousTask(), "web")
		web.DependsOn = []task.Dependency{{Task: "db", Condition: task.Started}}
		h.apply(nil, db, web)
		h.pass(time.Second)
		h.fleet.cfg.ShutdownTimeout = 6 * time.Second
		began := time.Now()
		h.end()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the shutdown took %s", took)
		}
		h.ended <- nil
	})
}

func TestASecondSignalHurriesTheShutdown(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain = -1, -1
			return b
		}
		h.apply(nil, continuousTask())
		h.pass(time.Second)
		h.stop()
		h.pass(time.Second)
		began := time.Now()
		h.fleet.Escalate(task.Hard)
		h.end()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s after the second signal", took)
		}
		h.ended <- nil
	})
}

func TestAHurryThatComesBeforeTheEndIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain = -1, -1
			return b
		}
		h.apply(nil, continuousTask())
		h.pass(time.Second)
		h.fleet.Escalate(task.Hard)
		h.pass(time.Second)
		if s := h.journal.status("sync"); s.State != task.Running {
			t.Errorf("it is %s", s.State)
		}
		began := time.Now()
		h.end()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		h.ended <- nil
	})
}

func TestAnUnendableProcessDoesNotHoldTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := startHost(t, newEngine(), newJournal(), Config{})
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain, b.onCancel, b.onKill = -1, -1, -1, time.Hour
			return b
		}
		h.apply(nil, continuousTask())
		h.pass(time.Second)
		h.stop()
		if err := <-h.ended; err == nil {
			t.Error("the shutdown claims that all is down")
		}
	})
}

func TestGroupsBoundRunsOfAllMembers(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		var defs []task.Definition
		for i := range 6 {
			d := named(onDemandTask(), fmt.Sprintf("t%d", i))
			d.Groups = []string{"db"}
			defs = append(defs, d)
		}
		h.apply([]task.Group{{Name: "db", Max: 2}}, defs...)
		began := time.Now()
		var runs []string
		for _, d := range defs {
			runs = append(runs, h.must(d.Name, task.Command{Verb: task.VerbRun}).Runs[0].ID)
		}
		groups, err := h.fleet.Groups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]GroupStatus{{Group: task.Group{Name: "db", Max: 2}, Holding: runs[:2], Waiting: runs[2:]}}, groups); d != "" {
			t.Error(d)
		}
		for n := 0; n < 6; n = 0 {
			for _, d := range defs {
				n += h.journal.count(d.Name, task.OutcomeSucceeded)
			}
			if n == 6 {
				break
			}
			h.pass(100 * time.Millisecond)
		}
		if took := time.Since(began); took < 3*time.Second || took > 3200*time.Millisecond {
			t.Errorf("six runs of a second, two at a time, took %s", took)
		}
	})
}

func TestGroupRateSpacesStarts(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		d := named(onDemandTask(), "a")
		d.Groups = []string{"api"}
		h.apply([]task.Group{{Name: "api", Rate: 6, Per: time.Minute, Burst: 1}}, d)
		began := time.Now()
		for range 4 {
			h.must("a", task.Command{Verb: task.VerbRun, Overlap: task.OverlapQueue})
		}
		for h.journal.count("a", task.OutcomeSucceeded) < 4 {
			h.pass(time.Second)
		}
		if took := time.Since(began); took < 30*time.Second || took > 33*time.Second {
			t.Errorf("four runs at six a minute took %s", took)
		}
		for _, r := range h.journal.runs {
			if !slices.ContainsFunc(r.Timeline, func(m task.Moment) bool { return m.What == "admitted" && m.Note == "by api" }) {
				t.Errorf("run %s does not tell that its group let it in: %v", r.ID, r.Timeline)
			}
		}
	})
}

func TestATaskThatFailsWhileItWaitsForAGroupHoldsNoPlaceInIt(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(def *task.Definition) behaviour {
			b := good()
			b.work = 10 * time.Second
			if def.Name == "broken" {
				b.launch, b.launchErr = 5*time.Second, &task.LaunchError{Kind: task.LaunchNotPlugin, Detail: "no plugin"}
			}
			return b
		}
		well, broken := named(onDemandTask(), "well"), named(onDemandTask(), "broken")
		well.Groups, broken.Groups = []string{"g"}, []string{"g"}
		broken.Process = task.ProcessTask // so that it is launched while its run waits
		h.apply([]task.Group{{Name: "g", Max: 1}}, well, broken)
		h.must("well", task.Command{Verb: task.VerbRun})
		h.must("broken", task.Command{Verb: task.VerbRun})
		h.pass(20 * time.Second)
		h.must("well", task.Command{Verb: task.VerbRun})
		h.pass(20 * time.Second)
		if n := h.journal.count("well", task.OutcomeSucceeded); n != 2 {
			t.Errorf("%d runs of the other task got through, want 2", n)
		}
		if n := h.journal.count("broken", task.OutcomeFailed); n != 1 {
			t.Errorf("the run of the broken task has not ended: %+v", h.journal.status("broken").Running)
		}
	})
}

func TestAfterRunStartsOneRunForEach(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		source, report := named(onDemandTask(), "check.www"), named(onDemandTask(), "report")
		source.Block = "check"
		report.AfterRun = []task.AfterRun{{Task: "check", Outcomes: []task.Outcome{task.OutcomeSucceeded}}}
		h.apply(nil, source, report)
		for range 3 {
			h.must("check.www", task.Command{Verb: task.VerbRun, Overlap: task.OverlapQueue})
		}
		h.pass(time.Minute)
		if n := h.journal.count("report", task.OutcomeSucceeded); n != 3 {
			t.Errorf("%d runs followed three", n)
		}
		for _, r := range h.journal.runs {
			if r.Task == "report" && (r.Trigger != task.TriggerAfterRun || h.journal.runs[r.Source].Task != "check.www") {
				t.Errorf("run %s: trigger %s, source %q", r.ID, r.Trigger, r.Source)
			}
		}
	})
}

// following runs after each success of src.
func following(name string) task.Definition {
	d := named(onDemandTask(), name)
	d.AfterRun = []task.AfterRun{{Task: "src", Outcomes: []task.Outcome{task.OutcomeSucceeded}}}
	return d
}

func TestARunThatEndsBetweenTwoLivesOfItsFollowerIsFollowed(t *testing.T) {
	t.Parallel()
	lives := map[string]func(h *host, src task.Definition){
		"another name": func(h *host, src task.Definition) {
			gen := task.Generation{Number: 2, Tasks: []task.Definition{src, following("b")}, Moves: []task.Move{{From: "a", To: "b"}}}
			if err := h.fleet.Apply(h.t.Context(), gen); err != nil {
				h.t.Fatal(err)
			}
		},
		"the same": func(h *host, src task.Definition) {
			h.apply(nil, src)
			changed := following("a")
			changed.Type = "other"
			h.apply(nil, src, changed)
		},
	}
	for name, next := range lives {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				h.fleet.cfg.Rename = func(_ context.Context, from, to string) error {
					h.journal.rename(from, to)
					return nil
				}
				h.engine.behave = func(def *task.Definition) behaviour {
					b := good()
					b.work = 3 * time.Second
					if def.Name == "a" {
						b.work, b.onDrain = time.Minute, 5*time.Second
					}
					return b
				}
				src := named(onDemandTask(), "src")
				h.apply(nil, src, following("a"))
				h.must("a", task.Command{Verb: task.VerbRun})
				h.must("src", task.Command{Verb: task.VerbRun})
				h.pass(time.Second)
				next(h, src)
				h.pass(2 * time.Minute)
				followed := 0
				for _, r := range h.journal.runs {
					if r.Trigger == task.TriggerAfterRun && r.Outcome == task.OutcomeSucceeded {
						followed++
					}
				}
				if followed != 1 {
					t.Errorf("%d runs followed", followed)
				}
			})
		})
	}
}

func TestARunThatNobodyFollowsForTheHostEndsIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine, journal := newEngine(), newJournal()
		engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain = 5*time.Second, 3*time.Second
			return b
		}
		h := startHost(t, engine, journal, Config{})
		h.apply(nil, named(onDemandTask(), "src"), following("a"))
		h.must("src", task.Command{Verb: task.VerbRun})
		h.pass(time.Second)
		h.end()
		var records []string
		for _, rec := range journal.slots {
			records = append(records, fmt.Sprint(rec.Task, " ", rec.Reason, " ", rec.Count))
		}
		if diff := cmp.Diff([]string{"a skipped(shutdown) 1"}, records); diff != "" || journal.count("src", task.OutcomeSucceeded) != 1 {
			t.Error(diff)
		}
	})
}

func TestACommandThatComesTogetherWithTheEndOfItsTaskIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.apply(nil, named(onDemandTask(), "a"))
		to := make(chan answer, 1)
		box := h.fleet.view.Load().loops["a"].box
		box.mu.Lock()
		box.queue = append(box.queue, retired{}, asked{command: task.Command{Verb: task.VerbStop}, to: to})
		box.mu.Unlock()
		box.ready <- struct{}{}
		select {
		case a := <-to:
			if a.err == nil {
				t.Error("a task that is gone obeys")
			}
		case <-time.After(time.Hour):
			t.Error("nobody answers")
		}
	})
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work = -1
			return b
		}
		same, changed, removed := named(continuousTask(), "same"), named(continuousTask(), "changed"), named(continuousTask(), "removed")
		h.apply(nil, same, changed, removed)
		h.pass(time.Second)
		h.engine.log = nil
		changed.Config.Digest = "another"
		fresh := named(continuousTask(), "fresh")
		h.apply(nil, same, changed, fresh)
		h.pass(10 * time.Second)
		slices.Sort(h.engine.log)
		if d := cmp.Diff([]string{"close changed", "close removed", "drain changed", "drain removed", "launch changed", "launch fresh"}, h.engine.log); d != "" {
			t.Error(d)
		}
		if _, there := h.journal.statuses["removed"]; there {
			t.Error("the removed task still has a status")
		}
		if s := h.journal.status("changed"); s.State != task.Running || s.Generation != 2 {
			t.Errorf("changed: %s of generation %d", s.State, s.Generation)
		}
		if s := h.journal.status("same"); s.Generation != 1 {
			t.Errorf("same: generation %d", s.Generation)
		}
		if _, err := h.fleet.Command(t.Context(), "removed", task.Command{Verb: task.VerbStart}); err == nil {
			t.Error("a removed task took a command")
		}
	})
}

func TestATaskThatComesBackWhileItDrainsGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.onDrain = -1, 3*time.Second
			return b
		}
		h.apply(nil, continuousTask())
		h.pass(time.Second)
		h.apply(nil)
		h.pass(time.Second)
		h.apply(nil, continuousTask())
		h.pass(10 * time.Second)
		if s := h.journal.status("sync"); s.State != task.Running {
			t.Errorf("it is %s", s.State)
		}
		if h.engine.most["sync"] != 1 {
			t.Errorf("%d runs side by side", h.engine.most["sync"])
		}
	})
}

func TestAStopIsDurableBeforeItIsAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.apply(nil, periodicTask())
		h.journal.slow = 3 * time.Second
		began := time.Now()
		h.must("sync", task.Command{Verb: task.VerbStop, Actor: "anna"})
		if took := time.Since(began); took < 3*time.Second {
			t.Errorf("acknowledged after %s", took)
		}
		if h.journal.overrides["sync"].Stopped == nil {
			t.Error("the stop was not saved")
		}
		h.journal.slow, h.journal.broken = 0, errors.New("disk full")
		if _, err := h.fleet.Command(t.Context(), "sync", task.Command{Verb: task.VerbStart}); err == nil {
			t.Error("a start that could not be saved was acknowledged")
		}
	})
}

func TestOverridesAndInterruptedRunsOutliveTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := newJournal()
		engine := newEngine()
		engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work, b.saves = 30*time.Second, true
			return b
		}
		h := startHost(t, engine, journal, Config{})
		stopped, job := named(periodicTask(), "stopped"), named(onDemandTask(), "job")
		h.apply(nil, stopped, job)
		h.must("stopped", task.Command{Verb: task.VerbStop})
		run := h.must("job", task.Command{Verb: task.VerbRun}).Runs[0].ID
		h.pass(5 * time.Second)
		h.end()

		h = startHost(t, newEngine(), journal, Config{})
		h.apply(nil, stopped, job)
		h.pass(time.Minute)
		if s := journal.status("stopped"); s.State != task.Stopped || s.StoppedBy == nil {
			t.Errorf("stopped: %s %v", s.State, s.StoppedBy)
		}
		r := journal.runs[run]
		if r.Outcome != task.OutcomeSucceeded || len(r.Attempts) != 2 {
			t.Errorf("run: %s after %d attempts", r.Outcome, len(r.Attempts))
		}
		h.end()
	})
}

func TestDrainWaitsForRunsAndStartsNothingNew(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work = 30 * time.Second
			return b
		}
		h.apply(nil, named(onDemandTask(), "job"), named(continuousTask(), "daemon"))
		h.must("job", task.Command{Verb: task.VerbRun})
		h.pass(100 * time.Millisecond)
		began := time.Now()
		if err := h.fleet.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 29*time.Second || took > 31*time.Second {
			t.Errorf("drained after %s", took)
		}
		if n := h.journal.count("job", task.OutcomeSucceeded); n != 1 {
			t.Errorf("the live run did not finish")
		}
		_, err := h.fleet.Command(t.Context(), "job", task.Command{Verb: task.VerbRun})
		if e, ok := errors.AsType[*task.Error](err); !ok || e.Code != task.CodeShutdown {
			t.Errorf("a run was taken while the host drains: %v", err)
		}
		if err := h.fleet.ResumeHost(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		h.must("job", task.Command{Verb: task.VerbRun})
		if s := h.journal.status("daemon"); s.State != task.Starting && s.State != task.Running {
			t.Errorf("daemon is %s after the drain", s.State)
		}
	})
}

func TestHostPauseSkipsSlotsAndOutlivesTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := newJournal()
		for range 2 {
			h := startHost(t, newEngine(), journal, Config{})
			h.apply(nil, periodicTask())
			if err := h.fleet.PauseHost(t.Context(), task.Override{By: "anna"}); err != nil {
				t.Fatal(err)
			}
			h.pass(time.Minute)
			h.end()
		}
		h := startHost(t, newEngine(), journal, Config{})
		h.apply(nil, periodicTask())
		h.pass(time.Minute)
		if len(journal.runs) > 0 {
			t.Errorf("%d runs while the host is paused", len(journal.runs))
		}
		if s := journal.status("sync"); s.Paused == nil || s.Paused.By != "anna" {
			t.Errorf("paused by %v", s.Paused)
		}
		h.end()
	})
}

func TestUnknownTasksAreRefusedWithTheNearName(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.apply(nil, periodicTask())
		_, err := h.fleet.Command(t.Context(), "snc", task.Command{Verb: task.VerbStart})
		e, ok := errors.AsType[*task.Error](err)
		if !ok || e.Code != task.CodeTaskUnknown || e.Remedy != `did you mean "sync"?` {
			t.Errorf("%v", err)
		}
	})
}

func TestCallsGoToTheLiveProcess(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work = -1
			return b
		}
		h.apply(nil, continuousTask())
		h.pass(time.Second)
		out, err := h.fleet.Call(t.Context(), "sync", "stats", nil)
		if err != nil || string(out) != `"stats"` {
			t.Errorf("%s %v", out, err)
		}
		h.must("sync", task.Command{Verb: task.VerbStop})
		h.pass(time.Second)
		_, err = h.fleet.Call(t.Context(), "sync", "stats", nil)
		if e, ok := errors.AsType[*task.Error](err); !ok || e.Code != task.CodeNotRunning {
			t.Errorf("call of a stopped task: %v", err)
		}
	})
}

func TestScheduleShowsAllTasksOnOneLine(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		slow := named(periodicTask(), "slow")
		slow.Schedule.Every = 30 * time.Second
		h.apply(nil, periodicTask(), slow, continuousTask0("daemon"))
		now := time.Now()
		h.must("slow", task.Command{Verb: task.VerbStop})
		var got []string
		for _, s := range h.fleet.ScheduleAll(now.Add(1), now.Add(30*time.Second+1), 10) {
			got = append(got, fmt.Sprintf("%s +%s %s", s.Task, s.At.Sub(now), s.Held))
		}
		if d := cmp.Diff([]string{"sync +10s ", "sync +20s ", "slow +30s stopped", "sync +30s "}, got); d != "" {
			t.Error(d)
		}
		if _, err := h.fleet.Schedule("nobody", now, now.Add(time.Hour), 1); err == nil {
			t.Error("an unknown task has a schedule")
		}
	})
}

func continuousTask0(name string) task.Definition { return named(continuousTask(), name) }

func TestAClockStepIsNoticedWithoutATimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var offset time.Duration
		now := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(offset) }
		h := startHost(t, newEngine(), newJournal(), Config{Now: now})
		d := periodicTask()
		d.Schedule.Every = time.Hour
		d.Schedule.CatchUp = task.CatchUp{Policy: task.CatchUpLatest, Window: 6 * time.Hour}
		h.apply(nil, d)
		h.pass(10 * time.Second)
		mu.Lock()
		offset = 5*time.Hour + 10*time.Minute // the machine slept
		mu.Unlock()
		h.pass(31 * time.Second)
		if n := h.journal.count("sync", task.OutcomeSucceeded); n != 1 {
			t.Errorf("%d runs caught up, want the latest", n)
		}
		for _, r := range h.journal.slots {
			if r.Reason != task.MissedClock || r.Count != 4 {
				t.Errorf("%s ×%d", r.Reason, r.Count)
			}
		}
		mu.Lock()
		offset = 0 // and the clock was set back
		mu.Unlock()
		h.pass(2 * time.Hour)
		if n := h.journal.count("sync", task.OutcomeSucceeded); n != 1 {
			t.Errorf("%d runs: a slot fired twice", n)
		}
		h.end()
	})
}

func TestAClockThatIsSetWhileTheHostEndsCutsNoDrain(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var offset atomic.Int64
			engine := newEngine()
			engine.behave = func(def *task.Definition) behaviour {
				b := endless()
				b.onDrain = 8 * time.Second
				if def.Name == "deaf" {
					b = stubborn()
				}
				return b
			}
			h := startHost(t, engine, newJournal(), Config{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
			below := named(continuousTask(), "below")
			below.DependsOn = []task.Dependency{{Task: "slow", Condition: task.Started}}
			h.apply(nil, named(continuousTask(), "slow"), below, named(continuousTask(), "deaf"))
			h.pass(time.Second)
			began := time.Now()
			h.stop()
			h.pass(time.Second)
			offset.Store(int64(step))
			h.end()
			for _, name := range []string{"slow", "below"} {
				if n := h.journal.count(name, task.OutcomeSucceeded); n != 1 {
					t.Errorf("by %s: %s was not drained", step, name)
				}
			}
			if took := time.Since(began); took > 40*time.Second {
				t.Errorf("by %s: the end took %s", step, took)
			}
		})
	}
}

func TestAThousandTasksAtOneHertz(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.engine.behave = func(*task.Definition) behaviour {
			b := good()
			b.work = 10 * time.Millisecond
			return b
		}
		var defs []task.Definition
		for i := range 1000 {
			d := named(periodicTask(), fmt.Sprintf("t%d", i))
			d.Schedule.Every, d.Schedule.HasOffset = time.Second, false
			defs = append(defs, d)
		}
		h.apply(nil, defs...)
		h.pass(5 * time.Second)
		for _, d := range defs {
			if n := h.journal.count(d.Name, task.OutcomeSucceeded); n < 4 {
				t.Fatalf("%s ran %d times in five seconds", d.Name, n)
			}
			if d.Name == "t20" {
				break // counting walks all runs
			}
		}
	})
}
