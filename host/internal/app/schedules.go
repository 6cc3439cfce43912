package app

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Span is a span of time, [From, To), and how much of it is of interest.
type Span struct {
	From, To time.Time
	Each     int // slots of each task at most; one more says that there are more
}

// Schedules computes the slots of the periodic tasks of a configuration, as a host would tell them.
func Schedules(ctx context.Context, s Source, span Span) ([]admin.Schedule, Loaded, error) {
	l, err := Validate(ctx, s)
	if err != nil || l.Failed() {
		return nil, l, err
	}
	var all []admin.Schedule
	for _, d := range l.Config.Tasks {
		if d.Mode != task.Periodic {
			continue
		}
		plan, err := schedule.Compile(d.Name, d.Schedule)
		if err != nil {
			return nil, l, err // Load has compiled it before
		}
		all = append(all, scheduleOf(d, plan, span))
	}
	return all, l, nil
}

func scheduleOf(d task.Definition, plan *schedule.Plan, span Span) admin.Schedule {
	out := admin.Schedule{Task: d.Name, Mode: string(d.Mode), ModeText: plan.Describe(), Jitter: admin.Seconds(d.Schedule.Jitter), Items: []admin.Slot{}}
	if len(d.Schedule.Cron) > 0 {
		out.TimeZone = d.Schedule.TimeZone
	}
	if d.Schedule.HasAfter {
		return out // they count from the end of a run
	}
	for _, at := range plan.Between(span.From.Add(-1), span.To.Add(-1), span.Each+1) {
		slot := admin.Slot{Task: d.Name, At: admin.At(at)}
		if d.Schedule.Jitter > 0 {
			slot.NotBefore = admin.At(plan.NotBefore(at))
		}
		if !d.Enabled {
			slot.Held = "stopped"
		}
		out.Items = append(out.Items, slot)
	}
	return out
}
