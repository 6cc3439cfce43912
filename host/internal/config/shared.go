package config

import (
	"maps"

	"github.com/taskhost/taskhost/host/internal/task"
)

// defaultShared is how many instances share a process where a file does not say otherwise.
const defaultShared = 500

// shares reads how the instances of a block share processes.
func (i *instance) shares(s section, multiple bool) {
	most := s.integer("max_per_process", defaultShared, 1, maxInstances)
	at, written := s.written("process")
	if i.def.Process == task.ProcessShared {
		i.def.MaxPerProcess = most
		if !multiple && written {
			i.find.errorf(at, "give for_each or instances, or leave process out", `process = "shared" is for the instances of one block, and task %q has none`, i.node.label)
		} else if !multiple { // of defaults, which speak to those whom it concerns
			i.def.Process, i.def.MaxPerProcess = task.ProcessAuto, 0
		}
		return
	}
	if at, written := s.written("max_per_process"); written {
		i.find.errorf(at, "", `max_per_process has a meaning only with process = "shared"`)
	}
}

// checkShared reports instances that cannot share a process with the others of their block: a
// process has one binary, one environment, one user and one group.
func checkShared(list []*instance) {
	first, told := map[string]*instance{}, map[string]bool{}
	for _, i := range list {
		if i.def.Process != task.ProcessShared || i.probe || told[i.def.Block] {
			continue
		}
		with := first[i.def.Block]
		if with == nil {
			first[i.def.Block] = i
			continue
		}
		differ := difference(&with.def, &i.def)
		if differ == "" {
			continue
		}
		told[i.def.Block] = true // once is enough for a thousand instances
		at := i.node.rng
		if attr := i.node.attrs[differ]; attr != nil {
			at = attr.Expr.Range()
		}
		i.find.errorf(at, `make it the same for all, or leave out process = "shared"`, "%s of tasks %q and %q differs, and they share a process", differ, with.def.Name, i.def.Name)
	}
}

// difference names the attribute by which two tasks cannot share a process; "" is none.
func difference(a, b *task.Definition) string {
	switch {
	case a.Plugin != b.Plugin:
		return "plugin"
	case a.User != b.User:
		return "user"
	case a.Group != b.Group:
		return "group"
	case !maps.Equal(a.Env, b.Env):
		return "env"
	}
	return ""
}
