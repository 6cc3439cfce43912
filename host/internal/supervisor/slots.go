package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// fixedDelay reports whether the next slot counts from the end of the last run. Such
// slots are never skipped: what holds the task up only moves them.
func (st *state) fixedDelay() bool { return st.plan != nil && st.def.Schedule.HasAfter }

// slotHeld reports whether the next slot waits for something other than its time.
func (st *state) slotHeld() bool {
	if st.plan == nil || !st.on || st.closing == closingRemove {
		return true
	}
	if !st.fixedDelay() {
		return false
	}
	return st.engaged() || !st.mayStart() || st.paused() != nil
}

// engaged reports whether the task has a run other than those that somebody asked for at a later time.
func (st *state) engaged() bool {
	return slices.ContainsFunc(st.runs, func(r *run) bool { return r.phase != waitDue || r.Trigger == task.TriggerSlot })
}

// refreshNextSlot follows a change of the high-water mark, the schedule or the last end.
func (st *state) refreshNextSlot() {
	var next time.Time
	switch {
	case st.plan == nil || !st.on || st.closing == closingRemove:
	case st.fixedDelay():
		if !st.engaged() {
			next = st.plan.NextAfter(latest(st.lastEnd, st.startedAt))
		}
	default:
		next = st.plan.Next(st.lastSlot)
	}
	if !next.Equal(st.nextSlot) {
		st.nextSlot, st.dirty = next, true
	}
}

// dueSlots turns every slot up to now into a run or a record.
func (st *state) dueSlots(now time.Time) {
	if st.slotHeld() || st.nextSlot.IsZero() || st.nextSlot.After(now) {
		return
	}
	if st.fixedDelay() {
		slot := st.nextSlot
		st.lastSlot = latest(st.lastSlot, slot)
		st.offer(slot, false, now)
		st.refreshNextSlot()
		return
	}
	due := st.plan.Due(st.lastSlot, now, st.late)
	for _, missed := range due.Missed {
		st.noteSlots(missed.Reason, missed.First, missed.Last, missed.Count, "", now)
		st.lastSlot = latest(st.lastSlot, missed.Last)
	}
	booting := st.late == task.MissedDowntime
	for _, slot := range due.Run {
		st.lastSlot = latest(st.lastSlot, slot)
		if booting && st.def.Schedule.CatchUp.Policy == task.CatchUpNone {
			// It may have run: a host that was killed forgets the beginning of a run that it did not wait for.
			st.noteSlots(st.late, slot, slot, 1, "", now)
			continue
		}
		st.offer(slot, booting || len(due.Run) > 1, now)
	}
	st.refreshNextSlot()
}

// offer begins a slot's run, or records why there is none. One that is caught up waits for
// what a punctual one is skipped for.
func (st *state) offer(slot time.Time, caughtUp bool, now time.Time) {
	if reason, by := st.slotBar(caughtUp); reason != "" {
		st.noteSlots(reason, slot, slot, 1, by, now)
		return
	}
	r := st.slotRun(slot, now)
	r.caughtUp = caughtUp
	if r.due.After(now) {
		r.phase = waitDue
		st.accept(r, now)
		return
	}
	st.admit(r, now)
}

// slotBar says what keeps a slot from running whatever else is going on; "" is nothing.
func (st *state) slotBar(caughtUp bool) (reason task.SlotReason, by string) {
	switch pause := st.paused(); {
	case st.draining || st.closing == closingShutdown:
		return task.SkippedShutdown, ""
	case pause != nil:
		return task.SkippedPaused, pause.By
	case st.failed != nil:
		return task.SkippedFailed, st.failed.Code
	case !st.open && !caughtUp && len(st.unmet) > 0:
		return task.SkippedDependency, st.unmet[0]
	}
	return "", ""
}

func (st *state) slotRun(slot time.Time, now time.Time) *run {
	r := st.newRun(task.TriggerSlot, now)
	r.Slot = slot
	if !st.fixedDelay() {
		r.PreviousSlot = st.plan.Previous(slot)
	}
	r.due = st.plan.NotBefore(slot)
	r.NotBefore = r.due
	r.policy = st.def.Schedule.Overlap
	return r
}

// admit applies overlap to a run whose time has come.
func (st *state) admit(r *run, now time.Time) {
	blocking := st.blocking(r)
	punctual := r.Trigger == task.TriggerSlot && !r.caughtUp
	if blocking == nil || !punctual {
		if blocking != nil && r.policy == task.OverlapCancel {
			st.cancelForNewer(now)
		}
		r.phase = waitSeat
		st.accept(r, now)
		return
	}
	held := st.heldInGroup()
	switch {
	case held != nil:
		st.moveOn(held, r, task.SkippedGroup, now)
		return
	case r.policy == task.OverlapQueue || r.policy == task.OverlapCancel:
		switch queued := st.queuedBehind(r); {
		case queued == nil:
			r.phase = waitSeat
			st.accept(r, now)
		case queued.Trigger == task.TriggerSlot && !queued.saved:
			st.moveOn(queued, r, task.SkippedOverlap, now)
		default:
			st.dropForOverlap(r, queued, now)
		}
		if r.policy == task.OverlapCancel {
			st.cancelForNewer(now)
		}
		return
	}
	st.dropForOverlap(r, blocking, now)
}

func (st *state) dropForOverlap(r, blocking *run, now time.Time) {
	st.forget(r)
	st.noteSlots(task.SkippedOverlap, r.Slot, r.Slot, 1, blocking.ID, now)
}

// blocking returns the run that is in r's way, nil when a seat is free for it.
func (st *state) blocking(r *run) *run {
	var first *run
	taken := 0
	for _, other := range st.runs {
		if other == r || !other.seated && other.phase != waitSeat {
			continue
		}
		if taken++; first == nil {
			first = other
		}
	}
	if taken < st.seats() {
		return nil
	}
	return first
}

// queuedBehind returns the run that takes the one place in the queue for slots.
func (st *state) queuedBehind(r *run) *run {
	for _, other := range st.runs {
		if other != r && other.phase == waitSeat && !other.caughtUp {
			return other
		}
	}
	return nil
}

// heldInGroup returns the run of an earlier slot that still waits for its groups.
func (st *state) heldInGroup() *run {
	for _, r := range st.runs {
		if r.phase == waitGroup && r.Trigger == task.TriggerSlot && len(r.Attempts) == 0 && !r.saved {
			return r
		}
	}
	return nil
}

// moveOn gives the place of a run that has not begun and is not written down to the run of a newer slot; the
// older slot is recorded. The place in a group's queue goes along, so that a task that is
// often due is not always last.
func (st *state) moveOn(older, newer *run, reason task.SlotReason, now time.Time) {
	st.forget(newer)
	slot, by := older.Slot, ""
	if reason == task.SkippedGroup {
		by = older.waitingOn()
	} else if blocking := st.blocking(older); blocking != nil {
		by = blocking.ID
	}
	older.ID, older.Queued = newer.ID, newer.Queued
	older.Slot, older.PreviousSlot = newer.Slot, newer.PreviousSlot
	older.NotBefore, older.due, older.Timeline = newer.NotBefore, newer.due, newer.Timeline
	if older.ticket != 0 {
		st.do(acquireEffect{ticket: older.ticket, run: older.ID, groups: st.def.Groups})
	}
	st.noteSlots(reason, slot, slot, 1, by, now)
	st.dirty = true
}

// cancelForNewer takes the runs at work down the ladder for a newer slot. One that waits for its next attempt counts as
// at work, and ends at once.
func (st *state) cancelForNewer(now time.Time) {
	const reason = "a newer slot is due"
	for _, r := range slices.Clone(st.runs) {
		switch {
		case !r.seated:
		case r.phase == live && r.why != whyCancel:
			st.stopRun(r, stop{stage: task.StageCancel, why: whyCancel, reason: reason}, now)
		case r.phase == waitRetry:
			st.endQueued(r, task.OutcomeCancelled, "", reason, now)
		}
	}
}

// noteSlots records slots that did not run, in the record of those right before them when they share its reason.
func (st *state) noteSlots(reason task.SlotReason, first, last time.Time, count int, by string, now time.Time) {
	st.settleBefore(last)
	if st.record == nil || st.record.Reason != reason || !st.follows(first, st.record.Last) {
		st.record = &task.SlotRecord{ID: st.newID(now), Task: st.def.Name, Reason: reason, First: first, By: by}
		st.tell("slot", "skipped", "", fmt.Sprintf("%s: the slot of %s", reason, first.UTC().Format(time.RFC3339)), now)
	}
	st.record.First = earliest(st.record.First, first)
	st.record.Last = latest(st.record.Last, last)
	st.record.Count += count
	st.slotsPassed(reason, count)
	st.record.At = now
	st.do(saveSlotEffect{*st.record})
	st.dirty = true
}

// follows reports whether no slot lies between two slots; those that are on no grid follow each other as they come.
func (st *state) follows(slot, before time.Time) bool {
	return st.plan == nil || st.fixedDelay() || st.plan.Next(before).Equal(slot)
}

// settleBefore writes down the runs of earlier slots that have not begun. What is known of a later slot is about to be
// written, and the high-water mark goes with it: a host that dies then would forget them.
func (st *state) settleBefore(slot time.Time) {
	for _, r := range st.runs {
		if !r.saved && r.Trigger == task.TriggerSlot && r.Slot.Before(slot) {
			st.save(r)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
