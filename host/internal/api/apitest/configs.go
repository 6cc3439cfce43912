package apitest

import (
	"context"
	"fmt"
	"sync"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Configs has a generation that rises with each Apply. The reason "broken" stands for files with errors.
type Configs struct {
	mu  sync.Mutex
	now int // applies so far
}

var _ api.Configs = (*Configs)(nil)

func (c *Configs) number() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now + 1
}

func changed() []admin.Changed {
	return []admin.Changed{{Path: "timeout", Old: "10s", New: nil, Class: admin.Live, Note: "why"}, {Path: "env.TOKEN", Old: "***", New: "***", Class: admin.Restart}}
}

func (c *Configs) diff(from, to int) admin.GenerationDiff {
	return admin.GenerationDiff{
		From: from, To: to, Summary: "1 live",
		Tasks: []admin.TaskChange{{
			Task: "quick", Change: admin.Live, Attributes: changed(), SlotsBefore: []admin.Time{admin.At(Epoch)}, SlotsAfter: []admin.Time{admin.At(Epoch)},
			Runs: []admin.TouchedRun{{ID: "01kb3v0000000000000000000a", State: "running", Effect: "finishes as it began"}},
		}},
		Groups:  []admin.ItemChange{{Name: "upstream", Change: admin.Added}},
		Queues:  []admin.ItemChange{{Name: "urls", Change: admin.Live, Attributes: changed()}},
		Notices: []admin.ItemChange{{Name: `notify "ops"`, Change: admin.Added}},
		Plugins: []admin.Binary{{Name: "demo", Change: admin.NextRun, Old: "9f31c2", New: "a0b1c2", Tasks: []string{"quick"}}},
		Host:    []admin.Changed{{Path: "log.level", Old: "info", New: "debug", Class: "host"}},
	}
}

// Config is that of the newest generation.
func (c *Configs) Config(context.Context) (admin.Config, error) {
	return admin.Config{
		Generation: c.number(), Digest: "9f31c2", Applied: admin.At(Epoch), How: "reload", By: "anna", Files: []string{"config.hcl"},
		Drift: admin.Drift{Files: []string{"config.hcl"}, Plugins: []string{}}, Pending: changed(), Tasks: 10, Plugins: []admin.PluginID{{Name: "demo"}},
		LastReload: &admin.Reload{At: admin.At(Epoch), How: "reload", By: "anna", Generation: 1, Error: "broken", Diagnostics: broken().Diagnostics},
	}, nil
}

// Plan is always the same.
func (c *Configs) Plan(_ context.Context, generation int) (admin.Plan, error) {
	d := c.diff(generation, 0)
	return admin.Plan{
		ID: "p_0", Generation: c.number(), Digest: "a0b1c2", Changed: true, Summary: d.Summary, Tasks: d.Tasks, Groups: d.Groups, Queues: d.Queues, Notices: d.Notices,
		Plugins: d.Plugins, Host: d.Host, Warnings: []admin.Diagnostic{},
	}, nil
}

func broken() *api.ConfigInvalid {
	return &api.ConfigInvalid{Diagnostics: []admin.Diagnostic{{Severity: "error", Summary: "a brace is missing", File: "config.hcl", Line: 3, Column: 7, Snippet: "task {"}}}
}

// Apply raises the generation.
func (c *Configs) Apply(ctx context.Context, a api.Apply) (admin.Applied, error) {
	p, err := c.Plan(ctx, a.Rollback)
	switch {
	case err != nil:
		return admin.Applied{}, err
	case a.IfGeneration > 0 && a.IfGeneration != p.Generation:
		return admin.Applied{}, &task.Error{Code: api.CodeVersionConflict, Detail: "another generation holds"}
	case a.Plan != "" && a.Plan != p.ID:
		return admin.Applied{}, &task.Error{Code: api.CodePlanStale, Detail: "the plan is no longer what would be done"}
	case a.Rollback > p.Generation:
		return admin.Applied{}, noGeneration(a.Rollback)
	case a.Reason == "broken":
		return admin.Applied{}, broken()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	return admin.Applied{Changed: true, Generation: c.now + 1, Plan: p}, nil
}

func noGeneration(n int) error {
	return &task.Error{Code: api.CodeGenerationUnknown, Detail: fmt.Sprintf("there is no generation %d", n)}
}

// Generations are all so far.
func (c *Configs) Generations(context.Context) (all []admin.Generation, err error) {
	for n := c.number(); n > 0; n-- {
		all = append(all, c.generation(n))
	}
	return all, nil
}

func (c *Configs) generation(n int) admin.Generation {
	return admin.Generation{Number: n, Digest: "9f31c2", Applied: admin.At(Epoch), How: "reload", By: "anna", Reason: "why", Summary: "1 live", Holds: n == c.number(), Files: true}
}

// Generation is one of them.
func (c *Configs) Generation(_ context.Context, n int) (admin.GenerationDetail, error) {
	if n > c.number() {
		return admin.GenerationDetail{}, noGeneration(n)
	}
	d := c.diff(n-1, n)
	return admin.GenerationDetail{Generation: c.generation(n), Changes: &d, Config: map[string]any{"tasks": []any{}}}, nil
}

// Diff compares two of them.
func (c *Configs) Diff(_ context.Context, from, to int) (admin.GenerationDiff, error) {
	if from > c.number() || to > c.number() {
		return admin.GenerationDiff{}, noGeneration(max(from, to))
	}
	return c.diff(from, to), nil
}
