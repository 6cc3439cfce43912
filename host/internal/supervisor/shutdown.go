package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// hostOverrides is the name under which the journal keeps the host's own pause.
const hostOverrides = ""

// lastGrace is how long after its deadline the fleet waits for what it has killed.
const lastGrace = task.KillBound + closeBound

// descent is the way down of all tasks: those that others depend on go last, as far as the
// time allows. Its times are of the clock that nobody sets.
type descent struct {
	by     time.Time
	killed bool
	told   map[string]bool
	left   map[string]*task.Definition
	again  time.Time // when look has something to do
}

// descend begins the end of the host.
func (f *Fleet) descend() {
	if f.down != nil {
		return
	}
	timeout := f.cfg.ShutdownTimeout
	if timeout <= 0 {
		timeout = max(f.deps.longestStop(), task.KillBound)
	}
	f.down = &descent{by: time.Now().Add(timeout), told: map[string]bool{}, left: map[string]*task.Definition{}}
	v := f.view.Load()
	for name := range v.loops {
		f.down.left[name] = v.defs[name] // nil for one that is on its way out already
	}
	f.draining = true
	f.broadcast(held{})
	if f.hurry != "" {
		f.escalate(f.hurry)
	}
}

func (d *descent) ended(name string) { delete(d.left, name) }

// wait bounds how long look has nothing to do.
func (d *descent) wait(most time.Duration) time.Duration {
	if d == nil || d.again.IsZero() {
		return most
	}
	return min(most, max(0, time.Until(d.again)))
}

// look tells the tasks whose turn has come, and says when all is over.
func (d *descent) look(f *Fleet) (done bool, err error) {
	if len(d.left) == 0 {
		return true, nil
	}
	now := time.Now()
	d.again = d.by.Add(-task.KillBound)
	for name, def := range d.left {
		if d.told[name] {
			continue
		}
		latest := d.by.Add(-task.KillBound)
		if def != nil {
			latest = latest.Add(-def.Stop.Cancel)
		}
		if d.mustWait(f, name) && latest.After(now) {
			d.again = earliest(d.again, latest)
			continue
		}
		d.tell(f, name)
	}
	if !d.again.After(now) {
		if !d.killed {
			d.killed = true
			f.broadcast(escalated{mode: task.Kill})
		}
		d.again = d.by.Add(lastGrace)
		if !d.again.After(now) {
			return true, fmt.Errorf("shut down: %s not down after all deadlines: %s",
				count(len(d.left), "task"), d.names())
		}
	}
	return false, nil
}

// mustWait reports whether a task that depends on this one is still up.
func (d *descent) mustWait(f *Fleet, name string) bool {
	for _, other := range f.deps.dependants(name) {
		if _, up := d.left[other]; up {
			return true
		}
	}
	return false
}

func (d *descent) tell(f *Fleet, name string) {
	d.told[name] = true
	if l := f.view.Load().loops[name]; l != nil {
		l.box.put(shutdown{by: f.cfg.Now().Round(0).Add(time.Until(d.by))})
	}
}

// names are those of the tasks that are left, of many only the first.
func (d *descent) names() string {
	const most = 20
	names := slices.Sorted(maps.Keys(d.left))
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Escalate makes every stop of the host's end begin the stage of mode at least, and ends
// the waiting of tasks for those that depend on them. Before the end has begun it is kept
// until then.
func (f *Fleet) Escalate(mode task.StopMode) {
	f.do(func() {
		if f.down == nil {
			if mode.Stage().Rank() > f.hurry.Stage().Rank() || f.hurry == "" {
				f.hurry = mode
			}
			return
		}
		f.escalate(mode)
	})
}

func (f *Fleet) escalate(mode task.StopMode) {
	for name := range f.down.left {
		if !f.down.told[name] {
			f.down.tell(f, name)
		}
	}
	f.broadcast(escalated{mode: mode})
}

// PauseHost turns every schedule off until ResumeHost or o.Until. It is durable when it returns.
func (f *Fleet) PauseHost(ctx context.Context, o task.Override) error {
	return f.setHostPause(ctx, hostPaused{override: &o})
}

// ResumeHost ends a pause or a drain of the host. With catchUp the slots that the pause skipped are
// caught up as each task's catch_up says.
func (f *Fleet) ResumeHost(ctx context.Context, catchUp bool) error {
	return f.setHostPause(ctx, hostPaused{catchUp: catchUp})
}

func (f *Fleet) setHostPause(ctx context.Context, change hostPaused) error {
	o := change.override
	if err := f.cfg.Journal.SaveOverrides(ctx, hostOverrides, task.Overrides{Paused: o}); err != nil {
		return fmt.Errorf("save the pause of the host: %w", err)
	}
	return f.doAndWait(ctx, func() {
		f.hostPause = o
		f.broadcast(change)
		if o == nil && f.draining && f.down == nil {
			f.draining = false
			f.broadcast(drained{on: false})
		}
	})
}

// HostState says whether the host is paused, drains or shuts down.
type HostState struct {
	Paused   *task.Override
	Draining bool
	Shutdown bool
}

// Host returns the host's own state.
func (f *Fleet) Host(ctx context.Context) (HostState, error) {
	var s HostState
	err := f.doAndWait(ctx, func() {
		s = HostState{Paused: f.hostPause, Draining: f.draining && f.down == nil, Shutdown: f.down != nil}
		if p := s.Paused; p != nil && !p.Until.IsZero() && !p.Until.After(f.cfg.Now()) {
			s.Paused = nil
		}
	})
	return s, err
}

// Drain starts nothing new, lets live runs finish (continuous ones through the ladder) and
// returns when none is left or ctx has ended. The host stays drained until ResumeHost.
func (f *Fleet) Drain(ctx context.Context) error {
	var waiting []chan struct{}
	err := f.doAndWait(ctx, func() {
		f.draining = true
		f.broadcast(drained{on: true})
		for _, l := range f.view.Load().loops {
			to := make(chan struct{}, 1)
			if l.box.put(quietAsked{to: to}) {
				waiting = append(waiting, to)
			}
		}
	})
	if err != nil {
		return err
	}
	for _, to := range waiting {
		select {
		case <-to:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
