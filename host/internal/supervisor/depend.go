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
	defs  map[string]*task.Definition
	facts map[string]facts
}

// instances returns the tasks that a name stands for: the task of that name, or all of the block.
func (d *dependencies) instances(name string) []string {
	if _, ok := d.defs[name]; ok {
		return []string{name}
	}
	var names []string
	for task, def := range d.defs {
		if def.Block == name {
			names = append(names, task)
		}
	}
	slices.Sort(names)
	return names
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

// dependants returns the tasks that depend on the named one.
func (d *dependencies) dependants(name string) []string {
	block, _, _ := strings.Cut(name, ".")
	if def := d.defs[name]; def != nil {
		block = def.Block
	}
	var names []string
	for other, def := range d.defs {
		if other == name {
			continue
		}
		for _, dep := range def.DependsOn {
			if dep.Task == name || dep.Task == block {
				names = append(names, other)
				break
			}
		}
	}
	slices.Sort(names)
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
