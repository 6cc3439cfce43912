package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/go-hclog"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Config is what a Fleet needs.
type Config struct {
	Engine  task.Engine
	Journal task.Journal
	Log     hclog.Logger     // nil is none
	Now     func() time.Time // the wall clock; nil is time.Now
	Timer   func() Timer     // makes what wakes a loop for its slots; nil is of package time

	// Intake says that a pause of a task that handles messages has begun (held) or ended. It must not block; nil is
	// for hosts without queues.
	Intake func(taskName string, held bool)

	// Rename gives what earlier lives of a task left to the task that has its place now; nil is for hosts that
	// remember nothing. It may block; a task begins under its new name when it has returned.
	Rename func(ctx context.Context, from, to string) error

	// ShutdownTimeout bounds the end of the host. 0 is as long as the longest stop may
	// take: a ladder, and those of the tasks that must be down before it.
	ShutdownTimeout time.Duration
}

// Fleet owns all tasks of a host. Its methods are safe for concurrent use.
type Fleet struct {
	cfg  Config
	box  *mailbox[func()] // what the goroutine of Run does next
	view atomic.Pointer[view]
	over chan struct{} // closed when Run has returned

	jumps *jumps // of the clock

	// Owned by the goroutine of Run.
	ctx         context.Context // of the loops
	loops       sync.WaitGroup
	deps        dependencies
	unmet       map[string][]string
	heirs       heirs
	late        map[string][]followed // ends of runs that tasks follow in their next life
	gates       *gates
	gateAt      time.Time // when time alone lets a run through
	hostPause   *task.Override
	draining    bool
	incarnation uint32        // of loops, so that process ids are never given twice
	hurry       task.StopMode // asked for before the end began
	down        *descent
}

// view is what callers read. It is replaced as a whole and never changed.
type view struct {
	generation task.Generation
	defs       map[string]*task.Definition
	plans      map[string]*schedule.Plan
	loops      map[string]*loop
	followers  map[string][]follower
}

// New makes a Fleet without tasks. Nothing happens before Run.
func New(cfg Config) *Fleet {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Timer == nil {
		cfg.Timer = newRuntimeTimer
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	f := &Fleet{
		cfg:   cfg,
		box:   newMailbox[func()](),
		over:  make(chan struct{}),
		deps:  dependencies{facts: map[string]facts{}},
		unmet: map[string][]string{},
		heirs: heirs{},
		late:  map[string][]followed{},
		gates: newGates(),
		jumps: newJumps(cfg.Now().Round(0), time.Now()),
	}
	f.view.Store(&view{})
	return f
}

// Run is the life of the fleet. It blocks until ctx has ended and every task is down, which
// takes no longer than the shutdown timeout; it fails when something could not be ended.
// It may be called once.
func (f *Fleet) Run(ctx context.Context) error {
	defer f.finish()
	loops, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer f.loops.Wait()
	defer abandon()
	f.ctx = loops
	if memory, err := f.cfg.Journal.Recall(ctx, hostOverrides); err != nil {
		f.cfg.Log.Error("cannot recall whether the host was paused", "err", err)
	} else {
		f.hostPause = memory.Overrides.Paused
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			stop = nil
			f.descend()
		case <-f.box.ready:
		case <-timer.C:
		}
		for _, work := range f.box.take() {
			work()
		}
		f.openGates()
		if f.down != nil {
			if done, err := f.down.look(f); done {
				return err
			}
		}
		timer.Reset(f.nextLook())
	}
}

// nextLook is how long nothing happens by time alone.
func (f *Fleet) nextLook() time.Duration {
	wait := f.down.wait(recheck)
	if !f.gateAt.IsZero() {
		wait = min(wait, max(0, f.gateAt.Sub(f.cfg.Now().Round(0))))
	}
	return wait
}

// finish lets all who wait for the fleet go.
func (f *Fleet) finish() {
	f.box.close()
	close(f.over)
}

// do lets the goroutine of Run do something. It does not wait.
func (f *Fleet) do(work func()) bool { return f.box.put(work) }

// doAndWait is do for callers that need it done.
func (f *Fleet) doAndWait(ctx context.Context, work func()) error {
	done := make(chan struct{})
	if !f.do(func() { work(); close(done) }) {
		return shuttingDown()
	}
	select {
	case <-done:
		return nil
	case <-f.over:
		return shuttingDown()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func shuttingDown() error {
	return &task.Error{Code: task.CodeShutdown, Detail: "the host is about to end", Remedy: "try again when it is back"}
}

// Report takes what a process brought about. It does not wait.
func (f *Fleet) Report(name string, r task.Report) {
	l := f.view.Load().loops[name]
	if l == nil || !l.box.put(reported{r}) {
		f.cfg.Log.Debug("report of a task that is gone", "task", name, "process", r.Process())
	}
}

// Command gives a command to a task and returns what was decided, not what comes of it.
// A refusal is a *task.Error. A command that sets an override is durable when it returns.
func (f *Fleet) Command(ctx context.Context, name string, c task.Command) (task.Reply, error) {
	l, err := f.loop(name)
	if err != nil {
		return task.Reply{}, err
	}
	to := make(chan answer, 1)
	if !l.box.put(asked{command: c, to: to}) {
		return task.Reply{}, gone(name)
	}
	select {
	case a := <-to:
		return a.reply, a.err
	case <-ctx.Done():
		return task.Reply{}, ctx.Err()
	}
}

// Call asks a method of a task's live process and waits for its answer.
func (f *Fleet) Call(ctx context.Context, name, method string, in json.RawMessage) (json.RawMessage, error) {
	l, err := f.loop(name)
	if err != nil {
		return nil, err
	}
	to := make(chan task.ProcessID, 1)
	if !l.box.put(located{to: to}) {
		return nil, gone(name)
	}
	select {
	case id := <-to:
		if id == 0 {
			return nil, &task.Error{Code: task.CodeNotRunning, Detail: fmt.Sprintf("task %q has no process that could answer", name), Remedy: "call it while it runs"}
		}
		return f.cfg.Engine.Call(ctx, id, method, in)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// loop finds a task, or says which name is near.
func (f *Fleet) loop(name string) (*loop, error) {
	v := f.view.Load()
	if l := v.loops[name]; l != nil {
		return l, nil
	}
	if v.defs[name] != nil {
		return nil, underway(name)
	}
	return nil, unknown(name, slices.Sorted(maps.Keys(v.loops)))
}

func unknown(name string, names []string) error {
	e := &task.Error{Code: task.CodeTaskUnknown, Detail: fmt.Sprintf("there is no task %q", name)}
	best := 3
	for _, candidate := range names {
		if d := levenshtein.Distance(name, candidate, nil); d < best {
			best, e.Remedy = d, fmt.Sprintf("did you mean %q?", candidate)
		}
	}
	if e.Remedy == "" {
		e.Remedy = "list the tasks to see those that are there"
	}
	return e
}

// Definitions returns all tasks as they are declared, sorted by name. Nobody changes them.
func (f *Fleet) Definitions() []*task.Definition {
	v := f.view.Load()
	defs := make([]*task.Definition, 0, len(v.defs))
	for _, name := range slices.Sorted(maps.Keys(v.defs)) {
		defs = append(defs, v.defs[name])
	}
	return defs
}

// Definition returns one task as it is declared.
func (f *Fleet) Definition(name string) (*task.Definition, bool) {
	d, ok := f.view.Load().defs[name]
	return d, ok
}

// Generation returns the configuration that was applied last.
func (f *Fleet) Generation() task.Generation { return f.view.Load().generation }

// Groups says who holds and who waits for each group, sorted by name.
func (f *Fleet) Groups(ctx context.Context) ([]GroupStatus, error) {
	var out []GroupStatus
	err := f.doAndWait(ctx, func() { out = f.gates.status() })
	return out, err
}

// follow starts the tasks that after_run ties to this run. The loops call it themselves.
func (f *Fleet) follow(r *run) {
	v := f.view.Load()
	if len(v.followers) == 0 {
		return
	}
	told := map[string]bool{}
	block, _, instance := strings.Cut(r.Task, ".")
	sources := v.followers[r.Task]
	if instance {
		sources = slices.Concat(sources, v.followers[block])
	}
	for _, next := range sources {
		if told[next.task] || !slices.Contains(next.outcomes, r.Outcome) {
			continue
		}
		told[next.task] = true
		ev := followed{source: r.snapshot()}
		if l := v.loops[next.task]; l == nil || !l.box.put(ev) {
			f.do(func() { f.followLater(next.task, ev) })
		}
	}
}

// followLater keeps the end of a run for a task that is between two lives: it has a new name, or was declared again while
// it drained. When the host ends there is no other life, and what does not run is recorded.
func (f *Fleet) followLater(name string, ev followed) {
	v := f.view.Load()
	switch l := v.loops[name]; {
	case v.defs[name] == nil || l != nil && l.box.put(ev):
	case f.down == nil:
		if len(f.late[name]) < maxQueued {
			f.late[name] = append(f.late[name], ev)
		}
	case v.plans[name] == nil: // else it would raise the mark of slots that nobody has looked at
		slot, now := ev.slot(), f.cfg.Now().Round(0)
		f.cfg.Journal.SaveSlot(task.SlotRecord{ID: task.NewID(now), Task: name, Reason: task.SkippedShutdown, First: slot, Last: slot, Count: 1, At: now})
	}
}

// deliveries marks the tickets of deliveries, so that they never meet those of runs.
const deliveries = 1 << 63

var _ task.Gate = (*Fleet)(nil)

// Join asks for a place of a delivery in groups. See task.Gate.
func (f *Fleet) Join(id uint64, taskName, holder string, groups []string, through func()) {
	t := ticket{id: id | deliveries, task: taskName, run: holder, groups: groups, since: f.cfg.Now().Round(0), pass: through}
	f.do(func() { f.join(t) })
}

// Leave gives it back. See task.Gate.
func (f *Fleet) Leave(id uint64) { f.do(func() { f.leave(id | deliveries) }) }

// join, leave and openGates let runs and deliveries through the gates of their groups.
func (f *Fleet) join(t ticket)   { f.gates.join(t) }
func (f *Fleet) leave(id uint64) { f.gates.leave(id) }

func (f *Fleet) openGates() {
	through, next := f.gates.pass(f.cfg.Now().Round(0))
	f.gateAt = next
	for _, t := range through {
		if t.pass != nil {
			t.pass()
			continue
		}
		l := f.view.Load().loops[t.task]
		if l == nil || !l.box.put(granted{t.id}) {
			f.gates.leave(t.id)
		}
	}
}

// setFacts takes note of what a task has come to, and lets those who wait for it know.
func (f *Fleet) setFacts(l *loop, now facts) {
	if f.view.Load().loops[l.name] != l {
		return
	}
	f.deps.facts[l.name] = now
	for _, name := range f.deps.dependants(l.name) {
		f.tellUnmet(name)
	}
}

// tellUnmet tells a task what it still waits for, when that has changed.
func (f *Fleet) tellUnmet(name string) {
	def, l := f.deps.defs[name], f.view.Load().loops[name]
	if def == nil || l == nil {
		return
	}
	unmet := f.deps.unmet(def)
	if slices.Equal(unmet, f.unmet[name]) {
		return
	}
	f.unmet[name] = unmet
	l.box.put(gated{unmet: unmet})
}

// broadcast sends an event to every task.
func (f *Fleet) broadcast(ev event) {
	for _, l := range f.view.Load().loops {
		l.box.put(ev)
	}
}

// begin gives a task its loop.
func (f *Fleet) begin(d definition) *loop {
	f.incarnation++
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	name := d.def.Name
	f.unmet[name] = f.deps.unmet(d.def)
	l := &loop{
		name:  name,
		fleet: f,
		log:   f.cfg.Log,
		st:    newState(d, seed, task.ProcessID(f.incarnation)<<32),
		box:   newMailbox[event](),
		boot:  booted{hostPause: f.hostPause, draining: f.draining, unmet: f.unmet[name]},
		done:  make(chan struct{}),
	}
	for _, ev := range f.late[name] {
		l.box.put(ev)
	}
	delete(f.late, name)
	return l
}

// beginUndeclared makes the loop of a task that was taken out of the configuration while no host was there. It ends what is left
// of the task, and itself.
func (f *Fleet) beginUndeclared(name string, gen int) *loop {
	l := f.begin(definition{def: &task.Definition{Name: name, Block: name, Mode: task.OnDemand}, gen: gen})
	l.boot.undeclared = true
	return l
}

// ended: a loop is no more.
func (f *Fleet) ended(l *loop) {
	v := *f.view.Load()
	if v.loops[l.name] != l {
		return
	}
	if f.down != nil {
		f.down.ended(l.name) // the view stays as it is: to make it anew for each would take long when there are thousands
		return
	}
	v.loops = maps.Clone(v.loops)
	delete(v.loops, l.name)
	delete(f.deps.facts, l.name)
	delete(f.unmet, l.name)
	if def := v.defs[l.name]; def != nil {
		// Declared again while it was on its way out.
		again := f.begin(definition{def: def, gen: v.generation.Number, plan: v.plans[l.name]})
		v.loops[l.name] = again
		defer f.launch(again)
	}
	f.view.Store(&v)
	if to := f.heirs.of(l.name); to != "" {
		f.succeed(l.name, to)
	}
}

func (f *Fleet) launch(l *loop) { f.loops.Go(func() { l.run(f.ctx) }) }
