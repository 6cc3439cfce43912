package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// relations checks what tasks say of each other and of groups: every name is
// there, and nothing waits for itself.
func (l *loader) relations(all tasks, groups map[string]task.Group) {
	for _, i := range all.instances {
		for _, g := range i.groups {
			if _, known := groups[g.text]; !known && !l.declares("group", g.text) {
				i.find.errorf(g.at(), nearHint(g.text, sortedKeys(groups)), "there is no group %q", clip(g.text))
			}
		}
		for _, r := range i.needs {
			if all.named[r.name] == nil && all.blocks[r.name] == nil {
				i.find.errorf(r.at, nearHint(r.name, sortedKeys(all.named)), "%s: there is no task %q", r.attr, clip(r.name))
			}
			if r.attr == "depends_on" && i.def.Enabled {
				warnDisabled(i, r, all.named[r.name])
			}
		}
	}
	for _, attr := range []string{"depends_on", "after_run"} {
		l.circles(all, attr)
	}
}

// warnDisabled speaks up when a task would wait for one that does not start by itself.
func warnDisabled(i *instance, r reference, others []*instance) {
	for _, other := range others {
		if !other.def.Enabled {
			i.find.warnf(r.at, fmt.Sprintf("enabled = false stands in the task at %s", place(other.node.rng)),
				"task %q will wait until somebody starts %q", i.def.Name, other.def.Name)
			return
		}
	}
}

// declares reports whether there is a top-level block of this kind and label, good or bad.
func (l *loader) declares(kind, label string) bool {
	return slices.ContainsFunc(l.root.blocks[kind], func(n *node) bool { return n.label == label })
}

// circles reports tasks that wait for each other, as a path. A block with several
// instances is a step of its own between those who name it and its instances.
func (l *loader) circles(all tasks, attr string) {
	uses := map[string][]string{}
	references := map[string]map[string]reference{}
	owners := map[string]*instance{}
	for _, i := range all.instances {
		name := i.def.Name
		owners[name] = i
		references[name] = map[string]reference{}
		if i.def.Block != name {
			uses[i.def.Block] = append(uses[i.def.Block], name)
		}
		for _, r := range i.needs {
			if r.attr == attr && all.named[r.name] != nil {
				uses[name] = append(uses[name], r.name)
				references[name][r.name] = r
			}
		}
	}
	_, cycles := resolveOrder(sortedKeys(owners), func(name string) []string { return uses[name] })
	for _, path := range cycles {
		if owners[path[0]] == nil { // a block: begin with its instance, which names the next
			path = append(path[1:], path[1])
		}
		hint := "remove one of them"
		if attr == "after_run" {
			hint = "such a chain would never end; remove one of them"
		}
		owners[path[0]].find.errorf(references[path[0]][path[1]].at, hint, "%s goes in a circle: %s", attr, strings.Join(shorten(path), " → "))
	}
}

// shorten leaves out the middle of a long path.
func shorten(path []string) []string {
	const most = 12
	if len(path) <= most {
		return path
	}
	short := append(path[:most/2:most/2], fmt.Sprintf("… (%d more)", len(path)-most))
	return append(short, path[len(path)-most/2:]...)
}

// shutdown settles how long a graceful stop of the host may take, and finds the
// ladders that do not fit into it.
func (l *loader) shutdown(host section, all tasks) {
	if l.host.ShutdownTimeout == 0 {
		for _, i := range all.instances {
			l.host.ShutdownTimeout = max(l.host.ShutdownTimeout, i.def.Stop.Total())
		}
		if len(all.instances) == 0 {
			l.host.ShutdownTimeout = task.Ladder{Drain: defaultDrain, Cancel: defaultCancel}.Total()
		}
		return
	}
	at, _ := host.written("shutdown_timeout")
	for _, i := range all.instances {
		if stages := i.def.Stop.Drain + i.def.Stop.Cancel; stages > l.host.ShutdownTimeout {
			i.find.errorf(i.ladder, fmt.Sprintf("shorten the stages, or raise or remove shutdown_timeout at %s", place(at)),
				"the ladder of task %q takes up to %s (drain %s, cancel %s), longer than the host's shutdown_timeout of %s", i.node.label,
				schema.FormatDuration(stages), schema.FormatDuration(i.def.Stop.Drain), schema.FormatDuration(i.def.Stop.Cancel), schema.FormatDuration(l.host.ShutdownTimeout))
		}
	}
}
