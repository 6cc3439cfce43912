package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// epoch is when every simulated life begins: not on a round time, so that grids show.
var epoch = time.Date(2026, 3, 2, 9, 0, 0, 250_000_000, time.UTC)

// behaviour is what one process and its runs do.
type behaviour struct {
	launch    time.Duration
	launchErr error
	hangs     bool // the launch does not end by itself
	work      time.Duration
	status    task.RunStatus
	result    string        // JSON
	asked     time.Duration // RetryAfter
	onDrain   time.Duration // returns so long after a drain; negative ignores it
	onCancel  time.Duration
	crashes   bool          // at the end of work instead of returning
	dies      time.Duration // idle, after this long; 0 is not at all
	neighbour string        // whose fault its end is, when it is shared
	moves     time.Duration // is told to be left, after this long; 0 is not at all
	saves     bool
	onClose   time.Duration // negative ignores it
	onKill    time.Duration
	ready     bool
}

// good works for a second and obeys at once.
func good() behaviour {
	return behaviour{launch: 5 * time.Millisecond, work: time.Second, status: task.StatusSucceeded,
		onDrain: 100 * time.Millisecond, onCancel: 10 * time.Millisecond, onClose: 5 * time.Millisecond, onKill: 5 * time.Millisecond}
}

type fakeProcess struct {
	id       task.ProcessID
	b        behaviour
	state    string // launching, idle, busy, gone
	run      string
	observed bool
	ended    bool // somebody asked for its end
	began    time.Time
}

type due struct {
	at     time.Time
	order  int
	report task.Report
	check  func() bool // the report is void unless it holds
}

// sim is a world around one state: a fake engine with behaviour, gates that let everything
// pass or hold it, a journal that remembers, and a clock.
type sim struct {
	t         tb
	fatalf    func(format string, args ...any)
	st        *state
	now       time.Time
	behave    func() behaviour
	procs     map[task.ProcessID]*fakeProcess
	pending   []due
	order     int
	holdGate  bool
	waiting   []uint64
	runs      map[string]task.Run // newest snapshot
	slots     map[string]task.SlotRecord
	statuses  []task.Status
	events    []string
	answers   int
	asked     int
	stageRank map[string]int // of the live attempt
	overrides task.Overrides
	facts     facts
	done      bool
	expected  map[time.Time]bool
	durable   map[time.Time]bool // slots that are written down
	mark      time.Time          // the high-water mark, as it is written down
	launched  int
	trace     []string
}

// tb is what a test of either kind offers.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func compile(t tb, def *task.Definition) *schedule.Plan {
	t.Helper()
	if def.Mode != task.Periodic {
		return nil
	}
	plan, err := schedule.Compile(def.Name, def.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func newSim(t tb, def task.Definition) *sim {
	s := &sim{t: t, fatalf: t.Fatalf, now: epoch, behave: good,
		procs: map[task.ProcessID]*fakeProcess{}, runs: map[string]task.Run{}, slots: map[string]task.SlotRecord{},
		stageRank: map[string]int{}, expected: map[time.Time]bool{}, durable: map[time.Time]bool{}}
	s.st = newState(definition{def: &def, gen: 1, plan: compile(t, &def)}, [32]byte{1}, 0)
	return s
}

// boot begins the task's life.
func (s *sim) boot(m task.Memory) *sim { s.event(booted{memory: m}); return s }

// event lets one thing happen now.
func (s *sim) event(ev event) {
	if s.done {
		return
	}
	var due []time.Time
	if _, booting := ev.(booted); !booting {
		due = s.slotsDue()
	}
	effects := decide(s.st, ev, s.now)
	s.trace = append(s.trace, s.now.Format("15:04:05.000 ")+brief(ev)+" → "+string(s.st.word))
	for _, e := range effects {
		s.trace = append(s.trace, "    "+briefEffect(e))
	}
	for _, slot := range due {
		s.expected[slot] = true
	}
	for _, e := range slices.Clone(effects) {
		s.carryOut(e)
	}
	s.check()
}

// slotsDue are the slots that have to be dealt with now, whatever happens.
func (s *sim) slotsDue() (slots []time.Time) {
	st := s.st
	if st.plan == nil || st.fixedDelay() || !st.on || st.closing == closingRemove {
		return nil
	}
	for slot := st.plan.Next(st.lastSlot); !slot.IsZero() && !slot.After(s.now); slot = st.plan.Next(slot) {
		slots = append(slots, slot)
	}
	return slots
}

func (s *sim) later(d time.Duration, report task.Report, check func() bool) {
	s.order++
	s.pending = append(s.pending, due{at: s.now.Add(d), order: s.order, report: report, check: check})
}

func (s *sim) carryOut(e effect) {
	switch e := e.(type) {
	case launchEffect:
		s.launch(e)
	case startRunEffect:
		s.startRun(e)
	case drainEffect:
		p := s.procs[e.id]
		if p != nil && p.run == e.run && p.b.onDrain >= 0 {
			s.returnsLater(p, e.run, p.b.onDrain, interruptedStatus(p.b))
		}
	case cancelEffect:
		p := s.procs[e.id]
		if p != nil && p.run == e.run && p.b.onCancel >= 0 {
			s.returnsLater(p, e.run, p.b.onCancel, task.StatusFailed)
		}
	case closeEffect:
		p := s.procs[e.id]
		if p == nil {
			s.fatalf("close of unknown process %d", e.id)
		}
		if p.run != "" {
			s.fatalf("close of process %d with run %s", e.id, p.run)
		}
		p.ended = true
		if p.b.onClose >= 0 {
			s.end(p, p.b.onClose)
		}
	case killEffect:
		p := s.procs[e.id]
		if p != nil {
			p.ended = true
			s.end(p, p.b.onKill)
		}
	case saveRunEffect:
		if old, ok := s.runs[e.run.ID]; ok && old.State == task.RunEnded {
			s.fatalf("run %s was saved after its end", e.run.ID)
		}
		s.runs[e.run.ID] = e.run.snapshot()
		if e.run.Trigger == task.TriggerSlot {
			s.durable[e.run.Slot] = true
			s.raise(e.run.Slot)
		}
	case saveSlotEffect:
		s.saveSlot(e.record)
	case saveStatusEffect:
		s.statuses = append(s.statuses, *e.status)
		s.raise(e.status.LastSlot)
	case eventEffect:
		s.events = append(s.events, e.event.Kind+" "+e.event.Text)
		if strings.Contains(e.event.Text, "not foreseen") {
			s.fatalf("illegal transition %s", e.event.Text)
		}
	case overridesEffect:
		s.overrides = e.overrides
		if e.reply != nil {
			s.answer(e.reply)
		}
	case replyEffect:
		s.answer(e.reply)
	case acquireEffect:
		s.waiting = append(s.waiting, e.ticket)
	case releaseEffect:
		s.waiting = slices.DeleteFunc(s.waiting, func(t uint64) bool { return t == e.ticket })
	case factsEffect:
		s.facts = e.facts
	case doneEffect:
		s.done = true
	}
}

func interruptedStatus(b behaviour) task.RunStatus {
	if b.status == task.StatusSucceeded && !b.saves {
		return task.StatusSucceeded
	}
	return task.StatusInterrupted
}

func (s *sim) answer(r *reply) {
	s.answers++
	r.to <- r.answer
}

func (s *sim) launch(e launchEffect) {
	s.launched++
	if s.procs[e.id] != nil {
		s.fatalf("process id %d was given twice", e.id)
	}
	p := &fakeProcess{id: e.id, b: s.behave(), state: "launching"}
	s.procs[e.id] = p
	if !s.st.perRun() && s.alive() > 1 {
		s.fatalf("%d processes of a task that has one at a time", s.alive())
	}
	launching := func() bool { return p.state == "launching" }
	switch {
	case p.b.hangs:
	case p.b.launchErr != nil:
		s.later(p.b.launch, task.ProcessFailed{ID: p.id, Err: p.b.launchErr}, launching)
	default:
		s.later(p.b.launch, task.ProcessReady{ID: p.id, Info: task.ProcessInfo{PID: int(p.id) + 100}}, launching)
		if p.b.dies > 0 {
			s.later(p.b.launch+p.b.dies, task.ProcessGone{ID: p.id, Exit: task.ExitCause{Neighbour: p.b.neighbour}}, func() bool { return p.state == "idle" })
		}
		if p.b.moves > 0 {
			s.later(p.b.moves, task.ProcessMoving{ID: p.id, Reason: "a neighbour is deaf"}, func() bool { return p.state != "gone" })
		}
	}
}

func (s *sim) alive() int {
	n := 0
	for _, p := range s.procs {
		if p.state != "gone" {
			n++
		}
	}
	return n
}

func (s *sim) startRun(e startRunEffect) {
	p := s.procs[e.id]
	if p == nil || p.state != "idle" {
		s.fatalf("run %s was handed to process %d, which is not idle", e.start.Run, e.id)
	}
	p.state, p.run, p.observed, p.began = "busy", e.start.Run, false, s.now
	s.stageRank[p.run] = 0
	busy := 0
	for _, other := range s.procs {
		if other.run != "" {
			busy++
		}
	}
	if busy > s.st.seats() {
		s.fatalf("%d runs at work, %d allowed", busy, s.st.seats())
	}
	run, b := p.run, p.b
	at := func() bool { return p.run == run && p.state == "busy" }
	s.later(0, task.RunEntered{ID: p.id, Run: run}, at)
	if b.ready {
		s.later(0, task.BecameReady{ID: p.id}, at)
	}
	if b.work < 0 {
		return
	}
	if b.crashes {
		s.later(b.work, task.ProcessGone{ID: p.id, Exit: task.ExitCause{Code: 2, Neighbour: b.neighbour}, SavedValues: b.saves}, at)
		return
	}
	s.later(b.work, task.RunReturned{ID: p.id, Result: task.RunResult{Run: run, Status: b.status, Result: []byte(b.result), RetryAfter: b.asked}, SavedValues: b.saves}, at)
}

func (s *sim) returnsLater(p *fakeProcess, run string, d time.Duration, status task.RunStatus) {
	s.later(d, task.RunReturned{ID: p.id, SavedValues: p.b.saves, Result: task.RunResult{Run: run, Status: status, ObservedStop: true}},
		func() bool { return p.run == run && p.state == "busy" })
}

func (s *sim) end(p *fakeProcess, d time.Duration) {
	if p.state == "launching" {
		s.later(d, task.ProcessFailed{ID: p.id, Err: &task.LaunchError{Kind: task.LaunchStopped}}, func() bool { return p.state == "launching" })
		return
	}
	s.later(d, task.ProcessGone{ID: p.id, Exit: task.ExitCause{Code: -1, ByHost: true}, SavedValues: p.b.saves}, func() bool { return p.state != "gone" })
}

// next performs what is due first: a report, a grant or a tick. It reports false when
// nothing is due until limit, where the clock then stands.
func (s *sim) next(limit time.Time) bool {
	if s.done {
		s.now = limit
		return false
	}
	if len(s.waiting) > 0 && !s.holdGate {
		ticket := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.event(granted{ticket})
		return true
	}
	at := limit.Add(1)
	if w := wake(s.st, s.now); !w.IsZero() && w.Before(at) {
		at = w
	}
	first := -1
	for i, d := range s.pending {
		if !d.at.After(at) && (first < 0 || d.at.Before(s.pending[first].at) || d.at.Equal(s.pending[first].at) && d.order < s.pending[first].order) {
			first = i
		}
	}
	if first >= 0 {
		d := s.pending[first]
		s.pending = slices.Delete(s.pending, first, first+1)
		if d.at.After(s.now) {
			s.now = d.at
		}
		if d.check == nil || d.check() {
			s.deliver(d.report)
		}
		return true
	}
	if at.After(limit) {
		s.now = limit
		return false
	}
	if at.After(s.now) {
		s.now = at
	}
	s.event(ticked{})
	return true
}

func (s *sim) deliver(r task.Report) {
	p := s.procs[r.Process()]
	switch r := r.(type) {
	case task.ProcessReady:
		p.state = "idle"
	case task.ProcessFailed:
		p.state, p.run = "gone", ""
	case task.ProcessGone:
		p.state, p.run = "gone", ""
	case task.RunReturned:
		p.state, p.run = "idle", ""
		if p.b.dies > 0 {
			s.later(p.b.dies, task.ProcessGone{ID: p.id}, func() bool { return p.state == "idle" })
		}
		_ = r
	}
	s.event(reported{r})
}

// advance lets time pass.
func (s *sim) advance(d time.Duration) {
	limit := s.now.Add(d)
	for i := 0; s.next(limit); i++ {
		if i > 100_000 { // a task without a delay has twenty runs a second
			s.fatalf("no rest within %s; now %s, wake %s", d, s.now, wake(s.st, s.now))
		}
	}
}

// ask gives a command and returns its answer.
func (s *sim) ask(c task.Command) (task.Reply, error) {
	to := make(chan answer, 1)
	s.asked++
	if c.Actor == "" {
		c.Actor = "anna"
	}
	s.event(asked{command: c, to: to})
	select {
	case a := <-to:
		return a.reply, a.err
	default:
		if !s.done {
			s.fatalf("%s was not answered", c.Verb)
		}
		s.asked--
		return task.Reply{}, errors.New("the task is gone")
	}
}

func (s *sim) must(c task.Command) task.Reply {
	s.t.Helper()
	r, err := s.ask(c)
	if err != nil {
		s.fatalf("%s: %v", c.Verb, err)
	}
	return r
}

func (s *sim) status() task.Status { return s.st.status(s.now) }

// check looks at what must hold after every event.
func (s *sim) check() {
	if w := wake(s.st, s.now); !s.done && !w.IsZero() && !w.After(s.now) {
		s.fatalf("wake says %s, which is not after now %s", w, s.now)
	}
	seated := 0
	for _, r := range s.st.runs {
		if r.seated {
			seated++
		}
		if (r.phase == live) != (r.proc != nil) {
			s.fatalf("run %s: phase %d with process %v", r.ID, r.phase, r.proc)
		}
		if r.State == task.RunEnded {
			s.fatalf("run %s has ended and is still live", r.ID)
		}
		rank := r.stage().Rank()
		if r.phase == live && rank < s.stageRank[r.ID] {
			s.fatalf("run %s went back from stage %d to %d", r.ID, s.stageRank[r.ID], rank)
		}
		if r.phase == live {
			s.stageRank[r.ID] = rank
		}
	}
	if seated > s.st.seats() {
		s.fatalf("%d seats taken of %d", seated, s.st.seats())
	}
	if s.answers != s.asked {
		s.fatalf("%d commands, %d answers", s.asked, s.answers)
	}
}

// saveSlot keeps a record, which holds as many slots as lie in it.
func (s *sim) saveSlot(rec task.SlotRecord) {
	old := s.slots[rec.ID]
	s.slots[rec.ID] = rec
	if s.st.plan == nil || s.st.fixedDelay() {
		return
	}
	n := old.Count
	for slot := latest(rec.First, old.Last); !slot.After(rec.Last); slot = s.st.plan.Next(slot) {
		if !slot.Equal(old.Last) {
			n++
		}
		s.durable[slot] = true
	}
	if n != rec.Count {
		s.fatalf("the record %s of %s to %s counts %d, and %d slots lie in it", rec.Reason, rec.First, rec.Last, rec.Count, n)
	}
	s.raise(rec.Last)
}

// raise moves the mark. A host that died now would forget every slot up to it that is not written down.
func (s *sim) raise(mark time.Time) {
	if s.st.plan == nil || s.st.fixedDelay() || !mark.After(s.mark) {
		return
	}
	for slot := range s.expected {
		if slot.After(s.mark) && !slot.After(mark) && !s.durable[slot] {
			s.fatalf("the mark is at %s, and the slot of %s is written down nowhere", mark, slot)
		}
	}
	s.mark = mark
}

// covered returns how often each slot lies in a record or a run.
func (s *sim) covered() map[time.Time]int {
	in := map[time.Time]int{}
	for _, rec := range s.slots {
		n := 0
		for slot := rec.First; !slot.After(rec.Last); slot = s.st.plan.Next(slot) {
			in[slot]++
			n++
		}
	}
	seen := map[string]bool{}
	for id, r := range s.runs {
		seen[id] = true
		if r.Trigger == task.TriggerSlot {
			in[r.Slot]++
		}
	}
	for _, r := range s.st.runs {
		if !seen[r.ID] && r.Trigger == task.TriggerSlot {
			in[r.Slot]++
		}
	}
	return in
}

// checkSlots makes sure that no slot has disappeared and none ran twice.
func (s *sim) checkSlots() {
	if s.st.plan == nil || s.st.fixedDelay() {
		return
	}
	in := s.covered()
	for slot := range s.expected {
		if in[slot] == 0 {
			s.fatalf("the slot of %s is nowhere", slot)
		}
	}
}

// outcomes lists how the runs ended, in the order of their ids.
func (s *sim) outcomes() []string {
	var ids []string
	for id, r := range s.runs {
		if r.State == task.RunEnded {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		ra, rb := s.runs[a], s.runs[b]
		if c := ra.Ended.Compare(rb.Ended); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	out := []string{}
	for _, id := range ids {
		r := s.runs[id]
		out = append(out, fmt.Sprintf("%s %s %s", r.Trigger, r.Outcome, r.EndedIn))
	}
	return out
}

// records lists the slot records as "reason count".
func (s *sim) records() []string {
	var recs []task.SlotRecord
	for _, r := range s.slots {
		recs = append(recs, r)
	}
	slices.SortFunc(recs, func(a, b task.SlotRecord) int { return a.First.Compare(b.First) })
	out := []string{}
	for _, r := range recs {
		out = append(out, fmt.Sprintf("%s %d", r.Reason, r.Count))
	}
	return out
}

// usualAlarms are those that a task has whose configuration says nothing of them, but for those that time brings.
func usualAlarms() task.Alarm {
	return task.Alarm{Failing: 1, Overlap: 3, Missed: 1, Late: 3, LateBy: 5 * time.Second, DeadLetters: 1, Stuck: true, CrashLoop: true}
}

// periodicTask is due every ten seconds on the whole ten.
func periodicTask() task.Definition {
	return task.Definition{Name: "sync", Block: "sync", Enabled: true, Plugin: "p", Type: "t", Mode: task.Periodic,
		Schedule: task.Schedule{Every: 10 * time.Second, HasOffset: true, Overlap: task.OverlapSkip, CatchUp: task.CatchUp{Policy: task.CatchUpNone}},
		Process:  task.ProcessAuto, Idle: time.Minute, StartTimeout: 30 * time.Second,
		Retry: task.Retry{Attempts: 1}, Stop: task.Ladder{Drain: 10 * time.Second, Cancel: 5 * time.Second}, OnInterrupt: task.InterruptAuto, Alarm: usualAlarms()}
}

func continuousTask() task.Definition {
	d := periodicTask()
	d.Mode, d.Schedule = task.Continuous, task.Schedule{}
	d.Continuous = task.ContinuousSpec{Restart: task.Restart{Policy: task.RestartOnFailure, Backoff: time.Second, MaxBackoff: time.Minute,
		ResetAfter: time.Minute, MaxFailures: 5, Window: 10 * time.Minute}}
	return d
}

func onDemandTask() task.Definition {
	d := periodicTask()
	d.Mode, d.Schedule = task.OnDemand, task.Schedule{}
	return d
}

// brief says what an event was, for the trace of a failed test.
func brief(ev event) string {
	switch e := ev.(type) {
	case asked:
		return fmt.Sprintf("%s %s run=%s at=%v overlap=%s timeout=%s dry=%t", e.command.Verb, e.command.Mode, e.command.Run, e.command.At, e.command.Overlap, e.command.Timeout, e.command.DryRun)
	case reported:
		return fmt.Sprintf("%T process %d", e.report, e.report.Process())
	case booted:
		return fmt.Sprintf("booted last slot %s, unmet %v", e.memory.LastSlot, e.unmet)
	case defined:
		return "defined"
	}
	return fmt.Sprintf("%T%+v", ev, ev)
}

func briefEffect(e effect) string {
	switch e := e.(type) {
	case saveRunEffect:
		return fmt.Sprintf("saveRun %s %s %s %s slot %s", e.run.ID, e.run.Trigger, e.run.State, e.run.Outcome, e.run.Slot.Format("15:04:05"))
	case saveSlotEffect:
		return fmt.Sprintf("saveSlot %s %s-%s", e.record.Reason, e.record.First.Format("15:04:05"), e.record.Last.Format("15:04:05"))
	case saveStatusEffect:
		return fmt.Sprintf("saveStatus %s next %s", e.status.State, e.status.NextSlot.Format("15:04:05"))
	case launchEffect:
		return fmt.Sprintf("launch %d", e.id)
	case replyEffect, overridesEffect:
		return fmt.Sprintf("%T", e)
	case endedEffect:
		return "ended " + e.run.ID
	case eventEffect:
		return "event " + e.event.Kind + " " + e.event.Text
	}
	return fmt.Sprintf("%T%+v", e, e)
}
