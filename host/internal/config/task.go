package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/task"
)

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
		secret: l.secret,
		rng:    n.rng,
	}

	d.Description, _, _ = s.text("description")
	d.Enabled = s.boolean("enabled", true)
	d.Labels = s.labels()
	d.User = s.account("user")
	d.Group = s.account("group")
	d.Limits = s.limits()
	d.Env, d.EnvKeys = s.env()
	d.Plugin, i.plugin, _ = s.text("plugin")
	if i.plugin.expr == nil {
		i.find.errorf(n.rng, `add plugin = "…"`, "task %q names no plugin", n.label)
	}
	d.Type, i.typ, _ = s.text("type")

	d.Mode = i.mode(n)
	d.Process = oneOf(s, "process", task.ProcessAuto, task.ProcessAuto, task.ProcessTask, task.ProcessRun, task.ProcessShared)
	i.shares(s, e.multiple)
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
	i.consumes(s)
	i.wires()
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

// account reads the name of a user or of a group. Whether there is one is the host's machine's to say.
func (s section) account(attr string) string {
	name, v, ok := s.text(attr)
	if ok && !task.ValidKey(name) && !validAccount(name) {
		s.find.errorf(v.at(), "", "%s: %q cannot be the name of an account", attr, clip(name))
	}
	return name
}

func validAccount(name string) bool {
	return len(name) > 1 && name[0] == '_' && task.ValidKey(name[1:])
}

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
