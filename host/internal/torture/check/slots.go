package check

import (
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// slotFacts is what is known of one slot.
type slotFacts struct {
	runs    []string // of the history
	entered []string // distinct runs that were entered with it
	skips   []string // reasons of the records that hold it
}

// slots demands that each slot of the grid, from the first to the last that is known of, lies in exactly one record
// and was entered under one run at most.
func slots(e Evidence, add func(Kind, string, string, ...any)) {
	for _, t := range e.Tasks {
		if t.Every > 0 {
			judgeSlots(t, slotsOf(e, t, add), add)
		}
	}
}

func slotsOf(e Evidence, t Task, add func(Kind, string, string, ...any)) map[int64]*slotFacts {
	all := map[int64]*slotFacts{}
	at := func(slot int64) *slotFacts {
		if all[slot] == nil {
			all[slot] = &slotFacts{}
		}
		return all[slot]
	}
	for _, r := range e.Runs {
		if r.Task == t.Name && r.Slot != 0 {
			f := at(r.Slot)
			f.runs = append(f.runs, r.ID)
		}
	}
	for _, s := range e.Skips {
		if s.Task != t.Name {
			continue
		}
		if n := int((s.Last-s.First)/int64(t.Every)) + 1; n != s.Count {
			add(Miscounted, t.Name, "the record %s from %s to %s counts %d slots, and there are %d", s.Reason, stamp(s.First), stamp(s.Last), s.Count, n)
		}
		for slot := s.First; slot <= s.Last; slot += int64(t.Every) {
			f := at(slot)
			f.skips = append(f.skips, s.Reason)
		}
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if p.Task != t.Name || x.Kind != journal.Enter || x.Slot == 0 {
				continue
			}
			if f := at(x.Slot); !slices.Contains(f.entered, x.Run) {
				f.entered = append(f.entered, x.Run)
			}
		}
	}
	return all
}

func judgeSlots(t Task, all map[int64]*slotFacts, add func(Kind, string, string, ...any)) {
	if len(all) == 0 {
		return
	}
	var first, last int64 = 1<<63 - 1, 0
	for slot := range all {
		first, last = min(first, slot), max(last, slot)
	}
	for slot, f := range all {
		name := t.Name + " " + stamp(slot)
		if (slot-first)%int64(t.Every) != 0 {
			add(OffGrid, name, "it does not lie a multiple of %v after %s", t.Every, stamp(first))
		}
		if len(f.entered) > 1 {
			add(RanTwice, name, "it was entered as %q", f.entered)
		}
		if n := len(f.runs) + len(f.skips); n > 1 {
			add(TwoRecords, name, "it lies in %d records: runs %q and %q", n, f.runs, f.skips)
		}
	}
	for slot := first; slot <= last; slot += int64(t.Every) {
		if f := all[slot]; f == nil || len(f.runs)+len(f.skips) == 0 {
			add(NoRecord, t.Name+" "+stamp(slot), "no run and no record of the history holds it")
		}
	}
}

func stamp(slot int64) string { return time.Unix(0, slot).UTC().Format("15:04:05.000000000") }

// runs demands that the history knows the runs that were entered, and that none goes on.
func runs(e Evidence, add func(Kind, string, string, ...any)) {
	known := map[string]bool{}
	for _, r := range e.Runs {
		known[r.ID] = true
		if !r.Ended {
			add(Stuck, r.ID, "the run of %s has not ended", r.Task)
		}
	}
	claims, told := map[string]bool{}, map[string]bool{}
	for _, t := range e.Tasks {
		claims[t.Name] = t.Claims
	}
	entered := map[string]int64{} // the latest time
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind == journal.Enter {
				entered[x.Run] = max(entered[x.Run], x.At)
			}
			// A run that has committed something is in the transaction of that commit, or in an earlier one.
			sure := x.Kind == journal.Enter && x.Slot != 0 && claims[p.Task] || x.Kind == journal.Commit && x.Run != ""
			if sure && !known[x.Run] && !told[x.Run] {
				told[x.Run] = true
				add(RunUnknown, x.Run, "%s did it in process %d, and the history does not know it", p.Task, p.PID)
			}
		}
	}
	for run, at := range entered {
		if known[run] || told[run] || forgotten(e, at) {
			continue
		}
		add(RunUnknown, run, "it was entered, no host died within %v after that, and the history does not know it", e.Forgets)
	}
}

// forgotten reports whether a host that was killed may have forgotten what nobody waited for at that time.
func forgotten(e Evidence, at int64) bool {
	return slices.ContainsFunc(e.Ends, func(end End) bool { return end.Killed && end.To >= at && end.From-at <= int64(e.Forgets) })
}
