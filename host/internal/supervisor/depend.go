package supervisor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// dependencies answers what depends on what. It is pure; the fleet owns it.
type dependencies struct {
	defs   map[string]*task.Definition
	facts  map[string]facts
	blocks map[string][]string // the tasks of a block, sorted
	on     map[string][]string // the tasks that name a task or a block as what they depend on, sorted
}

// declare makes these the tasks that there are.
func (d *dependencies) declare(defs map[string]*task.Definition) {
	d.defs, d.blocks, d.on = defs, map[string][]string{}, map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		def := defs[name]
		if def.Block != "" {
			d.blocks[def.Block] = append(d.blocks[def.Block], name)
		}
		for _, dep := range def.DependsOn {
			if others := d.on[dep.Task]; len(others) == 0 || others[len(others)-1] != name {
				d.on[dep.Task] = append(others, name)
			}
		}
	}
}

// instances returns the tasks that a name stands for: the task of that name, or all of the block.
func (d *dependencies) instances(name string) []string {
	if _, ok := d.defs[name]; ok {
		return []string{name}
	}
	return d.blocks[name]
}

// unmet returns what the task still waits for, as "redis is ready", sorted by its declaration.
func (d *dependencies) unmet(def *task.Definition) []string {
	var unmet []string
	for _, dep := range def.DependsOn {
		on := d.instances(dep.Task)
		if len(on) == 0 {
			unmet = append(unmet, dep.Task+" ("+string(dep.Condition)+")")
		}
		for _, name := range on {
			if name != def.Name && !d.facts[name].met(dep.Condition) {
				unmet = append(unmet, name+" ("+string(dep.Condition)+")")
			}
		}
	}
	return unmet
}

// dependants returns the tasks that depend on the named one, or on its block.
func (d *dependencies) dependants(name string) []string {
	block, _, _ := strings.Cut(name, ".")
	if def := d.defs[name]; def != nil {
		block = def.Block
	}
	names := d.on[name]
	if block != "" && block != name && len(d.on[block]) > 0 {
		names = slices.Concat(names, d.on[block])
		slices.Sort(names)
		names = slices.Compact(names)
	}
	if slices.Contains(names, name) {
		names = slices.DeleteFunc(slices.Clone(names), func(other string) bool { return other == name })
	}
	return names
}

// follower is a task that after_run starts, and after which outcomes.
type follower struct {
	task     string
	outcomes []task.Outcome
}

// followers finds who follows a task or a block, by its name.
func followers(defs map[string]*task.Definition) map[string][]follower {
	index := map[string][]follower{}
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		for _, after := range defs[name].AfterRun {
			index[after.Task] = append(index[after.Task], follower{task: name, outcomes: after.Outcomes})
		}
	}
	return index
}

// longestStop sums the ladders along the longest chain of dependants: the time that a
// shutdown in reverse order may take.
func (d *dependencies) longestStop() time.Duration {
	var longest time.Duration
	sums := map[string]time.Duration{}
	var sum func(name string, seen int) time.Duration
	sum = func(name string, seen int) time.Duration {
		if s, ok := sums[name]; ok || seen > len(d.defs) {
			return s
		}
		var above time.Duration
		for _, other := range d.dependants(name) {
			above = max(above, sum(other, seen+1))
		}
		sums[name] = above + d.defs[name].Stop.Total()
		return sums[name]
	}
	for name := range d.defs {
		longest = max(longest, sum(name, 0))
	}
	return longest
}
