package schedule

import (
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// Punctual is how late a slot may be noticed and still count as on time. It is the
	// longest time between two looks at the wall clock; a short period bounds it further.
	Punctual = 30 * time.Second

	// catchUpDefault bounds the default window of catch_up.
	catchUpDefault = 12 * time.Hour

	// catchUpMax is how many slots the policy "all" runs when it does not say.
	catchUpMax = 10
)

// Due says what becomes of the slots that have passed.
type Due struct {
	Run    []time.Time       // to be run now, oldest first
	Missed []task.SlotRecord // the others, oldest first; without ID and At
}

// Due sorts the slots in (last, now] into those to run and those that were missed; no
// slot is in neither. last is the high-water mark of the task: with now at or before it,
// because the clock was set back, nothing is due. The newest slot always runs when it is
// noticed on time; whether it runs later than that, and whether older ones do, is for the
// catch_up policy to say. why is the reason that goes into the records.
//
// The zero last is a task that has no history: it has missed nothing.
//
// For a fixed delay, last is the end of the last run, and nothing is ever missed; one
// that has never run is due at once.
func (p *Plan) Due(last, now time.Time, why task.SlotReason) Due {
	last, now = wallClock(last), wallClock(now)
	if p.isDelay() {
		slot := p.NextAfter(last)
		if last.IsZero() {
			slot = now
		}
		if !slot.After(now) {
			return Due{Run: []time.Time{slot}}
		}
		return Due{}
	}
	newest := p.Previous(now.Add(1))
	if last.IsZero() || newest.IsZero() || !newest.After(last) {
		return Due{}
	}
	var due Due
	due.Run = p.chosen(last, now, newest)
	lastMissed := newest
	if len(due.Run) > 0 {
		lastMissed = p.Previous(due.Run[0])
	}
	if lastMissed.After(last) {
		first := p.Next(last)
		due.Missed = []task.SlotRecord{{
			Task:   p.name,
			Reason: why,
			First:  first,
			Last:   lastMissed,
			Count:  p.count(first, lastMissed),
		}}
	}
	return due
}

// chosen returns the newest slots in (last, now] that run, oldest first, without a gap between them.
func (p *Plan) chosen(last, now, newest time.Time) []time.Time {
	distance := p.Next(newest).Sub(newest)
	policy := p.spec.CatchUp
	window, most := policy.Window, 1
	switch policy.Policy {
	case task.CatchUpLatest:
		if window == 0 {
			window = min(distance/2, catchUpDefault)
		}
	case task.CatchUpAll:
		if most = policy.Max; most == 0 {
			most = catchUpMax
		}
	default:
		window = 0
	}
	unbounded := policy.Policy == task.CatchUpAll && window == 0
	window = max(window, punctual(distance))
	var run []time.Time
	for slot := newest; len(run) < most && slot.After(last); slot = p.Previous(slot) {
		if late := now.Sub(slot); late > window && !unbounded {
			break
		}
		run = append(run, slot)
	}
	slices.Reverse(run)
	return run
}

// punctual returns how late a slot may be noticed when the next one is this far away:
// half the way, but a second at least, because what is nearer than that is worth no record.
func punctual(distance time.Duration) time.Duration {
	return min(max(distance/2, time.Second), Punctual)
}

// count returns how many slots lie in [first, last].
func (p *Plan) count(first, last time.Time) int {
	if p.isGrid() {
		return int(last.Sub(first)/p.spec.Every) + 1
	}
	n := 1
	for slot := first; slot.Before(last); slot = p.Next(slot) {
		n++
	}
	return n
}
