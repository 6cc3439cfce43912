package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
	"pgregory.net/rapid"
)

// through lists who passes now.
func through(g *gates, now time.Time) []uint64 {
	ids := []uint64{}
	passed, _ := g.pass(now)
	for _, t := range passed {
		ids = append(ids, t.id)
	}
	return ids
}

func TestGatesAreFirstInFirstOut(t *testing.T) {
	t.Parallel()
	g := newGates()
	g.define([]task.Group{{Name: "a", Max: 1}, {Name: "b", Max: 1}}, epoch)
	g.join(ticket{id: 1, groups: []string{"a"}})
	g.join(ticket{id: 2, groups: []string{"a", "b"}})
	g.join(ticket{id: 3, groups: []string{"b"}})
	if diff := cmp.Diff([]uint64{1}, through(g, epoch)); diff != "" {
		t.Error("3 must not overtake 2 in b", diff)
	}
	g.leave(1)
	if diff := cmp.Diff([]uint64{2}, through(g, epoch)); diff != "" {
		t.Error(diff)
	}
	g.leave(2)
	if diff := cmp.Diff([]uint64{3}, through(g, epoch)); diff != "" {
		t.Error(diff)
	}
}

func TestAGateThatIsGoneOrFreshHoldsNobody(t *testing.T) {
	t.Parallel()
	g := newGates()
	g.define([]task.Group{{Name: "a", Max: 1}}, epoch)
	g.join(ticket{id: 1, groups: []string{"a"}})
	g.join(ticket{id: 2, groups: []string{"a"}})
	through(g, epoch)
	g.define(nil, epoch)
	if diff := cmp.Diff([]uint64{2}, through(g, epoch)); diff != "" {
		t.Error(diff)
	}
	g.define([]task.Group{{Name: "a", Max: 2}}, epoch)
	g.join(ticket{id: 3, groups: []string{"a"}})
	if diff := cmp.Diff([]uint64{}, through(g, epoch)); diff != "" {
		t.Error("those who were inside count on", diff)
	}
}

func TestRandomGatesKeepTheirBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		specs := []task.Group{
			{Name: "a", Max: rapid.IntRange(0, 3).Draw(t, "max a")},
			{Name: "b", Max: rapid.IntRange(0, 3).Draw(t, "max b"), Rate: rapid.IntRange(0, 5).Draw(t, "rate"), Per: time.Second, Burst: rapid.IntRange(0, 3).Draw(t, "burst")},
		}
		g := newGates()
		now := epoch
		g.define(specs, now)
		var id uint64
		inside := map[uint64][]string{}
		var starts []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				id++
				g.join(ticket{id: id, groups: rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "b"}}).Draw(t, "groups")})
			case 1:
				if id > 0 {
					gone := rapid.Uint64Range(1, id).Draw(t, "gone")
					g.leave(gone)
					delete(inside, gone)
				}
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
			}
			passed, next := g.pass(now)
			for _, p := range passed {
				inside[p.id] = p.groups
				for _, name := range p.groups {
					if name == "b" {
						starts = append(starts, now)
					}
				}
			}
			if !next.IsZero() && !next.After(now) {
				t.Fatalf("next %s is not ahead of %s", next, now)
			}
			for _, spec := range specs {
				n := 0
				for _, groups := range inside {
					for _, name := range groups {
						if name == spec.Name {
							n++
						}
					}
				}
				if n != g.groups[spec.Name].inside {
					t.Fatalf("%s counts %d, %d are inside", spec.Name, g.groups[spec.Name].inside, n)
				}
				if spec.Max > 0 && n > spec.Max {
					t.Fatalf("%d inside %s, %d allowed", n, spec.Name, spec.Max)
				}
			}
			if again, _ := g.pass(now); len(again) > 0 {
				t.Fatalf("%d more pass at once", len(again))
			}
		}
		if r := specs[1]; r.Rate > 0 {
			allowed := burst(r) + now.Sub(epoch).Seconds()*float64(r.Rate) + 1e-3
			if float64(len(starts)) > allowed {
				t.Fatalf("%d starts, %.2f allowed", len(starts), allowed)
			}
		}
	})
}
