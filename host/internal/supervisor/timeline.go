package supervisor

import (
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// centuries is as far ahead as a schedule without an end is looked through, in years.
const centuries = 300

// Slot is one due time to come.
type Slot struct {
	Task      string
	At        time.Time
	NotBefore time.Time // with its share of the jitter
	Held      string    // why it would not run as things stand: stopped, paused, failed; "" is nothing
}

// Schedule returns the slots of a task in [from, to), at most max of them; a zero to is no
// bound. A fixed delay shows the one that is known.
func (f *Fleet) Schedule(name string, from, to time.Time, max int) ([]Slot, error) {
	v := f.view.Load()
	if v.defs[name] == nil {
		return nil, unknown(name, slices.Sorted(maps.Keys(v.defs)))
	}
	return v.slots(name, from, to, max), nil
}

// ScheduleAll returns the slots of all tasks in [from, to) on one time line, at most max of them.
func (f *Fleet) ScheduleAll(from, to time.Time, max int) []Slot {
	v := f.view.Load()
	var all []Slot
	for name := range v.plans {
		all = append(all, v.slots(name, from, to, max)...)
	}
	slices.SortFunc(all, func(a, b Slot) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		if a.Task < b.Task {
			return -1
		}
		return 1
	})
	return all[:min(len(all), max)]
}

func (v *view) slots(name string, from, to time.Time, max int) []Slot {
	plan, l := v.plans[name], v.loops[name]
	if plan == nil || max <= 0 {
		return nil
	}
	if to.IsZero() {
		to = from.AddDate(centuries, 0, 0)
	}
	var held string
	var next time.Time
	if l != nil {
		if s := l.slot.Load(); s != nil {
			held, next = s.held, s.next
		}
	}
	var times []time.Time
	if v.defs[name].Schedule.HasAfter {
		if !next.Before(from) && next.Before(to) {
			times = append(times, next)
		}
	} else {
		times = plan.Between(from.Add(-1), to.Add(-1), max)
	}
	slots := make([]Slot, 0, len(times))
	for _, at := range times {
		slots = append(slots, Slot{Task: name, At: at, NotBefore: plan.NotBefore(at), Held: held})
	}
	return slots
}

// slotView is what the fleet needs to know of a task's status.
type slotView struct {
	held string    // see Slot.Held
	next time.Time // of a fixed delay
}

// showSlot keeps the loop's slotView true. The next slot of a schedule on a grid is known without it.
func (l *loop) showSlot(s *task.Status) {
	now := slotView{held: heldBy(s)}
	if l.st.fixedDelay() {
		now.next = s.NextSlot
	}
	if before := l.slot.Load(); before == nil || *before != now {
		shown := now
		l.slot.Store(&shown)
	}
}

func heldBy(s *task.Status) string {
	switch {
	case s.State == task.Stopped || s.StoppedBy != nil:
		return "stopped"
	case s.State == task.FailedState:
		return "failed"
	case s.Paused != nil:
		return "paused"
	}
	return ""
}
