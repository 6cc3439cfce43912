package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// fail makes an error of a reader name the file.
func (s *SQLite) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s from the store %s: %w", what, s.path, explain(err))
}

// Recall returns what the task remembers. A run that was interrupted and is to go on is saved as queued
// again; one that has ended, however, is history and not recalled.
func (s *SQLite) Recall(_ context.Context, name string) (task.Memory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.tasks[name]
	if !ok {
		return task.Memory{}, nil
	}
	return withLive(h.memory, &h.live), nil
}

// Remembered names the tasks that were there and not removed, and those with runs that have not ended.
func (s *SQLite) Remembered(context.Context) (names []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, h := range s.tasks {
		if h.live.count() > 0 || remembers(h.memory, h.removed) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Overrides returns those of every task that has some.
func (s *SQLite) Overrides(context.Context) (map[string]task.Overrides, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]task.Overrides{}
	for name, h := range s.tasks {
		if o := h.memory.Overrides; o != (task.Overrides{}) {
			all[name] = o
		}
	}
	return all, nil
}

// State returns what the task publishes.
func (s *SQLite) State(_ context.Context, name string) (map[string]task.Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.published[name]), nil
}

// Load returns one value of the task's checkpoint.
func (s *SQLite) Load(ctx context.Context, name, key string) (json.RawMessage, bool, error) {
	var record []byte
	err := s.read.QueryRowContext(ctx, `SELECT record FROM checkpoints WHERE task = ? AND name = ?`, name, key).Scan(&record)
	if err == sql.ErrNoRows {
		return nil, false, nil
	}
	var v storedValue
	if err == nil {
		v, err = decode[storedValue](record)
	}
	return v.Value, err == nil, s.fail(fmt.Sprintf("the checkpoint value %q of task %q", key, name), err)
}

// Checkpoints returns the task's checkpoint.
func (s *SQLite) Checkpoints(ctx context.Context, name string) (map[string]task.Checkpoint, error) {
	var all map[string]task.Checkpoint
	err := each(ctx, s.read, `SELECT name, record FROM checkpoints WHERE task = ?`, []any{name}, func(rows *sql.Rows) error {
		var key string
		v, err := scanValue(rows, &key)
		if err != nil {
			return err
		}
		if all == nil {
			all = map[string]task.Checkpoint{}
		}
		all[key] = task.Checkpoint{Value: v.Value, Version: v.Version, At: v.At, Run: v.Run}
		return nil
	})
	return all, s.fail(fmt.Sprintf("the checkpoint of task %q", name), err)
}

// RunValues returns the run-scoped values of a run.
func (s *SQLite) RunValues(ctx context.Context, run string) (map[string]json.RawMessage, error) {
	s.mu.Lock()
	r := s.onTheWay(run)
	s.mu.Unlock()
	if r != nil && r.ended {
		return nil, nil
	}
	var all map[string]json.RawMessage
	err := each(ctx, s.read, `SELECT name, record FROM run_values WHERE run = ?`, []any{run}, func(rows *sql.Rows) error {
		var key string
		v, err := scanValue(rows, &key)
		if err != nil {
			return err
		}
		if all == nil {
			all = map[string]json.RawMessage{}
		}
		all[key] = v.Value
		return nil
	})
	return all, s.fail("the values of run "+run, err)
}

func scanValue(rows *sql.Rows, key *string) (storedValue, error) {
	var record []byte
	if err := rows.Scan(key, &record); err != nil {
		return storedValue{}, err
	}
	v, err := decode[storedValue](record)
	if err != nil {
		err = fmt.Errorf("value %q: %w", *key, err)
	}
	return v, err
}

// onTheWay is a run on its way to the disk; nil when it is not. The lock is held.
func (s *SQLite) onTheWay(id string) *savedRun {
	if r := s.pending.runs[id]; r != nil || s.inflight == nil {
		return r
	}
	return s.inflight.runs[id]
}

// known is a run that is in memory; nil when it is not.
func (s *SQLite) known(id string) *task.Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.onTheWay(id); r != nil {
		return r.run
	}
	if it := s.live[id]; it != nil {
		return it.value
	}
	return nil
}

// Run returns one run.
func (s *SQLite) Run(ctx context.Context, id string) (task.Run, bool, error) {
	if r := s.known(id); r != nil {
		return *r, true, nil
	}
	var record []byte
	err := s.read.QueryRowContext(ctx, `SELECT record FROM runs WHERE id = ?`, id).Scan(&record)
	if err == sql.ErrNoRows {
		return task.Run{}, false, nil
	}
	var r task.Run
	if err == nil {
		r, err = decode[task.Run](record)
	}
	return r, err == nil, s.fail("run "+id, err)
}

// EventsSince replays; see Events. What has not been written yet is not known.
func (s *SQLite) EventsSince(seq uint64) ([]task.Event, bool) {
	var events []task.Event
	known, newest := seq == s.baseEvent, seq
	switch last := s.lastEvent.Load(); {
	case seq == last && known:
		return nil, true
	case seq > last:
		return nil, false // it was never given out, and may be more than the engine takes
	}
	err := each(context.Background(), s.read, `SELECT record FROM events WHERE last_seq >= ? ORDER BY last_seq LIMIT 0 + ?`, []any{seq, s.opts.Ring + 2}, func(rows *sql.Rows) error {
		var record []byte
		if err := rows.Scan(&record); err != nil {
			return err
		}
		some, err := decode[[]task.Event](record)
		if err != nil {
			return err
		}
		for _, e := range some {
			// After a commit of which nobody knew whether it was one, an event can stand in two rows.
			if known = known || e.Seq == seq; e.Seq > newest {
				events, newest = append(events, e), e.Seq
			}
		}
		if !known || len(events) > s.opts.Ring {
			return errTooOld
		}
		return nil
	})
	if err != nil || !known {
		if err != nil && err != errTooOld {
			s.log.Error("cannot replay events", "err", s.fail("events", err))
		}
		return nil, false
	}
	return events, true
}

// EventsFrom replays from a time on; see Events. What has not been written yet is not known.
func (s *SQLite) EventsFrom(at time.Time) ([]task.Event, bool) {
	var events []task.Event
	known, before, below := 0, false, uint64(math.MaxUint64)
	err := each(context.Background(), s.read, `SELECT record FROM events ORDER BY last_seq DESC LIMIT 0 + ?`, []any{s.opts.Ring + 2}, func(rows *sql.Rows) error {
		var record []byte
		if err := rows.Scan(&record); err != nil {
			return err
		}
		some, err := decode[[]task.Event](record)
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(some) {
			if e.Seq >= below { // in two rows, see EventsSince
				continue
			}
			below = e.Seq
			switch known++; {
			case known > s.opts.Ring:
				return errTooOld
			case e.At.Before(at.Add(-disorder)):
				before = true
				return errTooOld
			case !e.At.Before(at):
				events = append(events, e)
			}
		}
		return nil
	})
	if err != nil && err != errTooOld {
		s.log.Error("cannot replay events", "err", s.fail("events", err))
		return nil, false
	}
	// As long as no more are known than are kept, none has been dropped.
	return inOrder(events), before || known <= s.opts.Ring
}

var errTooOld = fmt.Errorf("the events after it are no longer known")

// LastEvent is the sequence of the newest event that the feed was given.
func (s *SQLite) LastEvent() uint64 { return s.lastEvent.Load() }

// Runs returns live runs first, the newest first, and then ended ones, the one that ended last first. A run
// that ends between two pages can come twice, with its newer record last; none is left out.
func (s *SQLite) Runs(ctx context.Context, q task.RunQuery) (task.Page[task.Run], error) {
	if err := ctx.Err(); err != nil {
		return task.Page[task.Run]{}, err
	}
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
	if from.phase == phaseLive {
		err := scan(ctx, from, &p, func(seq uint64, buf []entry[task.Run]) ([]entry[task.Run], uint64, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			list := &s.liveAll
			if len(q.Tasks) == 1 {
				h := s.tasks[q.Tasks[0]]
				if h == nil {
					return buf, seq, false
				}
				list = &h.live
			}
			return list.before(seq, buf)
		})
		if err != nil {
			return task.Page[task.Run]{}, err
		}
		from = place{phaseEnded, math.MaxUint64}
	}
	if (len(q.States) == 0 || slices.Contains(q.States, task.RunEnded)) && !p.full() {
		if err := s.endedRuns(ctx, q, from, &p); err != nil {
			return task.Page[task.Run]{}, s.fail("the history", err)
		}
	}
	return p.page(query), nil
}

// endedRuns merges what is on its way to the disk with what is on it.
func (s *SQLite) endedRuns(ctx context.Context, q task.RunQuery, from place, p *pager[task.Run]) error {
	hidden, waiting := map[string]bool{}, []waitingRecord[task.Run]{}
	s.mu.Lock()
	for _, b := range []*batch{s.pending, s.inflight} {
		if b == nil {
			continue
		}
		for id, r := range b.runs {
			if !hidden[id] && r.ended {
				waiting = append(waiting, waitingRecord[task.Run]{id, r.seq, r.fresh, r.run})
			}
			hidden[id] = true
		}
	}
	below := min(from.seq, s.seq+1)
	s.mu.Unlock()
	h := search{table: "runs", below: below, many: s.tune.many, look: s.tune.look}
	if !q.Since.IsZero() {
		h.from = micros(q.Since)
	}
	if !q.Until.IsZero() {
		h.until = micros(q.Until) + 1
	}
	if len(q.Tasks)+len(q.Outcomes)+len(q.Triggers) > 0 || h.until > 0 {
		h.kinds = s.runKinds(q)
	}
	return mergeRecords(ctx, s, h, hidden, waiting, p)
}

// runKinds are the kinds that a query selects; never nil.
func (s *SQLite) runKinds(q task.RunQuery) []kind {
	outcomes, triggers := setOf(q.Outcomes), setOf(q.Triggers)
	match := func(k kindKey) bool {
		return k.table == "runs" && outcomes.allows(k.outcome) && triggers.allows(k.trigger)
	}
	found := []kind{}
	if len(q.Tasks) == 0 {
		return append(found, s.kinds.ofAll(match)...)
	}
	for name := range setOf(q.Tasks) {
		found = append(found, s.kinds.ofTask(name, match)...)
	}
	return found
}

// Slots returns slot records, newest first.
func (s *SQLite) Slots(ctx context.Context, q task.SlotQuery) (task.Page[task.SlotRecord], error) {
	if err := ctx.Err(); err != nil {
		return task.Page[task.SlotRecord]{}, err
	}
	cursor := q.Cursor
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return task.Page[task.SlotRecord]{}, err
	}
	q.Limit, q.Cursor = 0, ""
	query := fingerprint(q)
	from, err := parseCursor(cursor, query)
	if err != nil {
		return task.Page[task.SlotRecord]{}, err
	}
	p := pager[task.SlotRecord]{limit: limit, match: func(r *task.SlotRecord) bool {
		return (q.Task == "" || q.Task == r.Task) && (q.Since.IsZero() || !r.Last.Before(q.Since))
	}}
	hidden, waiting := map[string]bool{}, []waitingRecord[task.SlotRecord]{}
	s.mu.Lock()
	for _, b := range []*batch{s.pending, s.inflight} {
		if b == nil {
			continue
		}
		for id, r := range b.slots {
			if !hidden[id] {
				waiting = append(waiting, waitingRecord[task.SlotRecord]{id, r.seq, false, r.record})
			}
			hidden[id] = true
		}
	}
	h := search{table: "slots", below: min(from.seq, s.seq+1), many: s.tune.many, look: s.tune.look}
	s.mu.Unlock()
	if q.Task != "" {
		h.kinds = append([]kind{}, s.kinds.ofTask(q.Task, func(k kindKey) bool { return k.table == "slots" })...)
	}
	from.phase = phaseLive // slots have one phase only
	if err := mergeRecords(ctx, s, h, hidden, waiting, &p); err != nil {
		return task.Page[task.SlotRecord]{}, s.fail("the slots", err)
	}
	return p.page(query), nil
}

// waitingRecord is one on its way to the disk.
type waitingRecord[T any] struct {
	id    string
	seq   uint64
	fresh bool // seq is its place, whatever the table says
	value *T
}

// mergeRecords feeds the pager with records below h.below in falling order: those that wait, and those
// of the table that are not hidden.
func mergeRecords[T any](ctx context.Context, s *SQLite, h search, hidden map[string]bool, waiting []waitingRecord[T], p *pager[T]) error {
	t, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	for i, w := range waiting {
		if w.fresh {
			continue
		}
		var seq uint64
		switch err := t.QueryRowContext(ctx, `SELECT seq FROM `+h.table+` WHERE id = ?`, w.id).Scan(&seq); err {
		case nil:
			waiting[i].seq = seq
		case sql.ErrNoRows:
		default:
			return err
		}
	}
	slices.SortFunc(waiting, func(a, b waitingRecord[T]) int { return cmp.Compare(b.seq, a.seq) })
	below := h.below
	waitingUntil := func(seq uint64) {
		for len(waiting) > 0 && waiting[0].seq > seq && !p.full() {
			if waiting[0].seq < below {
				p.take(place{phaseEnded, waiting[0].seq}, waiting[0].value)
			}
			waiting = waiting[1:]
		}
	}
	for !p.full() {
		want := p.limit - len(p.items) + 1
		rows, err := h.find(ctx, t, want)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if hidden[r.id] {
				continue
			}
			waitingUntil(r.seq)
			v, err := decode[T](r.record)
			if err != nil {
				return fmt.Errorf("table %s, record %d: %w", h.table, r.seq, err)
			}
			p.take(place{phaseEnded, r.seq}, &v)
		}
		if len(rows) < want {
			break
		}
		h.below = rows[len(rows)-1].seq
	}
	waitingUntil(0)
	return nil
}
