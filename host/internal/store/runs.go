package store

import (
	"context"
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

// class tells apart the ended runs that are counted apart.
type class int

const (
	classSucceeded class = iota // everything that is no failure
	classFailed
)

func classOf(o task.Outcome) class {
	if o.Failure() {
		return classFailed
	}
	return classSucceeded
}

// SaveRun inserts or replaces a run. A run that ends gets its place in the history then;
// one that is resumed is live again.
func (m *Memory) SaveRun(r task.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.history(r.Task)
	was := m.runs[r.ID]
	ends := r.State == task.RunEnded
	if was != nil && was.value.Task == r.Task && ends == (was.value.State == task.RunEnded) {
		if ends {
			m.bytes += weight(&r) - was.size
			was.size = weight(&r)
		}
		was.set(&r)
	} else {
		var kept *task.Run
		if was != nil {
			m.forgetRun(was)
			kept = was.value
		}
		if was == nil || was.read {
			kept = new(task.Run)
		}
		*kept = r
		m.addRun(h, kept)
	}
	if r.Trigger == task.TriggerSlot {
		raise(&h.memory.LastSlot, r.Slot)
	}
	if ends {
		m.values.dropRun(r.ID)
		raise(&h.memory.LastEnd, r.Ended)
		m.retain(h, m.opts.Now())
	}
}

func (m *Memory) addRun(h *history, r *task.Run) {
	m.seq++
	it := &item[task.Run]{seq: m.seq, value: r}
	m.runs[r.ID] = it
	if r.State != task.RunEnded {
		m.live.add(it)
		h.live.add(it)
		return
	}
	it.size, it.class = weight(r), classOf(r.Outcome)
	m.bytes += it.size
	m.ended.add(it)
	h.ended.add(it)
	h.classes[it.class].add(it)
}

// forgetRun takes the run out of every list; its run-scoped values stay.
func (m *Memory) forgetRun(it *item[task.Run]) {
	it.gone = true
	h := m.tasks[it.value.Task]
	delete(m.runs, it.value.ID)
	if it.value.State != task.RunEnded {
		m.live.dropped()
		h.live.dropped()
		return
	}
	m.bytes -= it.size
	m.ended.dropped()
	h.ended.dropped()
	h.classes[it.class].dropped()
}

// weight is about what a run takes in memory, in bytes.
func weight(r *task.Run) int64 {
	n := 1024 + len(r.Input) + len(r.Result) + len(r.Note) + len(r.Reason) + 64*len(r.Timeline)
	for _, a := range r.Attempts {
		n += 256
		if a.Error != nil {
			n += len(a.Error.Message) + len(a.Error.Stack)
		}
		if a.Exit != nil {
			for _, line := range a.Exit.Stderr {
				n += len(line)
			}
		}
	}
	return int64(n)
}

// Run returns one run.
func (m *Memory) Run(_ context.Context, id string) (task.Run, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.runs[id]
	if !ok {
		return task.Run{}, false, nil
	}
	return *it.value, true, nil
}

// Runs returns live runs first, the newest first, and then ended ones, the one that ended
// last first. A run that ends between two pages can come twice, with its newer record
// last; none is left out.
func (m *Memory) Runs(ctx context.Context, q task.RunQuery) (task.Page[task.Run], error) {
	cursor := q.Cursor
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return task.Page[task.Run]{}, err
	}
	q.Limit, q.Cursor = 0, ""
	query := fingerprint(q)
	from, err := parseCursor(cursor, query)
	if err != nil {
		return task.Page[task.Run]{}, err
	}
	p := pager[task.Run]{limit: limit, match: runFilter(q)}
	ended := len(q.States) == 0 || slices.Contains(q.States, task.RunEnded)
	if from.phase == phaseLive {
		if err := m.scanRuns(ctx, q, from, &p); err != nil {
			return task.Page[task.Run]{}, err
		}
		from = place{phaseEnded, 1<<64 - 1}
	}
	if ended && !p.full() {
		if err := m.scanRuns(ctx, q, from, &p); err != nil {
			return task.Page[task.Run]{}, err
		}
	}
	return p.page(query), nil
}

func (m *Memory) scanRuns(ctx context.Context, q task.RunQuery, from place, p *pager[task.Run]) error {
	return scan(ctx, from, p, func(seq uint64, buf []entry[task.Run]) ([]entry[task.Run], uint64, bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		live, ended := &m.live, &m.ended
		if len(q.Tasks) == 1 {
			h := m.tasks[q.Tasks[0]]
			if h == nil {
				return buf, seq, false
			}
			live, ended = &h.live, &h.ended
		}
		if from.phase == phaseLive {
			return live.before(seq, buf)
		}
		return ended.before(seq, buf)
	})
}

func runFilter(q task.RunQuery) func(*task.Run) bool {
	tasks := setOf(q.Tasks)
	outcomes, triggers, states := setOf(q.Outcomes), setOf(q.Triggers), setOf(q.States)
	return func(r *task.Run) bool {
		return tasks.allows(r.Task) && outcomes.allows(r.Outcome) && triggers.allows(r.Trigger) && states.allows(r.State) &&
			(q.Since.IsZero() || !r.Queued.Before(q.Since)) && (q.Until.IsZero() || r.Queued.Before(q.Until))
	}
}

// set allows everything when it is empty.
type set[T comparable] map[T]bool

func setOf[T comparable](items []T) set[T] {
	s := make(set[T], len(items))
	for _, i := range items {
		s[i] = true
	}
	return s
}

func (s set[T]) allows(v T) bool { return len(s) == 0 || s[v] }
