package app

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/logs"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/host/internal/task"
)

// The API declares what it needs in words of its own; these views give it the parts in
// that form. They hold no state.

type fleetView struct{ *supervisor.Fleet }

// noBound is further ahead than anybody plans, and near enough for the arithmetic of time.
const noBound = 100 * 365 * 24 * time.Hour

func (f fleetView) Schedule(name string, from, to time.Time, limit int) ([]api.Slot, error) {
	if to.IsZero() {
		to = from.Add(noBound)
	}
	slots, err := f.Fleet.Schedule(name, from, to, limit)
	out := make([]api.Slot, 0, len(slots))
	for _, s := range slots {
		out = append(out, api.Slot{At: s.At, NotBefore: s.NotBefore, Held: s.Held})
	}
	return out, err
}

func (f fleetView) Definition(name string) (task.Definition, bool) {
	d, ok := f.Fleet.Definition(name)
	if !ok {
		return task.Definition{}, false
	}
	return *d, true
}

func (f fleetView) Definitions() []task.Definition {
	defs := f.Fleet.Definitions()
	out := make([]task.Definition, 0, len(defs))
	for _, d := range defs {
		out = append(out, *d)
	}
	return out
}

func (f fleetView) Groups(ctx context.Context) ([]api.Group, error) {
	groups, err := f.Fleet.Groups(ctx)
	if err != nil {
		return nil, err
	}
	members := map[string][]string{}
	for _, d := range f.Fleet.Definitions() {
		for _, g := range d.Groups {
			members[g] = append(members[g], d.Name)
		}
	}
	out := make([]api.Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, api.Group{Group: g.Group, Members: members[g.Group.Name], Holding: g.Holding, Waiting: g.Waiting})
	}
	return out, nil
}

type logView struct{ *logs.Logs }

func (l logView) Page(ctx context.Context, q api.LogQuery) (api.LogPage, error) {
	page, err := l.Logs.Page(ctx, logQuery(q))
	out := api.LogPage{Items: make([]api.LogRecord, 0, len(page.Items)), More: page.More}
	for _, r := range page.Items {
		out.Items = append(out.Items, logRecord(r))
	}
	return out, err
}

func (l logView) Follow(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogRecord, error] {
	return func(yield func(api.LogRecord, error) bool) {
		records, err := l.Logs.Follow(ctx, logQuery(q))
		if err != nil {
			yield(api.LogRecord{}, err)
			return
		}
		for r, err := range records {
			if !yield(logRecord(r), err) {
				return
			}
		}
	}
}

// pluginsOf lists the plugins that a configuration uses.
func pluginsOf(c *config.Config) []api.Plugin {
	out := make([]api.Plugin, 0, len(c.Plugins))
	for _, one := range c.Plugins {
		out = append(out, api.Plugin{Name: one.Name, Path: one.Origin, Digest: one.Digest, Pinned: one.Pinned, Description: one.Description})
	}
	return out
}

func logQuery(q api.LogQuery) logs.Query {
	out := logs.Query{Task: q.Task, Run: q.Run, Level: q.Level, Grep: q.Grep, Since: q.Since, Tail: q.Tail, Limit: q.Limit}
	if q.After > 0 {
		out.After = strconv.FormatUint(q.After, 10)
	}
	return out
}

func logRecord(r logs.Record) api.LogRecord {
	return api.LogRecord{LogLine: r.LogLine, Position: r.Pos, Gap: int(r.Gap)}
}
