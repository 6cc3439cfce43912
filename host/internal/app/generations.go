package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/plan"
	"github.com/taskhost/taskhost/host/internal/task"
)

// rememberStart keeps the generation that the host begins with. It begins also when that cannot be kept.
func (r *reloads) rememberStart(ctx context.Context, now *held, known []task.Applied) {
	if len(known) > 0 && known[0].Number != now.applied.Number {
		if _, text, found, err := r.host.store.Generation(ctx, known[0].Number); err == nil && found {
			if before, err := plan.Decode(text); err == nil {
				now.note(plan.Diff(before, now.snapshot))
			}
		}
	}
	if err := r.remember(ctx, now); err != nil {
		r.host.log.Error("cannot keep the generation of the configuration; one cannot go back to it", "generation", now.applied.Number, "err", err)
	}
	r.retire(ctx)
}

// note keeps what has changed with a generation.
func (h *held) note(changes any) {
	text, err := json.Marshal(changes)
	if err != nil {
		panic("app: encode changes: " + err.Error()) // plain data always has a JSON form
	}
	h.applied.Changes = text
	var said struct {
		Summary string `json:"summary"`
	}
	_ = json.Unmarshal(text, &said)
	h.applied.Summary = said.Summary
}

// remember keeps a generation: first its files, then its record, so that whatever has a record can be gone back to.
func (r *reloads) remember(ctx context.Context, now *held) error {
	now.applied.Binaries = nil
	for _, p := range now.config.Plugins {
		now.applied.Binaries = append(now.applied.Binaries, p.Digest)
	}
	text, err := now.snapshot.Encode()
	if err == nil {
		err = r.files.save(now.applied.Number, now.files)
	}
	if err == nil {
		err = r.host.store.SaveGeneration(ctx, now.applied, text)
	}
	return err
}

// retire removes the files of generations, the copies of plugins and the logs of tasks that nobody needs any more.
func (r *reloads) retire(ctx context.Context) {
	r.loads <- struct{}{} // a plan that is being made may look at a plugin that nothing else uses
	defer func() { <-r.loads }()
	known, err := r.host.store.Generations(ctx)
	if err == nil {
		err = r.files.retire(func(number int) bool {
			return number == r.number() || slices.ContainsFunc(known, func(a task.Applied) bool { return a.Number == number })
		})
	}
	if err == nil {
		err = r.prunePlugins(known)
	}
	if err = errors.Join(err, r.forgetLogs()); err != nil {
		r.host.log.Warn("cannot remove what is left of old generations", "err", err)
	}
}

// forgetLogs deletes the logs of tasks that were removed as long ago as the store forgets the rest of them.
func (r *reloads) forgetLogs() error {
	declared := map[string]bool{}
	for _, d := range r.now.Load().config.Tasks {
		declared[d.Name] = true
	}
	return r.host.logs.Forget(func(name string) bool { return declared[name] }, time.Now().Add(-task.KeepRemoved))
}

// prunePlugins keeps the copies of the plugins that a remembered generation or a live process uses.
func (r *reloads) prunePlugins(known []task.Applied) error {
	keep := map[string]bool{}
	for _, a := range append(known, r.now.Load().applied) {
		for _, digest := range a.Binaries {
			keep[digest] = true
		}
	}
	for _, p := range r.now.Load().config.Plugins {
		keep[p.Digest] = true
	}
	for _, s := range r.host.store.Statuses() {
		for _, p := range s.Processes {
			keep[p.Digest] = true
		}
	}
	return r.host.catalog.Prune(keep)
}

// Generations lists those that are remembered, the newest first.
func (r *reloads) Generations(ctx context.Context) ([]admin.Generation, error) {
	known, err := r.host.store.Generations(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the generations: %w", err)
	}
	out := make([]admin.Generation, 0, len(known))
	for _, a := range known {
		out = append(out, r.shown(a))
	}
	return out, nil
}

func (r *reloads) shown(a task.Applied) admin.Generation {
	return admin.Generation{
		Number: a.Number, Digest: a.Digest, Applied: admin.At(a.At), How: string(a.How), By: a.By, Reason: a.Reason, Of: a.Of,
		Summary: a.Summary, Holds: a.Number == r.number(), Files: r.files.kept(a.Number),
	}
}

// Generation is one of them with all that it says.
func (r *reloads) Generation(ctx context.Context, number int) (admin.GenerationDetail, error) {
	a, text, found, err := r.host.store.Generation(ctx, cmp.Or(number, r.number()))
	if err == nil && !found {
		err = unknownGeneration(number)
	}
	if err != nil {
		return admin.GenerationDetail{}, err
	}
	d := admin.GenerationDetail{Generation: r.shown(a)}
	if d.Config, err = plan.Shown(text); err != nil {
		return d, fmt.Errorf("read generation %d: %w", number, err)
	}
	if len(a.Changes) > 0 {
		d.Changes = &admin.GenerationDiff{}
		if err := json.Unmarshal(a.Changes, d.Changes); err != nil {
			return d, fmt.Errorf("read the changes of generation %d: %w", number, err)
		}
		d.Changes.To = a.Number
	}
	return d, nil
}

func unknownGeneration(number int) error {
	return &task.Error{Code: api.CodeGenerationUnknown, Detail: fmt.Sprintf("there is no generation %d, or no longer", number), Remedy: "taskhost config generations lists those that are remembered"}
}

// Diff says how two generations differ.
func (r *reloads) Diff(ctx context.Context, from, to int) (admin.GenerationDiff, error) {
	var both [2]plan.Snapshot
	for i, number := range []int{from, to} {
		_, text, found, err := r.host.store.Generation(ctx, number)
		if err == nil && !found {
			err = unknownGeneration(number)
		}
		if err != nil {
			return admin.GenerationDiff{}, err
		}
		if both[i], err = plan.Decode(text); err != nil {
			return admin.GenerationDiff{}, fmt.Errorf("read generation %d: %w", number, err)
		}
	}
	d := plan.Diff(both[0], both[1])
	d.From, d.To = from, to
	return d, nil
}
