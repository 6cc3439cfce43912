package store

import (
	"context"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Memory is a Store for one life of the host: what it holds is gone with the process,
// and durable means that it is there. Make one with NewMemory.
type Memory struct {
	opts     Options
	statuses statuses
	events   *ring
	values   *values

	mu        sync.Mutex // guards everything below, for short moments only
	seq       uint64     // of records; rises over several lives, so that an old cursor is harmless
	runs      map[string]*item[task.Run]
	slots     map[string]*item[task.SlotRecord]
	live      ledger[task.Run]
	ended     ledger[task.Run]
	skipped   ledger[task.SlotRecord]
	bytes     int64 // of ended runs
	tasks     map[string]*history
	queues    queues
	lastSweep time.Time
}

var _ Store = (*Memory)(nil)

// history is what is remembered of one task.
type history struct {
	keep    *task.Keep
	live    ledger[task.Run]
	ended   ledger[task.Run]
	classes [2]ledger[task.Run] // ended ones by class
	slots   ledger[task.SlotRecord]
	memory  task.Memory // without its lists
	removed time.Time   // when its status was removed
}

// NewMemory makes an empty store.
func NewMemory(o Options) *Memory {
	o = o.withDefaults()
	base := uint64(o.Now().UnixMicro())
	return &Memory{
		opts:   o,
		events: newRing(o.Ring, base, o.Publish),
		values: newValues(),
		seq:    base,
		runs:   map[string]*item[task.Run]{},
		slots:  map[string]*item[task.SlotRecord]{},
		tasks:  map[string]*history{},
		queues: newQueues(base),
	}
}

// Close frees nothing and may be called again.
func (m *Memory) Close() error {
	m.queues.answers.wait()
	return nil
}

// SetKeep bounds what is remembered of a task, at once and from now on.
func (m *Memory) SetKeep(name string, k task.Keep) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.history(name)
	h.keep = &k
	m.retain(h, m.opts.Now())
}

// SaveStatus replaces the snapshot of the task.
func (m *Memory) SaveStatus(s task.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.history(s.Task)
	h.removed = time.Time{}
	h.memory = remember(h.memory, s)
	m.statuses.save(&s)
	m.sweep()
}

// RemoveStatus forgets the snapshot; history, checkpoints and published values stay for 30 days.
func (m *Memory) RemoveStatus(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history(name).removed = m.opts.Now()
	m.statuses.remove(name)
}

// Event gives e its sequence, keeps it for replay and hands it to the feed.
func (m *Memory) Event(e task.Event) {
	if e.At.IsZero() {
		e.At = m.opts.Now()
	}
	m.events.add(e)
}

// EventsSince replays; see Events.
func (m *Memory) EventsSince(seq uint64) ([]task.Event, bool) { return m.events.since(seq) }

// EventsFrom replays from a time on; see Events.
func (m *Memory) EventsFrom(at time.Time) ([]task.Event, bool) { return m.events.from(at) }

// LastEvent is the sequence of the newest event.
func (m *Memory) LastEvent() uint64 { return m.events.newest() }

// Flush has nothing to wait for.
func (m *Memory) Flush(context.Context) error { return nil }

// SaveOverrides replaces the overrides of a task; the zero value removes them.
func (m *Memory) SaveOverrides(_ context.Context, name string, o task.Overrides) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history(name).memory.Overrides = o
	return nil
}

// Remembered names the tasks that were there and not removed, and those with runs that have not ended.
func (m *Memory) Remembered(context.Context) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, h := range m.tasks {
		if h.live.count() > 0 || remembers(h.memory, h.removed) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Overrides returns those of every task that has some.
func (m *Memory) Overrides(context.Context) (map[string]task.Overrides, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]task.Overrides{}
	for name, h := range m.tasks {
		if o := h.memory.Overrides; o != (task.Overrides{}) {
			all[name] = o
		}
	}
	return all, nil
}

// Recall returns what the task remembers. A run that was interrupted and is to go on is
// saved as queued again; one that has ended, however, is history and not recalled.
func (m *Memory) Recall(_ context.Context, name string) (task.Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.tasks[name]
	if !ok {
		return task.Memory{}, nil
	}
	mem := h.memory
	return withLive(mem, &h.live), nil
}

// withLive adds the lists of runs that have not ended, oldest first.
func withLive(mem task.Memory, live *ledger[task.Run]) task.Memory {
	for _, it := range live.items {
		switch {
		case it.gone:
		case it.value.State == task.RunQueued && it.value.Outcome == task.OutcomeInterrupted:
			mem.Interrupted = append(mem.Interrupted, *it.value)
		default:
			mem.Live = append(mem.Live, *it.value)
		}
	}
	return mem
}

// remember takes over from a snapshot what a task remembers.
func remember(mem task.Memory, s task.Status) task.Memory {
	raise(&mem.LastSlot, s.LastSlot)
	raise(&mem.LastSuccess, s.LastSuccess)
	raise(&mem.LastSuccessSlot, s.LastSuccessSlot)
	mem.Failures = s.Failures
	mem.Health = rememberHealth(mem.Health, s.Health)
	if s.Last != nil {
		mem.Last = s.Last
		raise(&mem.LastEnd, s.Last.Ended)
	}
	return mem
}

// Status is the newest snapshot of a task.
func (m *Memory) Status(name string) (task.Status, bool) { return m.statuses.one(name) }

// Statuses are the snapshots of all tasks, sorted by name. The list is shared: it must not be changed.
func (m *Memory) Statuses() []task.Status { return m.statuses.all() }

// history returns the task's entry, made if need be. The lock is held.
func (m *Memory) history(name string) *history {
	h := m.tasks[name]
	if h == nil {
		h = &history{}
		m.tasks[name] = h
	}
	return h
}

func raise(t *time.Time, to time.Time) {
	if to.After(*t) {
		*t = to
	}
}
