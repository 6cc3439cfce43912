package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/plan"
	"github.com/taskhost/taskhost/host/internal/task"
)

func (r *reloads) hold(l Loaded) *held {
	return &held{config: l.Config, snapshot: plan.Of(l.Config, r.key), files: l.sources.Files(), plugins: pluginsOf(l.Config), pending: []admin.Changed{}}
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
