package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// world makes evidence as a correct host and correct plugins leave it: pick decides what happens next.
type world struct {
	pick func(n int) int // 0..n-1
	e    Evidence
	now  int64
	n    int // of ids

	lives  map[string]*journal.Process // of the host that lives now
	began  int64                       // of its life
	cursor int64                       // of produce, as it is durable
	slot   map[string]int64            // the last of each task
	going  []journal.Entry             // runs of crowd that are at work
	in     []message                   // what is in the queues
	out    []message
}

type message struct{ id, name string }

const (
	every  = 100 * time.Millisecond
	atMost = 3 // runs of crowd
)

func newWorld(pick func(int) int) *world {
	w := &world{pick: pick, now: 1e12, lives: map[string]*journal.Process{}, slot: map[string]int64{"produce": 5e15, "crowd": 7e15}}
	w.e = Evidence{
		Tasks: []Task{
			{Name: "produce", Every: every, Parallel: 1, Claims: true},
			{Name: "crowd", Every: every, Parallel: atMost},
			{Name: "relay", Parallel: 1, Resident: true},
			{Name: "sink", Parallel: 1, Resident: true},
		},
		Queues:  []Queue{{Name: "in", MaxDeliveries: 5}, {Name: "out", MaxDeliveries: 5}},
		Cursors: map[string]int64{},
		Forgets: 50 * time.Millisecond,
	}
	return w
}

// history lets so many things happen, then lets everything come to rest.
func (w *world) history(steps int) Evidence {
	for range steps {
		w.step()
	}
	for len(w.in) > 0 || len(w.out) > 0 {
		w.relay(true)
		w.sink(true)
	}
	for len(w.going) > 0 {
		w.leave()
	}
	w.e.Cursors["produce"] = w.cursor
	for _, p := range w.lives {
		w.put(p, journal.Entry{Kind: journal.Close})
	}
	return w.e
}

func (w *world) step() {
	switch w.pick(10) {
	case 0:
		w.die(w.pick(4) == 0)
	case 1, 2:
		w.post()
	case 3, 4:
		w.produce()
	case 5:
		w.enter()
	case 6:
		if len(w.going) > 0 {
			w.leave()
		}
	case 7:
		w.sink(w.pick(3) > 0)
	default:
		w.relay(w.pick(3) > 0)
	}
}

func (w *world) tick() int64 {
	w.now += 1 + int64(w.pick(20))*int64(time.Millisecond)
	return w.now
}

func (w *world) id(prefix string) string {
	w.n++
	return fmt.Sprint(prefix, "-", w.n)
}

// process is the living process of a task.
func (w *world) process(task string) *journal.Process {
	p := w.lives[task]
	if p == nil {
		w.n++
		p = &journal.Process{Task: task, PID: w.n}
		w.lives[task] = p
		w.put(p, journal.Entry{Kind: journal.Open})
	}
	return p
}

// put writes into the journal of p, which the evidence holds as it grows.
func (w *world) put(p *journal.Process, x journal.Entry) {
	x.At = w.tick()
	p.Entries = append(p.Entries, x)
	i := slices.IndexFunc(w.e.Processes, func(o journal.Process) bool { return o.PID == p.PID })
	if i < 0 {
		w.e.Processes = append(w.e.Processes, *p)
		return
	}
	w.e.Processes[i] = *p
}

// crash ends the process of a task at once.
func (w *world) crash(task string) { delete(w.lives, task) }

// die ends the host, and all processes with it.
func (w *world) die(itself bool) {
	w.going = nil
	clear(w.lives)
	end := End{From: w.tick(), Killed: !itself}
	end.To = w.tick()
	w.e.Ends = append(w.e.Ends, end)
	for task := range w.slot {
		if n := w.pick(4); n > 0 {
			w.skip(task, "missed(downtime)", n)
		}
	}
}

func (w *world) skip(task, reason string, n int) {
	first := w.slot[task] + int64(every)
	w.slot[task] += int64(n) * int64(every)
	i := len(w.e.Skips) - 1
	if i >= 0 && w.e.Skips[i].Task == task && w.e.Skips[i].Reason == reason && w.e.Skips[i].Last+int64(every) == first {
		w.e.Skips[i].Last, w.e.Skips[i].Count = w.slot[task], w.e.Skips[i].Count+n
		return
	}
	w.e.Skips = append(w.e.Skips, Skip{task, reason, first, w.slot[task], n})
}

// next is a run of the next slot of a task.
func (w *world) next(task string) journal.Entry {
	w.slot[task] += int64(every)
	return journal.Entry{Kind: journal.Enter, Run: w.id("run"), Attempt: 1, Slot: w.slot[task]}
}

func (w *world) remember(task string, x journal.Entry) {
	w.e.Runs = append(w.e.Runs, Run{ID: x.Run, Task: task, Slot: x.Slot, Ended: true})
}

func (w *world) produce() {
	if w.pick(4) == 0 {
		w.skip("produce", "skipped(overlap)", 1+w.pick(2))
		return
	}
	x, p := w.next("produce"), w.process("produce")
	w.remember("produce", x)
	w.put(p, x)
	since := w.now
	w.put(p, journal.Entry{Kind: journal.Load, Run: x.Run, Scope: "produce", Cursor: w.cursor, Since: since})
	cursor, name := w.cursor+1, fmt.Sprint("produce/", w.cursor+1)
	w.put(p, journal.Entry{Kind: journal.Begin, Run: x.Run, Scope: "produce", Cursor: cursor, Names: []string{name}})
	how := w.pick(6)
	if how != 0 { // else it is killed before
		w.cursor = cursor
		w.in = append(w.in, message{w.id("in"), name})
	}
	if how <= 1 { // or after it, before the answer
		w.crash("produce")
		return
	}
	w.put(p, journal.Entry{Kind: journal.Commit, Run: x.Run, Scope: "produce", Cursor: cursor, Names: []string{name}})
	w.put(p, journal.Entry{Kind: journal.Leave, Run: x.Run, Attempt: 1})
}

// enter begins a run of crowd; nobody waits until it is written down.
func (w *world) enter() {
	if len(w.going) == atMost {
		w.skip("crowd", "skipped(overlap)", 1)
		return
	}
	x := w.next("crowd")
	w.put(w.process(x.Run), x)
	i := len(w.e.Processes) - 1
	w.e.Processes[i].Task = "crowd" // a process per run
	w.lives[x.Run].Task = "crowd"
	if w.pick(8) == 0 { // the host dies and forgets it
		w.slot["crowd"] -= int64(every)
		w.skip("crowd", "missed(downtime)", 1)
		w.die(false)
		return
	}
	w.remember("crowd", x)
	w.going = append(w.going, x)
}

func (w *world) leave() {
	x := w.going[0]
	w.going = w.going[1:]
	w.put(w.process(x.Run), journal.Entry{Kind: journal.Leave, Run: x.Run, Attempt: 1})
	w.crash(x.Run)
}

func (w *world) post() {
	name := w.id("post")
	if w.pick(6) == 0 {
		name = w.id("poison-post")
	}
	p := Post{Name: name, Tries: 1 + w.pick(2), Began: w.tick()}
	if w.pick(5) > 0 {
		p.Acked, p.Answered, p.Known = true, w.tick(), p.Tries > 1 && w.pick(2) == 0
	}
	if p.Acked || w.pick(2) == 0 {
		w.in = append(w.in, message{name, name})
	}
	w.e.Posts = append(w.e.Posts, p)
}

// relay hands out a message of in.
func (w *world) relay(well bool) {
	if len(w.in) == 0 {
		return
	}
	p, m := w.process("relay"), w.in[0]
	w.put(p, journal.Entry{Kind: journal.Handle, Queue: "in", Message: m.id, Attempt: 1, Names: []string{m.name}})
	if journal.Poison(m.name) {
		w.e.Queues[0].Dead = append(w.e.Queues[0].Dead, Dead{m.id, m.name, "permanent", 1})
		w.in = w.in[1:]
		return
	}
	if !well && w.pick(2) == 0 {
		w.crash("relay")
		return
	}
	w.put(p, journal.Entry{Kind: journal.Settle, Queue: "in", Message: m.id})
	if !well && w.pick(2) == 0 { // killed before the commit
		w.crash("relay")
		return
	}
	w.in = w.in[1:]
	w.out = append(w.out, message{w.id("out"), m.name})
	if !well { // or after it
		w.crash("relay")
	}
}

func (w *world) sink(well bool) {
	if len(w.out) == 0 {
		return
	}
	p, m := w.process("sink"), w.out[0]
	w.put(p, journal.Entry{Kind: journal.Handle, Queue: "out", Message: m.id, Attempt: 1, Names: []string{m.name}})
	if !well {
		w.crash("sink")
		return
	}
	w.out = w.out[1:]
}
