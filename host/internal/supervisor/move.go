package supervisor

import (
	"fmt"
	"maps"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// heirs are the tasks that wait to begin under a new name, each with the old one.
type heirs map[string]string

// of is the new name of a task; "" when it has none.
func (h heirs) of(from string) string {
	for to, old := range h {
		if old == from {
			return to
		}
	}
	return ""
}

// inherit takes note of the moves of a generation and returns those that need not wait, because nothing of the old
// name is at work. A task that is there under its new name already has nothing to wait for, and one whose old name is
// declared again goes on under that.
func (f *Fleet) inherit(moves []task.Move, old *view, defs map[string]*task.Definition) (now []task.Move) {
	for to, from := range f.heirs {
		if defs[from] != nil {
			delete(f.heirs, to)
		}
	}
	for _, m := range moves {
		if f.cfg.Rename == nil || defs[m.To] == nil || defs[m.From] != nil || old.loops[m.To] != nil || f.heirs[m.To] != "" {
			continue
		}
		f.heirs[m.To] = m.From
		if old.loops[m.From] == nil {
			now = append(now, m)
		}
	}
	return now
}

// renameAgain is the pause before what could not be renamed is tried again: the disk may take writes then.
const renameAgain = time.Second

// succeed gives the past of one task to another, and begins that one then.
func (f *Fleet) succeed(from, to string) {
	f.loops.Go(func() {
		for {
			err := f.cfg.Rename(f.ctx, from, to)
			if err == nil {
				break
			}
			f.cfg.Log.Error("cannot rename a task, trying again", "task", from, "to", to, "err", err)
			select {
			case <-f.ctx.Done():
				return
			case <-time.After(renameAgain):
			}
		}
		f.do(func() { f.rise(from, to) })
	})
}

// rise begins a task whose past is under its new name.
func (f *Fleet) rise(from, to string) {
	if f.heirs[to] != from || f.down != nil {
		return
	}
	delete(f.heirs, to)
	v := *f.view.Load()
	if def := v.defs[to]; def != nil && v.loops[to] == nil {
		l := f.begin(definition{def: def, gen: v.generation.Number, plan: v.plans[to]})
		v.loops = maps.Clone(v.loops)
		v.loops[to] = l
		f.view.Store(&v)
		f.launch(l)
		f.tellUnmet(to)
	}
}

// underway is the refusal of a command to a task that has not begun under its new name.
func underway(name string) error {
	return &task.Error{
		Code: task.CodeNotRunning, Detail: fmt.Sprintf("task %q has a new name, and begins when it has been drained under the old one", name),
		Remedy: "try again in a few seconds",
	}
}
