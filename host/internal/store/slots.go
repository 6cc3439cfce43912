package store

import (
	"context"

	"github.com/taskhost/taskhost/host/internal/task"
)

// SaveSlot inserts or replaces a record; one that grows keeps its place.
func (m *Memory) SaveSlot(r task.SlotRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.history(r.Task)
	raise(&h.memory.LastSlot, r.Last)
	if it := m.slots[r.ID]; it != nil && it.value.Task == r.Task {
		it.value = &r
		return
	} else if it != nil {
		m.forgetSlot(it)
	}
	m.seq++
	it := &item[task.SlotRecord]{seq: m.seq, value: &r}
	m.slots[r.ID] = it
	m.skipped.add(it)
	h.slots.add(it)
	m.retain(h, m.opts.Now())
}

func (m *Memory) forgetSlot(it *item[task.SlotRecord]) {
	it.gone = true
	delete(m.slots, it.value.ID)
	m.skipped.dropped()
	m.tasks[it.value.Task].slots.dropped()
}

// Slots returns slot records, newest first.
func (m *Memory) Slots(ctx context.Context, q task.SlotQuery) (task.Page[task.SlotRecord], error) {
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
		return q.Since.IsZero() || !r.Last.Before(q.Since)
	}}
	err = scan(ctx, from, &p, func(seq uint64, buf []entry[task.SlotRecord]) ([]entry[task.SlotRecord], uint64, bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if q.Task == "" {
			return m.skipped.before(seq, buf)
		}
		h := m.tasks[q.Task]
		if h == nil {
			return buf, seq, false
		}
		return h.slots.before(seq, buf)
	})
	return p.page(query), err
}
