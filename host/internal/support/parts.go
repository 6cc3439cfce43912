package support

import (
	"context"
	"net/http"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// Bounds of what one archive holds.
const (
	lastRuns    = 500
	lastAudit   = 500
	nextSlots   = 200
	eventsFor   = 24 * time.Hour
	lastLines   = 200      // of each task
	mostLogs    = 500      // tasks whose log is read
	mostLogSize = 32 << 20 // of all logs together
	partTime    = 20 * time.Second
)

// part is one file and where it comes from. Lines become JSON lines, bytes are written as they are, and
// everything else is JSON.
type part struct {
	file string
	what string
	get  getter
}

type getter func(ctx context.Context, g *gatherer) (any, error)

// lines are values that are written one a line.
type lines []any

// parts are the files of an archive beside the logs, in their order.
var parts = []part{
	{"host.json", "version, addresses, state", whole((*admin.Client).Host)},
	{"healthz.json", "whether the host makes progress", alive},
	{"readyz.json", "what readiness rests on", whole((*admin.Client).Readiness)},
	{"config.json", "which configuration holds, and what came of the last reload", whole((*admin.Client).Config)},
	{"generation.json", "that configuration, secrets left out", generation},
	{"generations.json", "configurations that held", list((*admin.Client).Generations)},
	{"plugins.json", "plugins with their digests and schemas", list((*admin.Client).Plugins)},
	{"tasks.json", "all tasks with state, health and processes", tasks},
	{"overrides.json", "what people have set against the file", overrides},
	{"schedule.json", "the next 200 slots", schedule},
	{"queues.json", "all queues with their depths and counts", list((*admin.Client).Queues)},
	{"groups.json", "all groups with who holds them and who waits", list((*admin.Client).Groups)},
	{"notifiers.json", "all notifiers with what they have sent", list((*admin.Client).Notifiers)},
	{"runs.jsonl", "the last 500 runs", runs},
	{"events.jsonl", "the events of a day", events},
	{"audit.jsonl", "the last 500 records of the audit log", audit},
	{"metrics.txt", "the metrics", whole((*admin.Client).Metrics)},
	{"goroutines.txt", "the stacks of the host's goroutines", goroutines},
}

func whole[T any](ask func(*admin.Client, context.Context) (T, error)) getter {
	return func(ctx context.Context, g *gatherer) (any, error) { return ask(g.api, ctx) }
}

func list[T any](ask func(*admin.Client, context.Context) (admin.List[T], error)) getter {
	return func(ctx context.Context, g *gatherer) (any, error) {
		l, err := ask(g.api, ctx)
		return l.Items, err
	}
}

func overrides(ctx context.Context, g *gatherer) (any, error) {
	l, err := g.api.Overrides(ctx, "")
	return l.Items, err
}

func schedule(ctx context.Context, g *gatherer) (any, error) {
	l, err := g.api.ScheduleAll(ctx, time.Time{}, time.Time{}, nextSlots)
	return l.Items, err
}

func goroutines(ctx context.Context, g *gatherer) (any, error) {
	return g.api.Profile(ctx, "goroutine", 2)
}

// alive is a finding also when the host says no.
func alive(ctx context.Context, g *gatherer) (any, error) {
	err := g.api.Alive(ctx)
	if p := admin.AsProblem(err); p != nil && p.Status == http.StatusServiceUnavailable {
		return p, nil
	}
	return admin.Status{Status: "ok"}, err
}

func generation(ctx context.Context, g *gatherer) (any, error) {
	now, err := g.api.Config(ctx)
	if err != nil {
		return nil, err
	}
	return g.api.Generation(ctx, now.Generation)
}

// tasks are all tasks without their notes, which repeat what they publish.
func tasks(ctx context.Context, g *gatherer) (any, error) {
	all, err := g.api.AllTasks(ctx, admin.TaskQuery{})
	for i := range all {
		t := &all[i]
		t.Note = ""
		if t.Last != nil {
			t.Last.Note = ""
		}
		for n := range t.Runs {
			t.Runs[n] = withoutData(t.Runs[n])
		}
	}
	return all, err
}

// withoutData is a run without what its caller and its author put into it.
func withoutData(r admin.Run) admin.Run {
	r.Input, r.Result, r.Note = nil, nil, ""
	if r.Progress != nil {
		p := *r.Progress
		p.Note = ""
		r.Progress = &p
	}
	return r
}

func runs(ctx context.Context, g *gatherer) (any, error) {
	all, err := admin.Collect(lastRuns, func(limit int, cursor string) (admin.List[admin.Run], error) {
		return g.api.Runs(ctx, admin.RunQuery{Limit: limit, Cursor: cursor})
	})
	for i := range all {
		all[i] = withoutData(all[i])
	}
	return linesOf(all), err
}

func audit(ctx context.Context, g *gatherer) (any, error) {
	all, err := admin.Collect(lastAudit, func(limit int, cursor string) (admin.List[admin.AuditRecord], error) {
		return g.api.Audit(ctx, admin.AuditQuery{Limit: limit, Cursor: cursor})
	})
	return linesOf(all), err
}

// events are those that the host still knows.
func events(ctx context.Context, g *gatherer) (any, error) {
	var all []admin.Event
	for e, err := range g.api.Events(ctx, admin.EventQuery{Since: g.now().Add(-eventsFor), Known: true}) {
		if err != nil {
			return nil, err
		}
		if e.Kind == "progress" { // its text is the author's note
			e.Text = ""
		}
		all = append(all, e)
	}
	return linesOf(all), nil
}

func linesOf[T any](list []T) lines {
	all := make(lines, len(list))
	for i, v := range list {
		all[i] = v
	}
	return all
}
