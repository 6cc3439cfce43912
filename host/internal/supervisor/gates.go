package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// ticket is a place in the gates of some groups.
type ticket struct {
	id     uint64
	task   string
	run    string
	groups []string
	since  time.Time
	pass   func() // of a delivery: called when it may pass; nil for a run, whose task is told
}

// gates decides which runs may pass the groups that they belong to. It is pure: the fleet
// owns it and tells it the time. A group is first in, first out; a run that belongs to
// several passes all of them at once, and nobody overtakes it in any of them meanwhile.
type gates struct {
	groups map[string]*gate
	queue  []ticket          // those who wait, oldest first
	inside map[uint64]ticket // those who passed and have not left
}

// gate is one group's.
type gate struct {
	spec   task.Group
	inside int
	tokens float64 // starts that the rate allows now
	filled time.Time
}

func newGates() *gates {
	return &gates{groups: map[string]*gate{}, inside: map[uint64]ticket{}}
}

// define takes over the groups of a configuration; who is inside stays inside.
func (g *gates) define(groups []task.Group, now time.Time) {
	old := g.groups
	g.groups = make(map[string]*gate, len(groups))
	for _, spec := range groups {
		n := &gate{spec: spec, tokens: burst(spec), filled: now}
		if o := old[spec.Name]; o != nil {
			n.inside, n.tokens = o.inside, min(o.tokens, n.tokens)
			n.filled = o.filled
		}
		g.groups[spec.Name] = n
	}
	for name, o := range old {
		if g.groups[name] == nil && o.inside > 0 {
			// No bound any more, but counted until they have left.
			g.groups[name] = &gate{spec: task.Group{Name: name}, inside: o.inside, filled: now}
		}
	}
}

func burst(s task.Group) float64 {
	if s.Burst > 0 {
		return float64(s.Burst)
	}
	return float64(s.Rate)
}

// join queues a ticket; one that is there already now stands for another run.
func (g *gates) join(t ticket) {
	for i := range g.queue {
		if g.queue[i].id == t.id {
			g.queue[i].run = t.run
			return
		}
	}
	if inside, ok := g.inside[t.id]; ok {
		inside.run = t.run
		g.inside[t.id] = inside
		return
	}
	g.queue = append(g.queue, t)
}

// leave gives back a place, in the queue or inside.
func (g *gates) leave(id uint64) {
	if t, ok := g.inside[id]; ok {
		delete(g.inside, id)
		for _, name := range t.groups {
			if gate := g.groups[name]; gate != nil {
				gate.inside--
			}
		}
		return
	}
	g.queue = slices.DeleteFunc(g.queue, func(t ticket) bool { return t.id == id })
}

// pass lets through all who may, oldest first, and returns them. next is when time alone
// lets another one through; zero is never.
func (g *gates) pass(now time.Time) (through []ticket, next time.Time) {
	blocked := map[string]bool{} // somebody older waits there
	waiting := g.queue[:0]
	for _, t := range g.queue {
		free := true
		for _, name := range t.groups {
			gate := g.groups[name]
			if blocked[name] {
				free = false
			}
			if gate == nil {
				continue
			}
			if gate.spec.Max > 0 && gate.inside >= gate.spec.Max {
				free = false
			}
			if at := gate.tokenAt(now); at.After(now) {
				free = false
				if next.IsZero() || at.Before(next) {
					next = at
				}
			}
		}
		if !free {
			for _, name := range t.groups {
				blocked[name] = true
			}
			waiting = append(waiting, t)
			continue
		}
		for _, name := range t.groups {
			if gate := g.groups[name]; gate != nil {
				gate.inside++
				if gate.spec.Rate > 0 {
					gate.tokens--
				}
			}
		}
		g.inside[t.id] = t
		through = append(through, t)
	}
	clear(g.queue[len(waiting):])
	g.queue = waiting
	return through, next
}

// tokenAt fills the bucket up to now and returns when it holds a whole token.
func (g *gate) tokenAt(now time.Time) time.Time {
	if g.spec.Rate <= 0 || g.spec.Per <= 0 {
		return now
	}
	perToken := float64(g.spec.Per) / float64(g.spec.Rate)
	if elapsed := now.Sub(g.filled); elapsed > 0 {
		g.tokens = min(burst(g.spec), g.tokens+float64(elapsed)/perToken)
	}
	g.filled = now // also when the clock was set back
	const rounding = 1e-6
	if g.tokens >= 1-rounding {
		return now
	}
	return now.Add(time.Duration((1-g.tokens)*perToken) + 1)
}

// GroupStatus says who holds a group and who waits for it.
type GroupStatus struct {
	Group   task.Group
	Holding []string // runs, oldest first
	Waiting []string // runs, next first
}

func (g *gates) status() []GroupStatus {
	names := make([]string, 0, len(g.groups))
	for name := range g.groups {
		names = append(names, name)
	}
	slices.Sort(names)
	holders := make([]ticket, 0, len(g.inside))
	for _, t := range g.inside {
		holders = append(holders, t)
	}
	slices.SortFunc(holders, func(a, b ticket) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id)) })
	out := make([]GroupStatus, 0, len(names))
	for _, name := range names {
		s := GroupStatus{Group: g.groups[name].spec}
		for _, t := range holders {
			if slices.Contains(t.groups, name) {
				s.Holding = append(s.Holding, t.run)
			}
		}
		for _, t := range g.queue {
			if slices.Contains(t.groups, name) {
				s.Waiting = append(s.Waiting, t.run)
			}
		}
		out = append(out, s)
	}
	return out
}
