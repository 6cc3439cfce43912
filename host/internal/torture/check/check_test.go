package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

func TestACorrectHistoryHasNoFault(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		one := rapid.Uint64()
		w := newWorld(func(n int) int { return int(one.Draw(rt, "pick") % uint64(n)) })
		for _, f := range Check(w.history(rapid.IntRange(0, 150).Draw(rt, "steps"))) {
			rt.Errorf("%v", f)
		}
	})
}

// good is one correct history in which everything happens.
func good() Evidence {
	return newWorld(rand.New(rand.NewPCG(1, 2)).IntN).history(3000)
}

// Each fault is planted into a correct history, and nothing else may be found there.
func TestAPlantedFaultIsFound(t *testing.T) {
	t.Parallel()
	if faults := Check(good()); len(faults) > 0 {
		t.Fatalf("there are faults before any is planted: %v", faults)
	}
	for _, c := range []struct {
		what  string
		want  []Kind
		plant func(*Evidence)
	}{
		{"an acknowledged post that is nowhere", []Kind{Lost}, func(e *Evidence) {
			e.Posts = append(e.Posts, Post{Name: "gone", Acked: true, Tries: 1})
		}},
		{"a post that did not come to the last queue", []Kind{Lost}, func(e *Evidence) {
			forget(e, "out", e.Posts[ackedPost(e)].Name)
		}},
		{"an acknowledged emit that did not come to the last queue", []Kind{Lost}, func(e *Evidence) {
			forget(e, "out", find(e, journal.Commit, "").Names[0])
		}},
		{"an emit whose cursor is there and that is not", []Kind{Lost}, func(e *Evidence) {
			for i := range e.Processes {
				e.Processes[i].Entries = slices.DeleteFunc(e.Processes[i].Entries, func(x journal.Entry) bool {
					return x.Kind == journal.Commit && x.Names[0] == "produce/1"
				})
			}
			forget(e, "out", "produce/1")
		}},
		{"a poison message that was lost", []Kind{Lost}, func(e *Evidence) {
			e.Queues[0].Dead = slices.DeleteFunc(e.Queues[0].Dead, func(d Dead) bool {
				return slices.ContainsFunc(e.Posts, func(p Post) bool { return p.Name == d.Name && p.Acked }) && strings.HasSuffix(d.Name, poisoned(e))
			})
		}},
		{"a message that nobody made", []Kind{Invented}, func(e *Evidence) {
			also(e, "sink", journal.Entry{Kind: journal.Handle, Queue: "out", Message: "x", Names: []string{"stranger"}})
		}},
		{"a message with another body", []Kind{Altered}, func(e *Evidence) { find(e, journal.Handle, "out").Altered = true }},
		{"a message without what was saved with it", []Kind{Torn}, func(e *Evidence) {
			also(e, "produce", journal.Entry{Kind: journal.Begin, Scope: "produce", Cursor: e.Cursors["produce"] + 1, Names: []string{"half"}})
			also(e, "sink", journal.Entry{Kind: journal.Handle, Queue: "out", Message: "x", Names: []string{"half"}})
		}},
		{"a message that became two", []Kind{Duplicate}, func(e *Evidence) {
			twin := *find(e, journal.Handle, "out")
			twin.Message = "twin"
			also(e, "sink", twin)
		}},
		{"a message of which one went on and one was given up", []Kind{Duplicate}, func(e *Evidence) {
			e.Queues[1].Dead = append(e.Queues[1].Dead, Dead{"twin", find(e, journal.Handle, "out").Names[0], "failed", 5})
		}},
		{"a first post that is called known", []Kind{Duplicate}, func(e *Evidence) {
			e.Posts[ackedPost(e)].Tries, e.Posts[ackedPost(e)].Known = 1, true
		}},
		{"a message that was handed out once more", []Kind{Again}, func(e *Evidence) {
			done := *find(e, journal.Handle, "out")
			first := e.Processes[slices.IndexFunc(e.Processes, func(p journal.Process) bool {
				return slices.ContainsFunc(p.Entries, func(x journal.Entry) bool {
					return x.Kind == journal.Handle && x.Queue == "in" && x.Names[0] == done.Names[0]
				})
			})]
			i := slices.IndexFunc(first.Entries, func(x journal.Entry) bool { return x.Kind == journal.Handle && x.Names[0] == done.Names[0] })
			also(e, "relay", first.Entries[i])
		}},
		{"a queue that does not come to rest", []Kind{Stuck}, func(e *Evidence) { e.Queues[1].Left = 1 }},
		{"a message that was given up too early", []Kind{DeadLetter}, func(e *Evidence) {
			x := find(e, journal.Handle, "out")
			e.Queues[1].Dead = append(e.Queues[1].Dead, Dead{x.Message, x.Names[0], "crashed", 4})
		}},
		{"a message that was given up for good and is no poison", []Kind{DeadLetter}, func(e *Evidence) {
			x := find(e, journal.Handle, "out")
			e.Queues[1].Dead = append(e.Queues[1].Dead, Dead{x.Message, x.Names[0], "permanent", 1})
		}},
		{"what a failed handler made", []Kind{DeadLetter}, func(e *Evidence) {
			also(e, "sink", journal.Entry{Kind: journal.Handle, Queue: "out", Message: "x", Names: []string{e.Queues[0].Dead[0].Name}})
		}},
		{"a run that found an old cursor", []Kind{CursorBack}, func(e *Evidence) { lastLoad(e).Cursor-- }},
		{"a run that found a cursor of nobody", []Kind{CursorAhead}, func(e *Evidence) { lastLoad(e).Cursor += 1000 }},
		{"a checkpoint that moved back at the end", []Kind{CursorBack}, func(e *Evidence) {
			also(e, "produce", journal.Entry{Kind: journal.Begin, Scope: "produce", Cursor: e.Cursors["produce"] + 1})
			also(e, "produce", journal.Entry{Kind: journal.Commit, Scope: "produce", Cursor: e.Cursors["produce"] + 1})
		}},
		{"a slot that is in no record", []Kind{NoRecord}, func(e *Evidence) {
			late := e.Skips[len(e.Skips)/2:]
			s := &late[slices.IndexFunc(late, func(s Skip) bool { return s.Count > 1 })]
			s.First, s.Count = s.First+int64(every), s.Count-1
		}},
		{"a record that counts too much", []Kind{Miscounted}, func(e *Evidence) { e.Skips[0].Count++ }},
		{"a run that the history does not know", []Kind{NoRecord, RunUnknown}, func(e *Evidence) {
			i := runOf(e, "produce")
			e.Runs = slices.Delete(e.Runs, i, i+1)
		}},
		{"a run that no host had to forget", []Kind{NoRecord, RunUnknown}, func(e *Evidence) {
			for _, p := range e.Processes {
				if x := p.Entries[1]; p.Task == "crowd" && !forgotten(*e, x.At) {
					e.Runs = slices.DeleteFunc(e.Runs, func(r Run) bool { return r.ID == x.Run })
					return
				}
			}
		}},
		{"a run that is recorded as missed", []Kind{RunUnknown}, func(e *Evidence) {
			i := runOf(e, "produce")
			e.Skips = append(e.Skips, Skip{"produce", "missed(downtime)", e.Runs[i].Slot, e.Runs[i].Slot, 1})
			e.Runs = slices.Delete(e.Runs, i, i+1)
		}},
		{"a slot that ran under two runs", []Kind{RanTwice, TwoRecords}, func(e *Evidence) {
			x := *find(e, journal.Enter, "")
			x.Run = "twin"
			also(e, "produce", x)
			also(e, "produce", journal.Entry{Kind: journal.Leave, Run: "twin", Attempt: 1})
			e.Runs = append(e.Runs, Run{"twin", "produce", x.Slot, true})
		}},
		{"a slot that ran and was skipped", []Kind{TwoRecords}, func(e *Evidence) {
			slot := e.Runs[runOf(e, "produce")].Slot
			e.Skips = append(e.Skips, Skip{"produce", "skipped(paused)", slot, slot, 1})
		}},
		{"a slot beside the grid", []Kind{OffGrid}, func(e *Evidence) {
			e.Runs = append(e.Runs, Run{"odd", "produce", e.Runs[runOf(e, "produce")].Slot + 1, true})
		}},
		{"a run without an end", []Kind{Stuck}, func(e *Evidence) { e.Runs[0].Ended = false }},
		{"one run too many", []Kind{Crowded}, func(e *Evidence) {
			for i := range atMost + 1 {
				id := fmt.Sprint("more-", i)
				also(e, "crowd", journal.Entry{Kind: journal.Enter, Run: id, Attempt: 1})
				e.Runs = append(e.Runs, Run{ID: id, Task: "crowd", Ended: true})
			}
		}},
		{"one process too many", []Kind{Crowded}, func(e *Evidence) {
			at := later(e)
			for i := range int64(2) {
				e.Processes = append(e.Processes, journal.Process{Task: "relay", PID: -1, Entries: []journal.Entry{{At: at + i, Kind: journal.Open}, {At: at + i + 2, Kind: journal.Alive}}})
			}
		}},
		{"a journal that goes back", []Kind{NoEvidence}, func(e *Evidence) {
			also(e, "relay", journal.Entry{Kind: journal.Alive})
			p := &e.Processes[len(e.Processes)-1]
			p.Entries[len(p.Entries)-1].At -= 1000
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			e := good()
			c.plant(&e)
			var got []Kind
			faults := Check(e)
			for _, f := range faults {
				got = append(got, f.Kind)
			}
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("found %v; want %q", faults, c.want)
			}
		})
	}
}

// What looks like a fault and cannot be told from a correct history is none.
func TestWhatCannotBeToldIsNoFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		plant func(*Evidence)
	}{
		{"a post that was not acknowledged is nowhere", func(e *Evidence) {
			e.Posts = append(e.Posts, Post{Name: "maybe", Tries: 3})
		}},
		{"a first post is called known after a host has ended under it", func(e *Evidence) {
			p := &e.Posts[ackedPost(e)]
			p.Tries, p.Known, p.Began, p.Answered = 1, true, e.Ends[0].From-1, e.Ends[0].To+1
		}},
		{"a process whose host is gone enters what was handed out before", func(e *Evidence) {
			done := *find(e, journal.Handle, "out")
			done.Queue = "in"
			for _, p := range e.Processes {
				for _, x := range p.Entries {
					if x.Kind == journal.Handle && x.Queue == "in" && x.Names[0] == done.Names[0] {
						done.Message = x.Message
					}
				}
			}
			also(e, "relay", done)
			p := e.Processes[len(e.Processes)-1]
			e.Ends = append(e.Ends, End{From: p.Entries[0].At, To: p.Entries[1].At, Killed: true})
		}},
		{"a message that was given up after all its deliveries", func(e *Evidence) {
			x := find(e, journal.Handle, "out")
			e.Queues[1].Dead = append(e.Queues[1].Dead, Dead{x.Message, x.Names[0], "crashed", 5})
		}},
		{"a process that ended when nobody looked", func(e *Evidence) {
			at := later(e)
			for i := range 2 {
				e.Processes = append(e.Processes, journal.Process{Task: "relay", PID: -i, Entries: []journal.Entry{{At: at + int64(2*i), Kind: journal.Open}, {At: at + int64(2*i) + 1, Kind: journal.Alive}}})
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			e := good()
			c.plant(&e)
			for _, f := range Check(e) {
				t.Error(f)
			}
		})
	}
}

// later is a time after everything in e.
func later(e *Evidence) int64 {
	var last int64
	for _, p := range e.Processes {
		last = max(last, p.Entries[len(p.Entries)-1].At)
	}
	for _, end := range e.Ends {
		last = max(last, end.To)
	}
	return last + int64(time.Second)
}

// also lets a process of the task that begins after everything else write x.
func also(e *Evidence, task string, x journal.Entry) {
	at := later(e)
	x.At = at + 1
	e.Processes = append(e.Processes, journal.Process{Task: task, PID: -1, Entries: []journal.Entry{{At: at, Kind: journal.Open}, x}})
	if task == "crowd" { // a run goes on as long as its process
		p := &e.Processes[len(e.Processes)-1]
		p.Entries = append(p.Entries, journal.Entry{At: at + 1e12, Kind: journal.Alive})
		if n := len(e.Processes) - 2; e.Processes[n].Task == "crowd" && e.Processes[n].PID == -1 {
			shift := at - e.Processes[n].Entries[0].At
			for i := range p.Entries {
				p.Entries[i].At -= shift - 1
			}
		}
	}
}

// find returns the first entry of the kind (and of the queue, which "" leaves open) of a message that is no poison.
func find(e *Evidence, kind journal.Kind, queue string) *journal.Entry {
	for _, p := range e.Processes {
		for i, x := range p.Entries {
			if x.Kind == kind && x.Queue == queue && (kind != journal.Enter || p.Task == "produce") && (kind != journal.Handle || !journal.Poison(x.Names[0])) {
				return &p.Entries[i]
			}
		}
	}
	panic("the history has no " + string(kind))
}

func lastLoad(e *Evidence) (last *journal.Entry) {
	for _, p := range e.Processes {
		for i, x := range p.Entries {
			if x.Kind == journal.Load {
				last = &p.Entries[i]
			}
		}
	}
	return last
}

// forget removes a message from a queue.
func forget(e *Evidence, queue, name string) {
	for i := range e.Processes {
		e.Processes[i].Entries = slices.DeleteFunc(e.Processes[i].Entries, func(x journal.Entry) bool {
			return x.Kind == journal.Handle && x.Queue == queue && x.Names[0] == name
		})
	}
}

func ackedPost(e *Evidence) int {
	return slices.IndexFunc(e.Posts, func(p Post) bool { return p.Acked && !journal.Poison(p.Name) && !endsWithin(*e, p.Began, p.Answered) })
}

// poisoned is the name of an acknowledged poison message.
func poisoned(e *Evidence) string {
	return e.Posts[slices.IndexFunc(e.Posts, func(p Post) bool { return p.Acked && journal.Poison(p.Name) })].Name
}

// runOf is a run of the task in the middle of its history.
func runOf(e *Evidence, task string) int {
	n := len(e.Runs) / 2
	return n + slices.IndexFunc(e.Runs[n:], func(r Run) bool { return r.Task == task })
}
