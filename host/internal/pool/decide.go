package pool

import (
	"regexp"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// apartTime is how long a task sits apart from others, counted from the last process that it
// brought down or may have brought down.
const apartTime = 10 * time.Minute

// ending is what is known about the end of a shared process.
type ending struct {
	exit    task.ExitCause
	culprit string   // the task that the host killed it for
	working []string // the tasks whose author code was at work
	seated  []string // all tasks
}

// ordered reports whether the host ended the process as a whole, and not for one task.
func (e ending) ordered() bool { return e.exit.ByHost && e.culprit == "" }

// blame tells whose fault the end was; "" is not known, or nobody's.
func (e ending) blame() string {
	switch name := crashedIn(e.exit.Panic); {
	case e.exit.ByHost:
		return e.culprit
	case slices.Contains(e.seated, name):
		return name
	case len(e.working) == 1:
		return e.working[0]
	}
	return ""
}

// exitOf is the end as one of the tasks sees it. To who is innocent, what the process said at its
// end is another's business.
func (e ending) exitOf(name string) task.ExitCause {
	exit, neighbour := e.exit, e.blame()
	if neighbour == "" && !e.ordered() && len(e.working) > 0 && !slices.Contains(e.working, name) {
		neighbour = task.AnyNeighbour
	}
	if neighbour == "" || neighbour == name {
		return exit
	}
	exit.Neighbour, exit.Panic, exit.Stderr, exit.OOM = neighbour, "", nil, false
	return exit
}

// crashLabel finds the labels of the goroutine that brought a Go program down: it is printed first.
var crashLabel = regexp.MustCompile(`(?m)^goroutine \d+ .*"` + regexp.QuoteMeta(wire.TaskLabel) + `": "([^"]*)"`)

var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ .*$`)

// crashedIn is the task whose author code the text of a crash names; "" is none.
func crashedIn(text string) string {
	if m := crashLabel.FindStringSubmatch(goroutine.FindString(text)); m != nil {
		return m[1]
	}
	return ""
}

// cell bounds with whom a task may sit: with those of the same cell, in processes for max tasks.
// The zero cell is that of all tasks about which nothing is known.
type cell struct {
	id    int
	max   int
	until time.Time
}

// cells knows the tasks that sit apart.
type cells struct {
	last int
	of   map[string]cell
}

// find returns the cell of a task, and forgets it when its time is over.
func (c *cells) find(name string, now time.Time) cell {
	in, ok := c.of[name]
	if ok && now.After(in.until) {
		delete(c.of, name)
		return cell{}
	}
	return in
}

// separate draws the conclusion from the end of a process: who is to blame sits alone from now on
// and clears those who were suspected with it; of several who may be, each sits with half as many.
func (c *cells) separate(e ending, now time.Time) {
	if e.ordered() {
		return
	}
	guilty, max := e.working, (len(e.working)+1)/2
	if name := e.blame(); name != "" {
		guilty, max = []string{name}, 1
		c.clear(c.of[name].id)
	}
	if len(guilty) == 0 {
		return
	}
	if c.of == nil {
		c.of = map[string]cell{}
	}
	c.last++
	for _, name := range guilty {
		c.of[name] = cell{id: c.last, max: max, until: now.Add(apartTime)}
	}
}

func (c *cells) clear(id int) {
	for name, in := range c.of {
		if in.id == id {
			delete(c.of, name)
		}
	}
}
