package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// span is a time in which somebody was surely at work.
type span struct {
	from, to int64
	who      string
}

// crowds demands that never more runs (or processes, of a resident task) were at work at a time than is allowed.
func crowds(e Evidence, add func(Kind, string, string, ...any)) {
	for _, t := range e.Tasks {
		var all []span
		for _, p := range e.Processes {
			switch {
			case p.Task != t.Name:
			case t.Resident:
				all = append(all, life(p)...)
			default:
				all = append(all, work(p)...)
			}
		}
		for _, crowd := range over(all, t.Parallel) {
			add(Crowded, t.Name, "%d at a time, %d are allowed: %q", len(crowd), t.Parallel, crowd)
		}
	}
}

// life is the time of a process from its first line to the one in which it said that it ends, or to its last.
func life(p journal.Process) []span {
	if len(p.Entries) == 0 {
		return nil
	}
	s := span{p.Entries[0].At, p.Entries[len(p.Entries)-1].At, fmt.Sprintf("process %d", p.PID)}
	if i := slices.IndexFunc(p.Entries, func(x journal.Entry) bool { return x.Kind == journal.Close }); i >= 0 {
		s.to = p.Entries[i].At
	}
	return []span{s}
}

// work returns the times of the runs of a process. One that did not return went on as long as its process.
func work(p journal.Process) []span {
	var all []span
	for i, x := range p.Entries {
		if x.Kind != journal.Enter {
			continue
		}
		s := span{x.At, p.Entries[len(p.Entries)-1].At, fmt.Sprintf("run %s attempt %d in process %d", x.Run, x.Attempt, p.PID)}
		for _, y := range p.Entries[i+1:] {
			if y.Kind == journal.Leave && y.Run == x.Run && y.Attempt == x.Attempt {
				s.to = y.At
				break
			}
		}
		all = append(all, s)
	}
	return all
}

// over returns, for each beginning that brings more than most to work, who was at work then.
func over(all []span, most int) (crowds [][]string) {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	var now []span
	for _, s := range all {
		now = slices.DeleteFunc(now, func(o span) bool { return o.to <= s.from })
		if now = append(now, s); len(now) > most {
			crowd := make([]string, len(now))
			for i, o := range now {
				crowd[i] = o.who
			}
			crowds = append(crowds, crowd)
		}
	}
	return crowds
}
