package process

import "time"

// treeBound is how long the end of a process tree may take.
const treeBound = 2 * time.Second

// entry is one process of a snapshot.
type entry struct {
	pid, parent, group, session int
	start                       uint64
	zombie                      bool
}

// tree is what one launched process may have started. Its fields are fixed at the
// launch, but for seen, which grows by one owner at a time: first a kill, then the
// goroutine that waits for the process.
type tree struct {
	leader int
	start  uint64
	marks  marks
	seen   map[int]uint64 // members by pid, with their start time
}

// marks are what tells that an orphan belongs to a tree: the open files that it has
// inherited, and the word in its environment.
type marks struct {
	files []fileID
	word  string
}

// fileID names an open file, pipes included.
type fileID struct{ dev, ino uint64 }

// members finds the processes of t in a snapshot, without its leader and zombies: those
// in the leader's session, those seen before, orphans that the host has adopted and
// that wear a mark, and the descendants of all of these. It remembers them in t.seen.
//
// It is pure but for t.seen: orphan says whether an adopted process wears the marks.
func (t *tree) members(all []entry, orphan func(entry) bool) []entry {
	if t.seen == nil {
		t.seen = map[int]uint64{}
	}
	if t.leader > 0 { // session 0 is the kernel's
		t.seen[t.leader] = t.start
	}
	in := make(map[int]bool)
	var found []entry
	// A child may stand before its parent, so look until nothing is added.
	for grown := true; grown; {
		grown = false
		for _, e := range all {
			if in[e.pid] {
				continue
			}
			start, known := t.seen[e.pid]
			mine := known && start == e.start ||
				t.leader > 0 && e.session == t.leader && e.start >= t.start ||
				in[e.parent] ||
				orphan(e)
			if !mine {
				continue
			}
			in[e.pid] = true
			t.seen[e.pid] = e.start
			if e.pid != t.leader && !e.zombie {
				found = append(found, e)
			}
			grown = true
		}
	}
	return found
}
