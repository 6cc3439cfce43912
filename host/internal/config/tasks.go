package config

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// instance is one task with the places that later checks speak of.
type instance struct {
	def     task.Definition
	node    *node
	ctx     *hcl.EvalContext
	find    findings
	plugin  setting // of the plugin attribute
	typ     setting // of the type attribute; without one, its expression is nil
	ladder  hcl.Range
	groups  []item
	needs   []reference // depends_on and after_run
	consume *consuming  // nil: there is no consume block
	outputs []wiring
	serves  *wire.Type // nil: not known
	probe   bool       // stands for instances that are not known: it is checked and then dropped
}

// section opens an inner block that stands in the task and nowhere else.
func (i *instance) section(n *node) section {
	return section{shape: n.shape, layers: []layer{{n, i.ctx, true}}, find: i.find, rng: n.rng}
}

// reference is another task that a task names.
type reference struct {
	attr string // depends_on or after_run
	name string
	at   hcl.Range
}

// tasks are all instances of all task blocks.
type tasks struct {
	decoded   []*instance            // in the order of their blocks, probes too
	instances []*instance            // in the order of their names, probes left out
	named     map[string][]*instance // by name, and by block
	blocks    map[string]*node       // every block, also one without instances
}

// readTasks expands and decodes the task blocks, then opens their plugins and
// decodes their configs.
func (l *loader) readTasks(nodes []*node, host section) tasks {
	all := tasks{named: map[string][]*instance{}, blocks: map[string]*node{}}
	fallback := l.defaultLayers()
	var list []*instance
	for _, n := range nodes {
		good := l.named(n, "task", all.blocks)
		elements := l.expand(n)
		if len(list)+len(elements) > maxTasks {
			l.find.errorf(n.rng, "spread them over several hosts", "there are more than %d tasks", maxTasks)
			break
		}
		for _, e := range elements {
			i := l.decode(n, e, fallback, host)
			i.probe = i.probe || !good
			list = append(list, i)
		}
	}
	l.attachPlugins(list)
	checkShared(list)
	all.decoded = list
	for _, i := range list {
		if i.probe {
			continue
		}
		all.instances = append(all.instances, i)
		all.named[i.def.Name] = append(all.named[i.def.Name], i)
		if i.def.Block != i.def.Name {
			all.named[i.def.Block] = append(all.named[i.def.Block], i)
		}
	}
	slices.SortFunc(all.instances, func(a, b *instance) int { return cmp.Compare(a.def.Name, b.def.Name) })
	return all
}

// defaultLayers is the defaults block as a layer behind each task's own. Its
// expressions are evaluated once here, so that errors show without any task.
func (l *loader) defaultLayers() []layer {
	blocks := l.root.blocks["defaults"]
	if len(blocks) == 0 {
		return nil
	}
	n := blocks[0]
	ctx := l.scope.of(n.rng.Filename)
	var check func(*node)
	check = func(n *node) {
		for _, name := range sortedKeys(n.attrs) {
			evaluate(n.attrs[name].Expr, ctx, l.find)
		}
		for _, inner := range values(n.blocks) {
			for _, block := range inner {
				check(block)
			}
		}
	}
	check(n)
	return []layer{{n, ctx, false}}
}
