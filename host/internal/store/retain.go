package store

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// sweepEvery bounds how long a record outlives its age while its task is quiet.
const sweepEvery = time.Minute

// retain forgets what is over the task's bounds and the bounds in all. Live runs are
// never forgotten. The lock is held.
func (m *Memory) retain(h *history, now time.Time) {
	k := m.opts.Keep
	if h.keep != nil {
		k = *h.keep
	}
	for class, most := range [2]int{classSucceeded: k.Succeeded, classFailed: k.Failed} {
		for l := &h.classes[class]; most > 0 && l.count() > most; {
			m.expire(l.oldest())
		}
	}
	for most := k.Slots; most > 0 && h.slots.count() > most; {
		m.forgetSlot(h.slots.oldest())
	}
	if k.Age > 0 {
		m.retainAge(h, now.Add(-k.Age), now)
	}
	for m.ended.count() > m.opts.KeepTotal || m.bytes > m.opts.KeepBytes && m.ended.count() > 1 {
		m.expire(m.ended.oldest())
	}
	for m.skipped.count() > m.opts.KeepTotal {
		m.forgetSlot(m.skipped.oldest())
	}
}

// retainAge forgets what is too old. The last record of each kind stays until the task is forgotten.
func (m *Memory) retainAge(h *history, before, now time.Time) {
	least := 1
	if h.forgotten(now) {
		least = 0
	}
	for class := range h.classes {
		l := &h.classes[class]
		for it := l.oldest(); l.count() > least && it.value.Ended.Before(before); it = l.oldest() {
			m.expire(it)
		}
	}
	for it := h.slots.oldest(); h.slots.count() > least && it.value.Last.Before(before); it = h.slots.oldest() {
		m.forgetSlot(it)
	}
}

// forgotten reports whether the task was removed long ago.
func (h *history) forgotten(now time.Time) bool {
	return !h.removed.IsZero() && now.Sub(h.removed) >= task.KeepRemoved
}

// expire forgets an ended run and its values.
func (m *Memory) expire(it *item[task.Run]) {
	m.forgetRun(it)
	m.values.dropRun(it.value.ID)
}

// sweep looks after the tasks that are quiet. The lock is held.
func (m *Memory) sweep() {
	now := m.opts.Now()
	if now.Sub(m.lastSweep) < sweepEvery && !now.Before(m.lastSweep) {
		return
	}
	m.lastSweep = now
	m.queues.sweep(now)
	for name, h := range m.tasks {
		m.retain(h, now)
		if !h.forgotten(now) {
			continue
		}
		m.values.dropTask(name)
		h.memory.Overrides = task.Overrides{}
		if h.live.count()+h.ended.count()+h.slots.count() == 0 {
			delete(m.tasks, name)
		}
	}
}
