package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taskhost/taskhost/host/internal/task"
)

// What blocks may expand to: one, and all together.
const (
	maxInstances = 10_000
	maxTasks     = 20_000
)

// instance is one task with the places that later checks speak of.
type instance struct {
	def    task.Definition
	node   *node
	ctx    *hcl.EvalContext
	find   findings
	plugin setting // of the plugin attribute
	typ    setting // of the type attribute; without one, its expression is nil
	ladder hcl.Range
	groups []item
	needs  []reference // depends_on and after_run
	probe  bool        // stands for instances that are not known: it is checked and then dropped
}

// reference is another task that a task names.
type reference struct {
	attr string // depends_on or after_run
	name string
	at   hcl.Range
}

// tasks are all instances of all task blocks.
type tasks struct {
	instances []*instance            // in the order of their names, probes left out
	named     map[string][]*instance // by name, and by block
	blocks    map[string]*node       // every block, also one without instances
}

// element is what one instance is made from.
type element struct {
	key        string    // "" for a block without for_each and instances
	each       cty.Value // the key for expressions
	value      cty.Value
	multiple   bool
	unknownKey bool
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

// expand finds the instances of a task block. When they cannot be known, it gives
// one with unknown key and value, so that the block is checked all the same.
func (l *loader) expand(n *node) []element {
	find := l.find.of(n.label)
	s := l.section(n)
	s.find = find
	single := element{each: cty.NilVal}
	probe := element{each: cty.UnknownVal(cty.String), value: cty.DynamicVal, multiple: true, unknownKey: true}
	forEach, many := n.attrs["for_each"], n.attrs["instances"]
	switch {
	case forEach != nil && many != nil:
		find.errorf(many.Range, "keep one", "task %q has both for_each and instances", n.label)
		return []element{probe}
	case forEach != nil:
		elements, ok := forEachElements(n, forEach, l.scope.of(n.rng.Filename), find)
		if !ok {
			return []element{probe}
		}
		return elements
	case many != nil:
		v, given := s.get("instances")
		if !given {
			return []element{probe}
		}
		if v.IsMarked() || !v.IsKnown() {
			s.convertTo("instances", v, cty.Number)
			return []element{probe}
		}
		count := s.integer("instances", -1, 0, maxInstances)
		if count < 0 {
			return []element{probe}
		}
		var elements []element
		for i := range count {
			key := strconv.Itoa(i + 1)
			elements = append(elements, element{key: key, each: cty.StringVal(key), value: cty.NumberIntVal(int64(i + 1)), multiple: true})
		}
		return elements
	}
	return []element{single}
}

// forEachElements reads a map, an object or a set of strings.
func forEachElements(n *node, attr *hcl.Attribute, ctx *hcl.EvalContext, find findings) ([]element, bool) {
	at := attr.Expr.Range()
	v, ok := evaluate(attr.Expr, ctx, find)
	if !ok {
		return nil, false
	}
	if v.IsMarked() {
		find.errorf(at, "loop over the names, and look the secrets up in config", "for_each of task %q is sensitive: its keys would be shown as names of tasks", n.label)
		return nil, false
	}
	if !v.IsKnown() {
		return nil, false
	}
	typ := v.Type()
	switch {
	case v.IsNull():
		find.errorf(at, "write {} for no instance", "for_each of task %q is null", n.label)
		return nil, false
	case typ.IsSetType():
		// An empty set may have elements of any type.
		if typ.ElementType() != cty.String && v.LengthInt() > 0 {
			find.errorf(at, "write toset([…]) of strings, or a map", "for_each of task %q is %s", n.label, typ.FriendlyName())
			return nil, false
		}
	case typ.IsMapType() || typ.IsObjectType():
	case typ.IsListType() || typ.IsTupleType():
		find.errorf(at, "write toset([…]), or a map", "for_each of task %q is a list, whose instances would change their names with their places", n.label)
		return nil, false
	default:
		find.errorf(at, "write a map or a set of strings", "for_each of task %q is %s", n.label, typ.FriendlyName())
		return nil, false
	}
	if v.LengthInt() > maxInstances {
		find.errorf(at, "", "for_each of task %q has %d elements; at most %d are supported", n.label, v.LengthInt(), maxInstances)
		return nil, false
	}

	var elements []element
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if typ.IsSetType() {
			if !value.IsKnown() {
				return nil, false
			}
			if value.IsMarked() || value.IsNull() {
				find.errorf(at, "", "for_each of task %q has an element that cannot be a key", n.label)
				continue
			}
			key = value
		}
		text := key.AsString()
		if !task.ValidKey(text) {
			find.errorf(at, "a key has at most 127 characters: letters, digits and _ . -, beginning with a letter or digit", "for_each of task %q: bad key %q", n.label, clip(text))
			continue
		}
		elements = append(elements, element{key: text, each: cty.StringVal(text), value: value, multiple: true})
	}
	return elements, true
}

// decode reads one instance, all but its plugin's config.
func (l *loader) decode(n *node, e element, fallback []layer, host section) *instance {
	i := &instance{node: n, probe: e.unknownKey}
	d := &i.def
	d.Name, d.Block, d.Key = n.label, n.label, e.key
	i.ctx = l.scope.of(n.rng.Filename)
	if e.multiple {
		i.ctx = l.scope.each(n.rng.Filename, e.each, e.value)
		if !e.unknownKey {
			d.Name = n.label + "." + e.key
		}
	}
	i.find = l.find.of(d.Name)
	d.Source = place(n.rng)
	d.Dir = absoluteDir(n.rng.Filename)
	s := section{
		shape:  taskShape,
		layers: append([]layer{{n, i.ctx, true}}, fallback...),
		find:   i.find,
		rng:    n.rng,
	}

	d.Description, _, _ = s.text("description")
	d.Enabled = s.boolean("enabled", true)
	d.Labels = s.labels()
	d.User = s.user()
	d.Env, d.EnvKeys = s.env()
	d.Plugin, i.plugin, _ = s.text("plugin")
	if !s.any("plugin") {
		i.find.errorf(n.rng, `add plugin = "…"`, "task %q names no plugin", n.label)
	}
	d.Type, i.typ, _ = s.text("type")

	d.Mode = i.mode(n)
	d.Process = oneOf(s, "process", task.ProcessAuto, task.ProcessAuto, task.ProcessTask, task.ProcessRun)
	d.Idle = s.duration("idle", defaultIdle, 0)
	d.StartTimeout = s.duration("start_timeout", defaultStartTimeout, minStartTimeout)
	d.Timeout = s.duration("timeout", 0, 1)
	d.MaxTimeout = s.duration("max_timeout", 0, 1)
	if at, written := s.written("max_timeout"); written && d.Timeout == 0 && !s.any("timeout") {
		i.find.errorf(at, "give timeout too", "max_timeout has a meaning only with timeout")
	} else if written && d.MaxTimeout > 0 && d.MaxTimeout < d.Timeout {
		i.find.errorf(at, "", "max_timeout is shorter than timeout")
	}
	d.OnInterrupt = oneOf(s, "on_interrupt", task.InterruptAuto, task.InterruptResume, task.InterruptDrop)

	stop, _ := s.block("stop")
	d.Stop = task.Ladder{Drain: stop.duration("drain", defaultDrain, 0), Cancel: stop.duration("cancel", defaultCancel, 0)}
	i.ladder = n.rng
	if len(stop.layers) > 0 {
		i.ladder = stop.layers[0].node.rng
	}
	keep, _ := s.block("keep")
	hostKeep, _ := host.block("keep")
	keep.layers = append(keep.layers, hostKeep.layers...)
	d.Keep = keep.keep()

	i.schedule(s, l)
	d.Retry = s.retry(d.Mode)
	i.joinGroups(s)
	i.dependsOn(s)
	i.afterRun(s)
	return i
}

// mode finds the one mode block of a task.
func (i *instance) mode(n *node) task.Mode {
	var modes []task.Mode
	var second hcl.Range
	for _, m := range []task.Mode{task.Periodic, task.Continuous, task.OnDemand} {
		if blocks := n.blocks[string(m)]; len(blocks) > 0 {
			modes = append(modes, m)
			if at := blocks[0].rng; second.Filename == "" || at.Start.Byte > second.Start.Byte {
				second = at
			}
		}
	}
	switch {
	case len(modes) == 1:
		return modes[0]
	case len(modes) == 2:
		i.find.errorf(second, "", "task %q declares both %s and %s; keep one", n.label, modes[0], modes[1])
		return ""
	case len(modes) == 3:
		i.find.errorf(second, "", "task %q declares periodic, continuous and on_demand; keep one", n.label)
		return ""
	case len(n.blocks["after_run"]) > 0:
		return task.OnDemand
	}
	i.find.errorf(n.rng, "add one of periodic {}, continuous {} and on_demand {}", "task %q does not say when it runs", n.label)
	return ""
}

func (s section) labels() map[string]string {
	labels, v, ok := s.textMap("labels", false)
	if !ok {
		return nil
	}
	for _, key := range sortedKeys(labels) {
		if !task.ValidKey(key) || len(labels[key]) > 255 {
			s.find.errorf(entry(v, key), "a label's name is as a key: letters, digits and _ . -; its value has at most 255 bytes", "labels: bad label %q", clip(key))
		}
	}
	return labels
}

func (s section) user() string {
	name, v, ok := s.text("user")
	if ok && (!task.ValidKey(name) && !validUser(name)) {
		s.find.errorf(v.at(), "", "user: %q cannot be the name of an account", clip(name))
	}
	return name
}

func validUser(name string) bool { return len(name) > 1 && name[0] == '_' && task.ValidKey(name[1:]) }

func (s section) env() (map[string]string, []string) {
	env, v, ok := s.textMap("env", true)
	if !ok {
		return nil, nil
	}
	return checkEnv(env, v, s.find), sortedKeys(env)
}

// checkEnv reports names and values that an environment cannot hold.
func checkEnv(env map[string]string, v setting, find findings) map[string]string {
	for _, name := range sortedKeys(env) {
		if !envName.MatchString(name) {
			find.errorf(entry(v, name), "", "env: bad name %q of an environment variable", clip(name))
		}
		if slices.Contains([]byte(env[name]), 0) {
			find.errorf(entry(v, name), "", "env: the value of %s holds a NUL byte", name)
		}
	}
	return env
}

func (i *instance) joinGroups(s section) {
	groups, ok := s.texts("groups")
	if !ok || len(groups) == 0 {
		return
	}
	if at, written := s.written("groups"); i.def.Mode == task.Continuous {
		if written {
			i.find.errorf(at, "a group counts runs that end", "task %q is continuous and cannot be in a group", i.node.label)
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
		inner := section{shape: n.shape, layers: []layer{{n, i.ctx, true}}, find: i.find, rng: n.rng}
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
