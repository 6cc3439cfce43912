package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/taskhost/taskhost/host/internal/task"
)

// batch is what goes into one transaction. Records are in it once, as they were saved last.
type batch struct {
	runs      map[string]*savedRun
	slots     map[string]*savedSlot
	tasks     map[string]bool // whose row may have changed
	published map[valueKey]bool
	prune     map[string]bool // tasks whose bounds have changed
	queues    bool            // bounds of queues have changed, or there is more of them to forget
	events    []task.Event
	told      int // events at the beginning that the feed has got already
	ops       []*op
	waiting   int                // how many of ops somebody waits for
	rows      map[string]taskRow // of tasks, as they were when the batch was taken: nothing later than its records
	values    map[valueKey]task.Published
	bytes     int64 // of ended runs, about
}

type valueKey struct{ task, key string }

// savedRun is a run on its way to the disk.
type savedRun struct {
	run   *task.Run
	ended bool
	seq   uint64
	fresh bool // seq is its place; else that of an ended record of the same run stays
}

// savedSlot is a slot record on its way; its place is that of an earlier record, or else seq.
type savedSlot struct {
	record *task.SlotRecord
	seq    uint64
}

// op is a write that somebody waits for.
type op struct {
	do      func(context.Context, *tx) error // refuses with *task.Error before it writes anything
	after   func()                           // once it is on the disk, under the store's lock
	taken   atomic.Bool                      // by the writer, or by the caller who gave up
	refused error                            // by do; told once what led to it is on the disk
	done    chan error                       // has room
	told    func(error)                      // in place of done: called back, see answers
	ids     []idKey                          // that do asks for
	small   bool                             // needs no room on the disk
	waits   bool                             // somebody waits for it: it is not held back to travel with others
}

// newBatch makes one with room for about so many events.
func newBatch(events int) *batch {
	return &batch{
		events: make([]task.Event, 0, events),
		runs:   map[string]*savedRun{}, slots: map[string]*savedSlot{}, tasks: map[string]bool{},
		published: map[valueKey]bool{}, prune: map[string]bool{},
	}
}

func (b *batch) empty() bool {
	return len(b.runs)+len(b.slots)+len(b.tasks)+len(b.published)+len(b.prune)+len(b.events)+len(b.ops) == 0 && !b.queues
}

func (b *batch) putRun(r *savedRun) {
	b.forget(r.run.ID)
	b.runs[r.run.ID] = r
	if r.ended {
		b.bytes += weight(r.run)
	}
}

func (b *batch) forget(id string) {
	if was := b.runs[id]; was != nil && was.ended {
		b.bytes -= weight(was.run)
	}
	delete(b.runs, id)
}

// putBefore adds what an earlier batch holds and this one does not say anew. Nobody waits for it any more.
func (b *batch) putBefore(earlier *batch) {
	for id, r := range earlier.runs {
		if now := b.runs[id]; now == nil {
			b.putRun(r)
		} else if now.ended && r.ended {
			now.seq, now.fresh = r.seq, r.fresh
		}
	}
	for id, s := range earlier.slots {
		if now := b.slots[id]; now == nil {
			b.slots[id] = s
		} else {
			now.seq = s.seq
		}
	}
	maps.Copy(b.tasks, earlier.tasks)
	maps.Copy(b.published, earlier.published)
	maps.Copy(b.prune, earlier.prune)
	b.queues = b.queues || earlier.queues
	b.told += len(earlier.events)
	b.events = append(slices.Clip(earlier.events), b.events...)
}

// gap counts what was given up while nothing could be written.
type gap struct{ runs, slots, events int }

func (g gap) any() bool { return g != gap{} }

// shed gives up the oldest records when there are more than most, and a tenth more, and the oldest events when there are a tenth more than most:
// it is not done for each.
func (b *batch) shed(most int, mostBytes int64, mostEvents int) (lost gap) {
	if len(b.runs)+len(b.slots) > most || b.bytes > mostBytes {
		type old struct {
			seq  uint64
			id   string
			slot bool
		}
		var all []old
		for id, r := range b.runs {
			if r.ended {
				all = append(all, old{r.seq, id, false})
			}
		}
		for id, s := range b.slots {
			all = append(all, old{s.seq, id, true})
		}
		slices.SortFunc(all, func(x, y old) int { return cmp.Compare(x.seq, y.seq) })
		for _, o := range all {
			if len(b.runs)+len(b.slots) <= most*9/10 && b.bytes <= mostBytes*9/10 {
				break
			}
			if o.slot {
				delete(b.slots, o.id)
				lost.slots++
			} else {
				b.forget(o.id)
				lost.runs++
			}
		}
	}
	if over := len(b.events) - mostEvents; over > mostEvents/10 {
		b.events = slices.Clone(b.events[over:])
		b.told = max(0, b.told-over)
		lost.events = over
	}
	return lost
}
