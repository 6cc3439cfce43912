package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

func (r *reloads) hold(l Loaded) *held {
	return &held{config: l.Config, snapshot: plan.Of(l.Config, r.key), files: l.sources.Files(), plugins: pluginsOf(l.Config), pending: []admin.Changed{}}
}

func (r *reloads) set(now *held) {
	for _, p := range now.config.Plugins {
		r.versions.Store([2]string{p.Name, p.Digest}, p.Description.Version)
	}
	r.now.Store(now)
}

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

// load reads the configuration beside the one that holds, into the same data directory: the files as they are, or those of an
// earlier generation.
func (r *reloads) load(ctx context.Context, generation int) (*held, Loaded, error) {
	var files []config.File
	if generation > 0 {
		var err error
		if files, err = r.filesOf(ctx, generation); err != nil {
			return nil, Loaded{}, err
		}
	}
	select {
	case r.loads <- struct{}{}:
		defer func() { <-r.loads }()
	case <-ctx.Done():
		return nil, Loaded{}, ctx.Err()
	}
	l := r.loadStill(ctx, files)
	if err := ctx.Err(); err != nil {
		return nil, l, err
	}
	if l.Failed() {
		return nil, l, &api.ConfigInvalid{Diagnostics: diagnosticsOf(l)}
	}
	if empty := emptied(r.now.Load().files, l.sources.Files()); len(empty) > 0 {
		return nil, l, &api.ConfigInvalid{Diagnostics: empty}
	}
	if l.catalog == nil {
		l.catalog = r.host.catalog
	}
	next := r.hold(l)
	if generation > 0 {
		next.moveBack(r.now.Load().config)
	}
	return next, l, nil
}

// moveBack gives the tasks that have another name now the names that the files of an earlier generation have for them.
func (h *held) moveBack(now *config.Config) {
	var moves []task.Move
	for _, m := range now.Moves {
		moves = append(moves, task.Move{From: m.To, To: m.From})
	}
	h.config.Moves = append(moves, h.config.Moves...)
	h.snapshot = h.snapshot.Moved(h.config.Moves)
}

// rereads is how often files that change while they are read are read again.
const rereads = 5

// loadStill loads files, and again as long as somebody writes them meanwhile.
func (r *reloads) loadStill(ctx context.Context, files []config.File) (l Loaded) {
	source := r.host.options.Source
	for range rereads {
		l = load(ctx, source, loading{
			files:   files,
			catalog: func(string) *catalog.Catalog { return r.host.catalog },
			key:     func(string) ([]byte, error) { return r.key, nil },
		})
		if files != nil || ctx.Err() != nil || len(drifted(l.sources.Files(), config.ReadAgain(source.Paths, source.VarFiles))) == 0 {
			break
		}
	}
	return l
}

// emptied finds files in which nothing is any more. Whoever empties a file on purpose can say so with a comment in it; one
// that is just being written would take all its tasks away.
func emptied(was, is []config.File) (found []admin.Diagnostic) {
	for _, f := range is {
		held := slices.ContainsFunc(was, func(old config.File) bool { return old.Path == f.Path && len(old.Text) > 0 })
		if held && len(f.Text) == 0 {
			found = append(found, admin.Diagnostic{
				Severity: "error", File: f.Path, Line: 1, Column: 1, Summary: "the file is empty now; it may be about to be written",
				Hint: "reload again when it is complete; to have nothing in it, leave a comment there",
			})
		}
	}
	return found
}

// drifted names the files that differ, came or went.
func drifted(was, is []config.File) []string {
	out := []string{}
	known := map[string]string{}
	for _, f := range was {
		known[f.Path] = string(f.Text)
	}
	for _, f := range is {
		if text, there := known[f.Path]; !there || text != string(f.Text) {
			out = append(out, f.Path)
		}
		delete(known, f.Path)
	}
	for path := range known {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// filesOf are the files of a generation.
func (r *reloads) filesOf(ctx context.Context, number int) ([]config.File, error) {
	_, _, found, err := r.host.store.Generation(ctx, number)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, unknownGeneration(number)
	}
	files, err := r.files.read(number)
	if err != nil {
		return nil, &task.Error{Code: api.CodeGenerationUnknown, Detail: fmt.Sprintf("the files of generation %d are not there any more: %v", number, err), Remedy: "bring the files themselves back to what they were, and reload"}
	}
	if files == nil {
		files = []config.File{}
	}
	return files, nil
}

func diagnosticsOf(l Loaded) []admin.Diagnostic {
	out := []admin.Diagnostic{}
	for _, d := range l.Diagnostics() {
		out = append(out, admin.Diagnostic(d))
	}
	return out
}

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
	if err := h.fleet.Apply(ctx, next.generation()); err != nil {
		r.set(old)
		h.queues.Define(old.config.Queues, old.config.Tasks)
		return err
	}
	r.retire(ctx)
	return nil
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

// retire removes the files of generations, and the copies of plugins, that nobody needs any more.
func (r *reloads) retire(ctx context.Context) {
	known, err := r.host.store.Generations(ctx)
	if err == nil {
		err = r.files.retire(func(number int) bool {
			return number == r.number() || slices.ContainsFunc(known, func(a task.Applied) bool { return a.Number == number })
		})
	}
	if err == nil {
		err = r.prunePlugins(known)
	}
	if err != nil {
		r.host.log.Warn("cannot remove what is left of old generations", "err", err)
	}
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
