package config

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// What raises an alarm where a file does not say otherwise.
const (
	defaultNoSuccess = time.Hour        // or three periods, if that is longer
	leastLateBy      = time.Second      // or half a period, if that is longer
	mostLateBy       = 30 * time.Second // what is later than that is not on time with any period
)

// alarm reads the alarm block. What has no meaning for the task's mode is off.
func (i *instance) alarm(s section, period time.Duration) {
	const most = 10_000
	a, _ := s.block("alarm")
	periodic, silence := i.def.Mode == task.Periodic, time.Duration(0)
	if periodic {
		silence = max(3*period, defaultNoSuccess)
	}
	out := task.Alarm{
		Failing:     a.integer("failing", 1, 0, most),
		Overlap:     a.integer("overlap", 3, 0, most),
		Missed:      a.integer("missed", 1, 0, most),
		Late:        a.integer("late", 3, 0, most),
		LateBy:      a.duration("late_by", min(max(period/2, leastLateBy), mostLateBy), 1),
		NoSuccess:   a.duration("no_success", silence, 0),
		DeadLetters: a.integer("dead_letters", 1, 0, most),
		Stuck:       a.boolean("stuck", true),
		CrashLoop:   a.boolean("crash_loop", true),
	}
	i.checkAlarm(a)
	if !periodic {
		out.Overlap, out.Missed, out.Late, out.LateBy = 0, 0, 0, 0
	}
	if i.def.Mode == task.Continuous {
		out.NoSuccess, out.Stuck = 0, false
	} else {
		out.CrashLoop = false
	}
	if out.Late == 0 {
		out.LateBy = 0
	}
	if i.node.blocks["consume"] == nil {
		out.DeadLetters = 0
	}
	i.def.Alarm = out
}

// checkAlarm reports what the task itself gives without a meaning for its mode. What comes from defaults is passed
// over in silence.
func (i *instance) checkAlarm(a section) {
	only := func(met bool, names []string, which string) {
		for _, name := range names {
			if at, written := a.written(name); written && !met && i.def.Mode != "" {
				a.find.errorf(at, "leave it out", "%s has a meaning only for %s", name, which)
			}
		}
	}
	only(i.def.Mode == task.Periodic, []string{"overlap", "missed", "late", "late_by"}, "periodic tasks")
	only(i.def.Mode != task.Continuous, []string{"no_success", "stuck"}, "tasks whose runs end")
	only(i.def.Mode == task.Continuous, []string{"crash_loop"}, "continuous tasks")
	only(i.node.blocks["consume"] != nil, []string{"dead_letters"}, "tasks that consume a queue")
}
