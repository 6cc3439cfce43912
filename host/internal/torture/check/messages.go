package check

import (
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// sighting is where messages of one name were seen in one queue.
type sighting struct {
	ids   map[string]bool // of messages
	first int64           // when a handler was entered with one, the first time; 0 when none was
}

// seen gathers all sightings, by queue and name.
func seen(e Evidence) map[string]map[string]*sighting {
	all := map[string]map[string]*sighting{}
	at := func(queue, name string) *sighting {
		if all[queue] == nil {
			all[queue] = map[string]*sighting{}
		}
		s := all[queue][name]
		if s == nil {
			s = &sighting{ids: map[string]bool{}}
			all[queue][name] = s
		}
		return s
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind != journal.Handle {
				continue
			}
			s := at(x.Queue, x.Names[0])
			s.ids[x.Message] = true
			if s.first == 0 || x.At < s.first {
				s.first = x.At
			}
		}
	}
	for _, q := range e.Queues {
		for _, d := range q.Dead {
			at(q.Name, d.Name).ids[d.ID] = true
		}
	}
	return all
}

// origin is how the message of a name came to be.
type origin struct {
	owed bool // its making was acknowledged
	torn bool // it was made in commits whose cursor is not there
}

// origins finds everything that may be there, and what must be.
func origins(e Evidence) map[string]*origin {
	all := map[string]*origin{}
	for _, p := range e.Posts {
		all[p.Name] = &origin{owed: p.Acked}
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind != journal.Begin && x.Kind != journal.Commit {
				continue
			}
			kept, known := e.Cursors[x.Scope]
			for _, name := range x.Names {
				o := all[name]
				if o == nil {
					o = &origin{torn: true}
					all[name] = o
				}
				o.owed = o.owed || x.Kind == journal.Commit || known && x.Cursor <= kept
				o.torn = o.torn && known && x.Cursor > kept
			}
		}
	}
	return all
}

// messages demands that everything owed has arrived, as one message in each queue, and nothing else.
func messages(e Evidence, add func(Kind, string, string, ...any)) {
	seen, made := seen(e), origins(e)
	for _, p := range e.Posts {
		// A client may repeat by itself what a host that ended did not answer.
		if p.Known && p.Tries == 1 && !endsWithin(e, p.Began, p.Answered) {
			add(Duplicate, p.Name, "its first post was taken for a duplicate")
		}
	}
	for name, o := range made {
		if o.owed && !arrived(e, seen, name) {
			add(Lost, name, "it was acknowledged, and is neither at the last queue nor among the dead letters of any")
		}
	}
	for queue, names := range seen {
		for name, s := range names {
			switch o := made[name]; {
			case o == nil:
				add(Invented, name, "queue %s had it, and nobody made it", queue)
			case o.torn && !o.owed:
				add(Torn, name, "queue %s had it, and what was saved with it is not there", queue)
			}
			if len(s.ids) > 1 {
				add(Duplicate, name, "in queue %s it is %d messages: %q", queue, len(s.ids), slices.Sorted(maps.Keys(s.ids)))
			}
		}
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Altered {
				add(Altered, x.Names[0], "message %s of queue %s came to process %d of %s with another body", x.Message, x.Queue, p.PID, p.Task)
			}
		}
	}
	for _, q := range e.Queues {
		if q.Left > 0 {
			add(Stuck, q.Name, "%d messages are still there", q.Left)
		}
	}
}

// arrived reports whether the message is at the end of its way. One that is still in a queue cannot be told by name:
// the queue is then stuck as a whole.
func arrived(e Evidence, seen map[string]map[string]*sighting, name string) bool {
	for i, q := range e.Queues {
		if q.Left > 0 || i == len(e.Queues)-1 && seen[q.Name][name] != nil {
			return true
		}
		if slices.ContainsFunc(q.Dead, func(d Dead) bool { return d.Name == name }) {
			return true
		}
	}
	return false
}

// deadLetters demands that what is poison, and nothing else, was given up.
func deadLetters(e Evidence, add func(Kind, string, string, ...any)) {
	seen := seen(e)
	for i, q := range e.Queues {
		for _, d := range q.Dead {
			switch poison := journal.Poison(d.Name); {
			case d.Reason == "permanent" && poison:
			case d.Reason == "permanent" || d.Reason == "expired":
				add(DeadLetter, d.Name, "queue %s gave up message %s as %s", q.Name, d.ID, d.Reason)
			case d.Attempts < q.MaxDeliveries:
				add(DeadLetter, d.Name, "queue %s gave up message %s as %s after %d attempts of %d", q.Name, d.ID, d.Reason, d.Attempts, q.MaxDeliveries)
			}
		}
		if i == 0 {
			continue
		}
		for name := range seen[q.Name] {
			if journal.Poison(name) {
				add(DeadLetter, name, "its handler failed, and what it made came to queue %s", q.Name)
			}
		}
	}
}

// redelivered demands that a message is not handed out once it is known to be acknowledged: what its handler made in
// the same commit was at work in the next queue already. A process whose host has ended is not looked at: what it
// enters then was handed out before.
func redelivered(e Evidence, add func(Kind, string, string, ...any)) {
	seen, next := seen(e), map[string]string{}
	for i := 1; i < len(e.Queues); i++ {
		next[e.Queues[i-1].Name] = e.Queues[i].Name
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind != journal.Handle {
				continue
			}
			after := seen[next[x.Queue]][x.Names[0]]
			if after == nil || after.first == 0 || after.first > x.At || endsWithin(e, p.Entries[0].At, x.At) {
				continue
			}
			add(Again, x.Names[0], "queue %s handed it to process %d of %s when it had come to queue %s %v before", x.Queue, p.PID, p.Task, next[x.Queue], time.Duration(x.At-after.first))
		}
	}
}

// endsWithin reports whether a host may have ended in the time.
func endsWithin(e Evidence, from, to int64) bool {
	return slices.ContainsFunc(e.Ends, func(end End) bool { return end.From <= to && end.To >= from })
}
