package supervisor

import (
	"reflect"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Change says what a new definition of a task means for it.
type Change string

const (
	Unchanged   Change = "no change"
	ChangedLive Change = "live"    // the task goes on, from now by the new definition
	Restarted   Change = "restart" // drained, then started anew
)

// Compare says what it means for a task that is defined as old to be defined as new. The
// whole definitions count, so that no attribute is forgotten; those that a running process
// need not know of are taken over live.
func Compare(old, new *task.Definition) Change {
	switch {
	case reflect.DeepEqual(old, new):
		return Unchanged
	case needsRestart(old, new):
		return Restarted
	}
	return ChangedLive
}

func needsRestart(old, new *task.Definition) bool {
	return !reflect.DeepEqual(rooted(old), rooted(new))
}

// rooted is the definition without what may change while the task is at work.
func rooted(d *task.Definition) task.Definition {
	r := *d
	r.Description, r.Labels, r.Enabled, r.Source = "", nil, false, ""
	r.Schedule = task.Schedule{Overlap: d.Schedule.Overlap, MaxParallel: d.Schedule.MaxParallel}
	r.Continuous.Restart, r.Continuous.Watchdog = task.Restart{}, task.Watchdog{}
	r.AfterRun, r.Idle, r.DependsOn, r.Groups = nil, 0, nil, nil
	r.Timeout, r.MaxTimeout, r.StuckAfter, r.Alarm = 0, 0, 0, task.Alarm{}
	r.Retry, r.Stop, r.OnInterrupt, r.Keep = task.Retry{}, task.Ladder{}, "", task.Keep{}
	return r
}
