package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Apply makes a configuration the one that holds. The first one boots the tasks. A later
// one leaves unchanged tasks alone, gives tasks their new definition live where no process
// need know, drains the others and starts them anew, and drains those that it does not
// name. It is all or nothing, and returns when this is under way.
func (f *Fleet) Apply(ctx context.Context, gen task.Generation) error {
	defs := make(map[string]*task.Definition, len(gen.Tasks))
	plans := make(map[string]*schedule.Plan)
	for i := range gen.Tasks {
		def := gen.Tasks[i]
		if defs[def.Name] != nil {
			return fmt.Errorf("apply generation %d: task %q is declared twice", gen.Number, def.Name)
		}
		defs[def.Name] = &def
		if def.Mode != task.Periodic {
			continue
		}
		plan, err := schedule.Compile(def.Name, def.Schedule)
		if err != nil {
			return fmt.Errorf("apply generation %d: task %q: %w", gen.Number, def.Name, err)
		}
		plans[def.Name] = plan
	}
	remembered, err := f.remembered(ctx)
	if err != nil {
		return fmt.Errorf("apply generation %d: recall which tasks there were: %w", gen.Number, err)
	}
	if waitErr := f.doAndWait(ctx, func() { err = f.apply(gen, defs, plans, remembered) }); waitErr != nil {
		return waitErr
	}
	return err
}

// remembered names the tasks that an earlier host had, for the first generation alone.
func (f *Fleet) remembered(ctx context.Context) ([]string, error) {
	if f.view.Load().defs != nil {
		return nil, nil
	}
	return f.cfg.Journal.Remembered(ctx)
}

func (f *Fleet) apply(gen task.Generation, defs map[string]*task.Definition, plans map[string]*schedule.Plan, remembered []string) error {
	if f.down != nil {
		return shuttingDown()
	}
	old := f.view.Load()
	next := &view{generation: gen, defs: defs, plans: plans, loops: maps.Clone(old.loops), followers: followers(defs)}
	if next.loops == nil {
		next.loops = make(map[string]*loop, len(defs))
	}
	if gen.ShutdownTimeout > 0 {
		f.cfg.ShutdownTimeout = gen.ShutdownTimeout
	}
	f.deps.declare(defs)
	maps.DeleteFunc(f.late, func(name string, _ []followed) bool { return defs[name] == nil })
	moved := f.inherit(gen.Moves, old, defs)
	f.gates.define(gen.Groups, f.cfg.Now().Round(0))
	var fresh []*loop
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		d := definition{def: defs[name], gen: gen.Number, plan: plans[name]}
		l := next.loops[name]
		switch {
		case l == nil && f.heirs[name] != "": // begins when the other one is down
		case l == nil:
			l = f.begin(d)
			next.loops[name] = l
			fresh = append(fresh, l)
		case old.defs[name] == nil, Compare(old.defs[name], d.def) != Unchanged:
			l.box.put(defined{d})
		}
	}
	for _, name := range remembered {
		if defs[name] == nil && f.heirs.of(name) == "" {
			next.loops[name] = f.beginUndeclared(name, gen.Number)
			fresh = append(fresh, next.loops[name])
		}
	}
	for name, l := range old.loops {
		if defs[name] == nil && old.defs[name] != nil {
			l.box.put(retired{to: f.heirs.of(name)})
		}
	}
	f.view.Store(next)
	for _, m := range moved {
		f.succeed(m.From, m.To)
	}
	for _, l := range fresh {
		f.launch(l)
	}
	for name := range defs {
		f.tellUnmet(name)
	}
	return nil
}
