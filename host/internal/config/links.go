package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

func (i *instance) joinGroups(s section) {
	groups, ok := s.texts("groups")
	if !ok || len(groups) == 0 {
		return
	}
	if at, written := s.written("groups"); i.def.Mode == task.Continuous && i.consume == nil {
		if written {
			i.find.errorf(at, "a group counts runs that end, and messages of a task with consume", "task %q is continuous and cannot be in a group", i.node.label)
		}
		return
	}
	i.groups = groups
	for _, g := range groups {
		if slices.Contains(i.def.Groups, g.text) {
			i.find.errorf(g.at(), "", "groups: %q stands twice", clip(g.text))
			continue
		}
		i.def.Groups = append(i.def.Groups, g.text)
	}
}

func (i *instance) dependsOn(s section) {
	conditions, v, ok := s.textMap("depends_on", false)
	if !ok {
		return
	}
	for _, name := range sortedKeys(conditions) {
		at := entry(v, name)
		condition := word(s, fmt.Sprintf("depends_on %q", clip(name)), conditions[name], at, task.Started, task.Started, task.Ready, task.Completed, task.Succeeded)
		i.def.DependsOn = append(i.def.DependsOn, task.Dependency{Task: name, Condition: condition})
		if _, written := s.written("depends_on"); written || name != i.def.Block {
			i.needs = append(i.needs, reference{"depends_on", name, at})
		}
	}
	if _, written := s.written("depends_on"); !written {
		// One default for all may name a task that has it too.
		i.def.DependsOn = slices.DeleteFunc(i.def.DependsOn, func(d task.Dependency) bool { return d.Task == i.def.Block })
	}
}

func (i *instance) afterRun(s section) {
	seen := map[string]bool{}
	for _, n := range i.node.blocks["after_run"] {
		if n.labelRng.Filename == "" {
			continue
		}
		if seen[n.label] {
			i.find.errorf(n.rng, "list all outcomes in one", "a second after_run %q", clip(n.label))
			continue
		}
		seen[n.label] = true
		inner := i.section(n)
		after := task.AfterRun{Task: n.label}
		outcomes, given := inner.texts("outcome")
		for _, o := range outcomes {
			outcome := word(inner, "outcome", o.text, o.at(), "", task.OutcomeSucceeded, task.OutcomeFailed, task.OutcomeTimedOut,
				task.OutcomeCancelled, task.OutcomeInterrupted, task.OutcomeLost, task.OutcomeSkipped)
			if outcome != "" && !slices.Contains(after.Outcomes, outcome) {
				after.Outcomes = append(after.Outcomes, outcome)
			}
		}
		if given && len(outcomes) == 0 {
			at, _ := inner.written("outcome")
			i.find.errorf(at, "leave it out for succeeded", "outcome: without one no run would follow")
		}
		if len(after.Outcomes) == 0 {
			after.Outcomes = []task.Outcome{task.OutcomeSucceeded}
		}
		slices.Sort(after.Outcomes)
		i.def.AfterRun = append(i.def.AfterRun, after)
		i.needs = append(i.needs, reference{"after_run", n.label, n.labelRng})
	}
	if i.def.Mode == task.Continuous && len(i.def.AfterRun) > 0 {
		i.find.errorf(i.node.blocks["after_run"][0].rng, "make it on_demand", "task %q is continuous and cannot run after another", i.node.label)
	}
	slices.SortFunc(i.def.AfterRun, func(a, b task.AfterRun) int { return cmp.Compare(a.Task, b.Task) })
}
