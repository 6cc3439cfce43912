package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/plan"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// reloads makes other configurations hold while the host runs: SIGHUP, the API and a rollback come together here. A
// configuration is loaded beside the one that holds; it takes its place as a whole, or nothing changes.
type reloads struct {
	host  *host
	files genFiles
	key   []byte
	busy  chan struct{} // holds a token while a configuration is being applied
	loads chan struct{} // likewise while one is being loaded
	asked chan struct{} // by SIGHUP; at most one waits

	now      atomic.Pointer[held]
	versions sync.Map // plugin name and digest → version, of all that held in this life

	mu    sync.Mutex
	last  *admin.Reload
	stats ReloadStats
}

// held is a configuration that holds.
type held struct {
	config   *config.Config
	snapshot plan.Snapshot
	files    []config.File
	applied  task.Applied
	pending  []admin.Changed // of the host block
	plugins  []api.Plugin
}

// ReloadStats counts what became of reloads in this life of the host.
type ReloadStats struct {
	Succeeded, Failed uint64
	LastOK            bool      // of the newest; true before the first
	LastSuccess       time.Time // of a reload or, before the first, of the start
}

var _ api.Configs = (*reloads)(nil)

// newReloads takes the configuration that the host was started with for the one that holds. It has the number of the
// newest generation when it says the same, and is a new one otherwise.
func newReloads(ctx context.Context, h *host, l Loaded) (*reloads, error) {
	r := &reloads{
		host: h, files: genFiles{h.data.join("generations")},
		busy: make(chan struct{}, 1), loads: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		stats: ReloadStats{LastOK: true, LastSuccess: h.started},
	}
	var err error
	if r.key, err = digestKey(h.data.path); err != nil {
		return nil, err
	}
	known, err := h.store.Generations(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the generations of the configuration: %w", err)
	}
	now := r.hold(l)
	now.applied = task.Applied{Number: 1, Digest: l.Config.Digest, At: h.started.UTC(), How: task.HowStart}
	if len(known) > 0 {
		now.applied.Number = known[0].Number + 1
		if known[0].Digest == l.Config.Digest {
			now.applied = known[0]
		}
	}
	r.set(now)
	if len(known) == 0 || now.applied.Number != known[0].Number || !r.files.kept(now.applied.Number) {
		r.rememberStart(ctx, now, known)
	}
	return r, nil
}

func (r *reloads) set(now *held) {
	for _, p := range now.config.Plugins {
		r.versions.Store([2]string{p.Name, p.Digest}, p.Description.Version)
	}
	r.now.Store(now)
}

// begin lets the tasks of the first configuration begin.
func (r *reloads) begin(ctx context.Context) error {
	return r.host.fleet.Apply(ctx, r.now.Load().generation())
}

func (h *held) generation() task.Generation {
	return task.Generation{
		Number: h.applied.Number, Digest: h.applied.Digest, Applied: h.applied.At,
		Tasks: h.config.Tasks, Groups: h.config.Groups, Queues: h.config.Queues,
		Moves: h.config.Moves, ShutdownTimeout: h.config.Host.ShutdownTimeout,
	}
}

// start carries out what SIGHUP asks for, one at a time, until stop is called.
func (r *reloads) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.asked:
			}
			select {
			case <-ctx.Done():
				return
			case r.busy <- struct{}{}:
			}
			_, _ = r.apply(ctx, api.Apply{By: "SIGHUP"}) // it says in the log what came of it
			<-r.busy
		}
	})
	return func() { cancel(); done.Wait() }
}

// ask asks for a reload without waiting for it. While one waits, another one is the same.
func (r *reloads) ask() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// Apply makes what the files say now hold, or the files of an earlier generation. It is refused while another one is
// at work.
func (r *reloads) Apply(ctx context.Context, a api.Apply) (admin.Applied, error) {
	select {
	case r.busy <- struct{}{}:
	default:
		return admin.Applied{}, &task.Error{Code: api.CodeReloadRunning, Detail: "another reload is at work", Remedy: "try again when it is done; GET /v1/config shows what came of it"}
	}
	defer func() { <-r.busy }()
	return r.apply(ctx, a)
}

// apply is Apply for whoever holds busy.
func (r *reloads) apply(ctx context.Context, a api.Apply) (admin.Applied, error) {
	if err := r.host.verbs.working(); err != nil {
		return admin.Applied{}, err
	}
	how := task.HowReload
	if a.Rollback > 0 {
		how = task.HowRollback
	}
	r.host.manager.reloading()
	defer func() { r.host.manager.ready(r.host.summary()) }()
	report := admin.Reload{At: admin.At(time.Now()), How: string(how), By: a.By, Generation: r.number()}
	done, err := r.replace(ctx, a, how)
	if refused, ok := errors.AsType[*task.Error](err); ok && refused.Code != store.CodeUnavailable || err != nil && ctx.Err() != nil {
		return done, err // asked for in vain, or given up: nothing was wrong with the files
	}
	report.OK, report.Changed, report.Summary, report.Generation = err == nil, done.Changed, done.Plan.Summary, r.number()
	if invalid, ok := errors.AsType[*api.ConfigInvalid](err); ok {
		report.Diagnostics = invalid.Diagnostics
	}
	if err != nil {
		report.Error = r.host.hides.hide(err.Error())
	}
	r.report(report)
	return done, err
}

// replace loads another configuration and lets it take the place of the one that holds.
func (r *reloads) replace(ctx context.Context, a api.Apply, how task.How) (admin.Applied, error) {
	old := r.now.Load()
	if a.IfGeneration > 0 && a.IfGeneration != old.applied.Number {
		return admin.Applied{}, &task.Error{
			Code: api.CodeVersionConflict, Detail: fmt.Sprintf("generation %d holds, not %d", old.applied.Number, a.IfGeneration),
			Remedy: "look at the plan again, and send the generation that it names",
		}
	}
	next, l, err := r.load(ctx, a.Rollback)
	if err != nil {
		return admin.Applied{}, err
	}
	p := r.planOf(old, next, l)
	if a.Plan != "" && a.Plan != p.ID {
		return admin.Applied{}, &task.Error{
			Code: api.CodePlanStale, Detail: fmt.Sprintf("the plan %s is no longer what would be done: the files, a plugin or the generation have changed", a.Plan),
			Remedy: "plan again, and apply the new plan",
		}
	}
	next.applied = old.applied
	if next.config.Digest != old.applied.Digest {
		next.applied = task.Applied{
			Number: old.applied.Number + 1, Digest: next.config.Digest, At: time.Now().UTC(), How: how, By: a.By, Reason: a.Reason, Of: a.Rollback,
		}
		next.note(plan.OnlyChanged(p))
	}
	next.pending = p.Host
	// From here on it is done to its end, whoever has asked goes away or not.
	if err := r.takeOver(context.WithoutCancel(ctx), old, next, l.catalog); err != nil {
		return admin.Applied{}, err
	}
	return admin.Applied{Changed: p.Changed, Generation: next.applied.Number, Plan: p}, nil
}

// takeOver lets next hold. Until it is remembered it fails without having changed anything.
func (r *reloads) takeOver(ctx context.Context, old, next *held, c *catalog.Catalog) error {
	h := r.host
	if err := letUsersPass(next.config.Tasks, h.data, c); err != nil {
		return err
	}
	if next.applied.Number != old.applied.Number {
		if err := r.remember(ctx, next); err != nil {
			return err
		}
	}
	h.hides.add(next.config.Hide, time.Now()) // before anything that knows the new secrets begins
	h.keep(old.config.Tasks, next.config.Tasks)
	r.set(next)
	h.queues.Define(next.config.Queues, next.config.Tasks)
	err := h.center.Define(next.config.Blocks, next.config.Tasks)
	if err == nil {
		err = h.fleet.Apply(ctx, next.generation())
	}
	if err != nil {
		r.set(old)
		h.queues.Define(old.config.Queues, old.config.Tasks)
		return errors.Join(err, h.center.Define(old.config.Blocks, old.config.Tasks))
	}
	r.retire(ctx)
	return nil
}

// report tells everybody what came of a reload.
func (r *reloads) report(done admin.Reload) {
	r.mu.Lock()
	r.last = &done
	r.stats.LastOK = done.OK
	if done.OK {
		r.stats.Succeeded++
		r.stats.LastSuccess = done.At.Time
	} else {
		r.stats.Failed++
	}
	r.mu.Unlock()
	var failed error
	if !done.OK {
		failed = errors.New(done.Error)
	}
	r.host.metrics.Reloaded(failed, done.At.Time)
	e := task.Event{Topic: "config", Kind: "applied", Text: fmt.Sprintf("generation %d: %s", done.Generation, done.Summary)}
	switch {
	case !done.OK:
		e.Kind, e.Text = "rejected", done.Error
		r.host.log.Error("the configuration was not taken over; what held before goes on", "by", done.By, "how", done.How, "err", done.Error)
		for _, d := range done.Diagnostics {
			r.host.log.Error("config "+d.Severity, "at", fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column), "problem", d.Summary, "hint", d.Hint)
		}
	case !done.Changed:
		e.Kind, e.Text = "unchanged", "nothing has changed"
		r.host.log.Info("reloaded; nothing has changed", "by", done.By)
	default:
		r.host.log.Info("reloaded", "generation", done.Generation, "by", done.By, "how", done.How, "changes", done.Summary)
	}
	for _, c := range r.now.Load().pending {
		r.host.log.Warn("host."+c.Path+" takes effect when the host is started again", "now", fmt.Sprint(c.Old), "then", fmt.Sprint(c.New))
	}
	r.host.store.Event(e)
}

// Stats counts the reloads.
func (r *reloads) Stats() ReloadStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// keep bounds what is remembered of tasks, of those alone whose bounds are not what they were: each makes the store look.
func (h *host) keep(was, tasks []task.Definition) {
	known := make(map[string]task.Keep, len(was))
	for _, d := range was {
		known[d.Name] = d.Keep
	}
	for _, d := range tasks {
		if bounds, there := known[d.Name]; there && bounds == d.Keep {
			continue
		}
		h.store.SetKeep(d.Name, d.Keep)
		h.logs.SetQuota(d.Name, d.Keep.Logs)
	}
}

// rename gives what a task has left to its new name. See supervisor.Config.
func (h *host) rename(ctx context.Context, from, to string) error {
	err := h.store.Rename(ctx, from, to)
	if taken, ok := errors.AsType[*task.Error](err); ok && taken.Code == store.CodeNameTaken {
		h.log.Warn(taken.Detail, "remedy", taken.Remedy)
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.logs.Rename(from, to); err != nil {
		h.log.Warn("the log of a renamed task stays where it is", "task", to, "was", from, "err", err)
	}
	return nil
}
