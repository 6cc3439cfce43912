package supervisor

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// state is everything that is known of one task. Its loop owns it; decide changes it.
type state struct {
	def    *task.Definition
	gen    int
	plan   *schedule.Plan // with task.Periodic
	next   *definition    // takes over when closing is done
	random *rand.ChaCha8
	lastID task.ProcessID // of the newest process

	on         bool // the schedule is on: the file's word or a person's
	overrides  task.Overrides
	hostPause  *task.Override
	draining   bool // the host drains: nothing new starts
	closing    closing
	heir       string    // with closingRemove: the name under which the task goes on
	closed     bool      // the loop may end
	shutdownBy time.Time // with closingShutdown

	open      bool     // depends_on was met once since the last start
	unmet     []string // what depends_on still waits for
	failed    *task.Reason
	completed bool // a continuous task that its policy does not start again

	runs  []*run     // live ones, in the order in which they were accepted
	procs []*process // from launch to gone

	startedAt       time.Time // of the schedule: boot, start
	lastSlot        time.Time // high-water mark; never goes back
	nextSlot        time.Time // zero: none
	lastEnd         time.Time
	lastSuccess     time.Time
	lastSuccessSlot time.Time
	last            *task.RunSummary
	record          *task.SlotRecord // grows while slots share its reason
	late            task.SlotReason  // why slots that passed unnoticed did so, for this event

	alarms    alarms
	failures  int // runs in a row
	restarts  int
	history   backoff.History
	restartAt time.Time // of a continuous task: when its next run begins
	crashLoop bool
	backoff   *task.Reason // why the continuous task waits
	held      bool         // its intake of messages, as was told
	ready     bool
	facts     facts
	toldFacts facts // what the fleet knows

	launchTime  time.Duration // observed, smoothed
	launchFails int           // in a row, without a run that needed the process
	launchAt    time.Time     // no launch ahead of need before
	launchErr   error         // of the newest launch, when it failed ahead of need

	word   task.State
	since  time.Time
	reason *task.Reason

	dirty bool // the status has changed
	again bool // settle must go round once more
	reply *reply
	out   []effect
	told  []task.Event // what out tells
	shown task.Status  // what out saves
}

// definition is a definition that waits for the old one to be gone.
type definition struct {
	def  *task.Definition
	gen  int
	plan *schedule.Plan
}

// closing says why all processes of the task are being ended.
type closing uint8

const (
	closingNone     closing = iota
	closingRestart          // then goes on, with the next definition where there is one
	closingShutdown         // the host ends
	closingRemove           // the task is no longer declared
)

// run is a live run: one that has not ended.
type run struct {
	task.Run
	phase     phase
	due       time.Time // no attempt before
	policy    task.Overlap
	seated    bool   // counts towards the allowed parallel runs
	ticket    uint64 // its place in the gates of its groups; 0 is none
	caughtUp  bool   // its slot had passed: it waits for what a punctual one is skipped for
	batch     string // of a backfill
	batchMax  int
	saved     bool // the journal knows it, so it must end there
	saving    bool // this decision saves it
	why       why  // of the stop
	proc      *process
	began     time.Time // the live attempt
	entered   bool
	excused   time.Duration // of the live attempt: not counted against its becoming ready
	sign      time.Time     // last sign of life
	silent    bool          // longer than the watchdog allows, alarm only
	stuck     bool
	keptSaved bool // has run-scoped values

	ownTimeout bool // of the live attempt: a person gave it one
}

// phase is what a run does, finer than task.RunState.
type phase uint8

const (
	waitDue     phase = iota // its time has not come
	waitStart                // accepted or interrupted, the task is not to run now
	waitSeat                 // others are in the way
	waitGroup                // for its groups
	waitRetry                // between attempts
	waitProcess              // for a process
	live                     // handed to a process
)

// why says what a stop is for; it decides the outcome.
type why uint8

const (
	whyNone     why = iota
	whyStop         // stop, restart, shutdown, reload: interrupted
	whyReady        // not ready in time
	whyWatchdog     // no sign of life
	whyTimeout      // of the attempt
	whyCancel       // somebody asked, or a newer slot did
)

// process is one plugin process, from its launch until it is gone.
type process struct {
	id       task.ProcessID
	phase    procPhase
	run      *run
	start    task.RunStart // of run, or of the one before
	launched time.Time
	info     task.ProcessInfo
	deadline time.Time // closing, killing: when to kill (again)
	tainted  bool      // must not serve another run
	awaited  bool      // a run waits for its launch, and the engine knows
}

type procPhase uint8

const (
	procLaunching procPhase = iota
	procIdle
	procBusy
	procClosing
	procKilling
)

func (p procPhase) text() string {
	return [...]string{"launching", "ready", "busy", "ending", "ending"}[p]
}

// newState is a task before its boot event.
func newState(d definition, seed [32]byte, firstID task.ProcessID) *state {
	return &state{
		def:    d.def,
		gen:    d.gen,
		plan:   d.plan,
		random: rand.NewChaCha8(seed),
		lastID: firstID,
		word:   task.Stopped,
	}
}

// newID makes an id from the state's own randomness, so that decide stays a function of its inputs.
func (st *state) newID(now time.Time) string { return task.NewIDFrom(now, st.random) }

// chance returns a random number in [0, 1).
func (st *state) chance() float64 { return float64(st.random.Uint64()>>11) / (1 << 53) }

// perRun reports whether every run gets a process of its own.
func (st *state) perRun() bool {
	return st.def.Process == task.ProcessRun || st.def.Mode == task.Periodic && st.def.Schedule.Overlap == task.OverlapAllow
}

// seats is how many runs may be at work at the same time.
func (st *state) seats() int {
	if st.def.Mode == task.Periodic && st.def.Schedule.Overlap == task.OverlapAllow {
		return max(1, st.def.Schedule.MaxParallel)
	}
	return 1
}

func (st *state) seatsTaken() int {
	n := 0
	for _, r := range st.runs {
		if r.seated {
			n++
		}
	}
	return n
}

// mayStart reports whether runs that were accepted may begin.
func (st *state) mayStart() bool {
	return st.on && st.open && st.failed == nil && !st.draining && st.closing == closingNone
}

// paused returns the pause that holds, the task's own or the host's.
func (st *state) paused() *task.Override {
	if st.overrides.Paused != nil {
		return st.overrides.Paused
	}
	return st.hostPause
}

func (st *state) process(id task.ProcessID) *process {
	for _, p := range st.procs {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (st *state) run(id string) *run {
	for _, r := range st.runs {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// clone copies all that decide changes; what both share is never changed.
func (st *state) clone() *state {
	c := *st
	random := *st.random
	c.random = &random
	c.out, c.told, c.reply = nil, nil, nil
	c.unmet = slices.Clone(st.unmet)
	if st.record != nil {
		record := *st.record
		c.record = &record
	}
	procs := make(map[*process]*process, len(st.procs))
	c.procs = nil
	for _, p := range st.procs {
		copied := *p
		procs[p] = &copied
		c.procs = append(c.procs, &copied)
	}
	c.runs = nil
	for _, r := range st.runs {
		copied := *r
		copied.Run, copied.saving = r.snapshot(), false
		copied.Timeline = slices.Clone(r.Timeline)
		copied.proc = procs[r.proc]
		if copied.proc != nil {
			copied.proc.run = &copied
		}
		c.runs = append(c.runs, &copied)
	}
	return &c
}

// onlySlot reports whether nothing but its slot speaks for the run: it has not begun, and nobody has asked for it.
func (r *run) onlySlot() bool { return r.Trigger == task.TriggerSlot && len(r.Attempts) == 0 }
