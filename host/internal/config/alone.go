package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Alone takes the tasks of one plugin out of a configuration: for a binary that is being worked on, on a host of its
// own. What speaks of the machine, of other tasks or to other people is left out. What holds of the rest is where it stands
// in the files, so that a problem is shown there.
type Alone struct {
	Plugin    string // as the tasks name it
	Task      string // the block's name; "" is every task of the plugin
	PluginDir string // in which the binary lies, by the plugin's name
	DataDir   string
	Debug     bool // their processes are for a debugger: see task.Definition.ForDebugger
}

// keptOfHost is what of the host block bears on how a task runs.
var keptOfHost = []string{"time_zone", "shutdown_timeout", "max_frame", "log", "keep"}

// setApart leaves of the blocks what Options.Alone is about. It stands before anything is evaluated but variables and locals.
func (l *loader) setApart() {
	if l.opts.Alone == nil {
		return
	}
	l.opts.Unlocked = true
	blocks := l.root.blocks
	for _, kind := range []string{"notify", "alert", "heartbeat", "moved"} {
		delete(blocks, kind)
	}
	for _, n := range blocks["host"] {
		n.leaveOut(func(name string) bool {
			return !slices.Contains(keptOfHost, name) || l.opts.Alone.Debug && name == "shutdown_timeout"
		})
	}
	blocks["plugin"] = slices.DeleteFunc(blocks["plugin"], func(n *node) bool { return n.label != l.opts.Alone.Plugin })
	for _, n := range blocks["plugin"] {
		n.leaveOut(func(name string) bool { return name == "path" || name == "sha256" })
	}
	others := map[string]bool{}
	blocks["task"] = slices.DeleteFunc(blocks["task"], func(n *node) bool {
		plugin := l.pluginOf(n)
		others[plugin] = true
		return plugin != l.opts.Alone.Plugin || l.opts.Alone.Task != "" && n.label != l.opts.Alone.Task
	})
	l.noneAlone(others)
	for _, n := range slices.Concat(blocks["task"], blocks["defaults"]) {
		n.leaveOut(func(name string) bool {
			return slices.Contains([]string{"user", "group", "enabled", "depends_on"}, name)
		})
	}
	for _, n := range blocks["task"] {
		l.afterNobody(n)
	}
}

// leaveOut removes attributes and blocks.
func (n *node) leaveOut(gone func(name string) bool) {
	n.attrs = maps.Clone(n.attrs)
	maps.DeleteFunc(n.attrs, func(name string, _ *hcl.Attribute) bool { return gone(name) })
	maps.DeleteFunc(n.blocks, func(name string, _ []*node) bool { return gone(name) })
}

// pluginOf is the plugin that a task block names; "" when that is not the same for all of its instances.
func (l *loader) pluginOf(n *node) string {
	for _, n := range append([]*node{n}, l.root.blocks["defaults"]...) {
		attr := n.attrs["plugin"]
		if attr == nil {
			continue
		}
		v, ok := evaluate(attr.Expr, l.scope.of(n.rng.Filename), findings{list: &hcl.Diagnostics{}})
		if v, _ = v.Unmark(); ok && v.IsNull() {
			continue
		}
		if !ok || !v.IsKnown() || v.Type() != cty.String {
			return ""
		}
		return v.AsString()
	}
	return ""
}

// noneAlone says that no task is left, and which there could have been.
func (l *loader) noneAlone(plugins map[string]bool) {
	a := l.opts.Alone
	if len(l.root.blocks["task"]) > 0 || l.find.failed() {
		return
	}
	delete(plugins, "")
	switch {
	case plugins[a.Plugin]:
		l.find.errorf(hcl.Range{}, "leave -task out for all tasks of the plugin", "there is no task %q of the plugin %q", clip(a.Task), a.Plugin)
	case len(plugins) == 0:
		l.find.errorf(hcl.Range{}, "add a task with plugin = \""+a.Plugin+"\"", "these files have no task with a plugin")
	default:
		l.find.errorf(hcl.Range{}, "-plugin NAME says what the plugin is called there; there are: "+strings.Join(sortedKeys(plugins), ", "),
			"no task of these files has the plugin %q", a.Plugin)
	}
}

// afterNobody leaves out the tasks after which this one runs and which are not there. It runs when it is asked then.
func (l *loader) afterNobody(n *node) {
	was := len(n.blocks["after_run"])
	n.blocks["after_run"] = slices.DeleteFunc(n.blocks["after_run"], func(after *node) bool {
		return !slices.ContainsFunc(l.root.blocks["task"], func(other *node) bool {
			return after.label == other.label || strings.HasPrefix(after.label, other.label+".")
		})
	})
	if was == 0 || len(n.blocks["after_run"]) > 0 || len(n.blocks["periodic"])+len(n.blocks["continuous"])+len(n.blocks["on_demand"]) > 0 {
		return
	}
	n.blocks["on_demand"] = []*node{{shape: onDemandShape, rng: n.rng, body: hcl.EmptyBody(), blocks: map[string][]*node{}}}
}

// forDebugger takes the times away from all tasks, when they are for a debugger.
func (l *loader) forDebugger(all tasks) {
	if l.opts.Alone == nil || !l.opts.Alone.Debug {
		return
	}
	for _, i := range all.instances {
		i.def = i.def.ForDebugger()
	}
}

// errorsAlone drops warnings: they speak of a whole configuration.
func (l *loader) errorsAlone(diags hcl.Diagnostics) hcl.Diagnostics {
	if l.opts.Alone == nil {
		return diags
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
}
