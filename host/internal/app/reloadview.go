package app

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/plan"
	"github.com/taskhost/taskhost/host/internal/task"
)

// version is that of a plugin, by name and the digest of its binary; "" when it is not known.
func (r *reloads) version(name, digest string) string {
	v, _ := r.versions.Load([2]string{name, digest})
	text, _ := v.(string)
	return text
}

// number is that of the generation that holds.
func (r *reloads) number() int { return r.now.Load().applied.Number }

// Plugins lists the plugins that the configuration uses.
func (r *reloads) Plugins() []api.Plugin { return r.now.Load().plugins }

// planOf says what it means when next takes the place of old.
func (r *reloads) planOf(old, next *held, l Loaded) admin.Plan {
	snapshot := old.snapshot
	p := plan.Make(snapshot, next.snapshot, plan.World{
		Now: time.Now(),
		Live: func(name string) []task.Run {
			s, _ := r.host.store.Status(name)
			return s.Running
		},
		Next: func(name string) time.Time {
			s, _ := r.host.store.Status(name)
			return s.NextSlot
		},
	})
	p.Host = hostPending(r.host.config, next, r.key)
	p.Generation, p.Digest = old.applied.Number, next.config.Digest
	p.Changed = p.Changed || next.config.Digest != old.applied.Digest
	p.ID = plan.ID(old.applied.Number, old.applied.Digest, next.config.Digest, p.Host)
	p.Warnings = diagnosticsOf(l)
	return p
}

// hostPending is what of the host block differs from what the host was started with.
func hostPending(started *config.Config, next *held, key []byte) []admin.Changed {
	was := plan.Of(&config.Config{Host: started.Host}, key)
	is := plan.Of(&config.Config{Host: next.config.Host}, key)
	return plan.Make(was, is, plan.World{}).Host
}

// Plan makes a plan of what the files say, or those of an earlier generation.
func (r *reloads) Plan(ctx context.Context, generation int) (admin.Plan, error) {
	if err := r.host.verbs.working(); err != nil {
		return admin.Plan{}, err
	}
	next, l, err := r.load(ctx, generation)
	if err != nil {
		return admin.Plan{}, err
	}
	return r.planOf(r.now.Load(), next, l), nil
}

// driftOf compares what is on the disk with what it was when it was read.
func (r *reloads) driftOf(now *held) admin.Drift {
	d := admin.Drift{
		Files:   drifted(now.files, config.ReadAgain(r.host.options.Paths, r.host.options.VarFiles)),
		Plugins: []string{},
	}
	for _, p := range now.config.Plugins {
		if digest, err := r.host.catalog.Hash(p.Origin); err != nil || digest != p.Digest {
			d.Plugins = append(d.Plugins, p.Name)
		}
	}
	return d
}

// Config says what holds.
func (r *reloads) Config(context.Context) (admin.Config, error) {
	now := r.now.Load()
	a := now.applied
	c := admin.Config{
		Generation: a.Number, Digest: a.Digest, Applied: admin.At(a.At), How: string(a.How), By: a.By, Of: a.Of,
		Files: []string{}, Drift: r.driftOf(now), Pending: now.pending, Plugins: []admin.PluginID{},
		Tasks: len(now.config.Tasks), Groups: len(now.config.Groups), Queues: len(now.config.Queues),
	}
	for _, f := range now.files {
		c.Files = append(c.Files, f.Path)
	}
	for _, p := range now.snapshot.Plugins {
		c.Plugins = append(c.Plugins, admin.PluginID(p))
	}
	r.mu.Lock()
	c.LastReload = r.last
	r.mu.Unlock()
	return c, nil
}
