package support

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/taskhost/taskhost/host/admin"
)

// fileName is a task's name that may be part of a path. All are; but the host may be somebody else.
var fileName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$`)

// logs writes the last lines of the tasks' logs, those in trouble first.
func (g *gatherer) logs(ctx context.Context) error {
	names, err := g.troubledFirst(ctx)
	if err != nil {
		g.miss(part{file: "logs", what: "the last lines of each task's log"}, err.Error())
		return nil
	}
	size := 0
	for i, name := range names {
		if i >= mostLogs || size >= mostLogSize {
			g.miss(part{file: "logs", what: fmt.Sprintf("the logs of %d more tasks", len(names)-i)}, "there is room for so many; taskhost logs TASK shows one")
			return nil
		}
		before := len(g.manifest.Parts)
		if err := g.add(ctx, logOf(name)); err != nil {
			return err
		}
		for _, p := range g.manifest.Parts[before:] {
			size += p.Bytes
		}
	}
	return nil
}

func (g *gatherer) troubledFirst(ctx context.Context) ([]string, error) {
	all, err := g.api.AllTasks(ctx, admin.TaskQuery{})
	if err != nil {
		return nil, err
	}
	well := func(t admin.Task) int {
		if t.Health.Status == "ok" && t.Failures == 0 {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b admin.Task) int { return cmp.Compare(well(a), well(b)) })
	var names []string
	for _, t := range all {
		if fileName.MatchString(t.Name) {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// logOf is the part with the log of one task.
func logOf(name string) part {
	return part{"logs/" + name + ".jsonl", "the last 200 lines of " + name, func(ctx context.Context, g *gatherer) (any, error) {
		var all lines
		for l, err := range g.api.Logs(ctx, admin.LogQuery{Task: name, Tail: lastLines}) {
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
		return all, nil
	}}
}
