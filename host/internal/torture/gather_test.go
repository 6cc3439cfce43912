package torture

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/torture/check"
	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// forgets is how much of what nobody waited for a host that is killed may forget: it is a few milliseconds where the
// disk is idle, and more where three hosts and their plugins wait for it.
const forgets = time.Second

// gather asks a host that is at rest for all that it knows, and reads the journals.
func (l *lab) gather() check.Evidence {
	l.t.Helper()
	e := check.Evidence{Posts: l.traffic.posts(), Ends: l.ends, Forgets: forgets, Cursors: map[string]int64{}}
	for _, t := range tasks {
		e.Tasks = append(e.Tasks, t.Task)
		if t.Every > 0 {
			e.Skips = append(e.Skips, l.skips(t.Name)...)
			e.Runs = append(e.Runs, l.runs(t.Name)...)
		}
	}
	for _, name := range []string{"in", "out"} {
		e.Queues = append(e.Queues, l.queue(name))
	}
	c, err := l.h.Checkpoint(l.t.Context(), "produce")
	if err != nil {
		l.t.Fatal(err)
	}
	var cursor int64
	if err := json.Unmarshal(c.Values["cursor"].Value, &cursor); err != nil {
		l.t.Fatalf("the cursor of produce is %s: %v", c.Values["cursor"].Value, err)
	}
	e.Cursors["produce"] = cursor
	if e.Processes, err = journal.Read(filepath.Join(l.h.Dir, "journals")); err != nil {
		l.t.Fatal(err)
	}
	return e
}

// all reads a list page by page.
func all[T any](l *lab, page func(cursor string) (admin.List[T], error)) (items []T) {
	l.t.Helper()
	for cursor := ""; ; {
		p, err := page(cursor)
		if err != nil {
			l.t.Fatal(err)
		}
		items = append(items, p.Items...)
		if cursor = p.Next(); cursor == "" {
			return items
		}
	}
}

func (l *lab) runs(task string) (runs []check.Run) {
	l.t.Helper()
	for _, r := range all(l, func(cursor string) (admin.List[admin.Run], error) {
		return l.h.Runs(l.t.Context(), admin.RunQuery{Tasks: []string{task}, Limit: 500, Cursor: cursor})
	}) {
		c := check.Run{ID: r.ID, Task: r.Task, Ended: !r.Live()}
		if !r.Slot.IsZero() {
			c.Slot = r.Slot.UnixNano()
		}
		runs = append(runs, c)
	}
	return runs
}

func (l *lab) skips(task string) (skips []check.Skip) {
	l.t.Helper()
	for _, s := range all(l, func(cursor string) (admin.List[admin.SlotRecord], error) {
		return l.h.Slots(l.t.Context(), task, 500, cursor)
	}) {
		skips = append(skips, check.Skip{Task: s.Task, Reason: s.Reason, First: s.First.UnixNano(), Last: s.Last.UnixNano(), Count: s.Count})
	}
	return skips
}

func (l *lab) queue(name string) check.Queue {
	l.t.Helper()
	q, err := l.h.Queue(l.t.Context(), name)
	if err != nil {
		l.t.Fatal(err)
	}
	c := check.Queue{Name: name, MaxDeliveries: maxDeliveries, Left: q.Depth}
	for _, d := range all(l, func(cursor string) (admin.List[admin.DeadLetter], error) {
		return l.h.DeadLetters(l.t.Context(), name, 500, cursor)
	}) {
		var v journal.Value
		if err := json.Unmarshal(d.Value, &v); err != nil || v.Altered() {
			l.t.Errorf("dead letter %s of queue %s holds %s, %v", d.ID, name, d.Value, err)
		}
		c.Dead = append(c.Dead, check.Dead{ID: d.ID, Name: v.Name, Reason: d.Reason, Attempts: d.Attempts})
	}
	return c
}
