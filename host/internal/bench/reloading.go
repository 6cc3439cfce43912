package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// reloads is how often row 9 plans and reloads.
const reloads = 10

// reloading is row 9: how long a plan of a thousand tasks takes, and how much a reload of one of them disturbs the others.
func (b *bench) reloading(ctx context.Context) (_ []budget, err error) {
	b.sayf("a plan of %d tasks", b.fleet)
	plan, err := b.planning(ctx)
	if err != nil {
		return nil, err
	}
	b.sayf("%d reloads of one task among %d at 1 Hz", reloads, b.fleet)
	quiet, disturbed, err := b.disturbing(ctx)
	if err != nil {
		return nil, err
	}
	return []budget{
		{row: 9, name: fmt.Sprintf("plan, one of %d tasks changed", b.fleet), measured: timeOf(plan), limit: timeOf(time.Second)},
		{row: 9, name: fmt.Sprintf("late, %d processes at 1 Hz, one reloaded, p50", b.fleet), measured: timeOf(disturbed.median()), floor: timeOf(quiet.median())},
		{row: 9, name: fmt.Sprintf("late, %d processes at 1 Hz, one reloaded, p99", b.fleet), measured: timeOf(disturbed.p99()), floor: timeOf(quiet.p99()),
			limit: timeOf(quiet.p99() + 5*time.Millisecond), note: fmt.Sprintf("%d runs; the floor is the same host left alone", len(disturbed))},
		{row: 9, name: fmt.Sprintf("late, %d processes at 1 Hz, one reloaded, max", b.fleet), measured: timeOf(disturbed.max()), floor: timeOf(quiet.max())},
	}, nil
}

// planning takes the slowest of a few plans of a host whose tasks rest.
func (b *bench) planning(ctx context.Context) (slowest time.Duration, err error) {
	h, err := b.startHost(group{name: "rest", count: b.fleet, body: "  on_demand {}"})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.finish()) }()
	if err := h.ready(ctx); err != nil {
		return 0, err
	}
	for n := range reloads {
		if err := h.rewrite("rest-0000", n); err != nil {
			return 0, err
		}
		began := time.Now()
		p, err := h.api.Plan(ctx, 0)
		if err != nil {
			return 0, err
		}
		slowest = max(slowest, time.Since(began))
		if changed := changedTasks(p); len(changed) != 1 {
			return 0, fmt.Errorf("the plan changes %d tasks, not one", len(changed))
		}
	}
	return slowest, nil
}

func changedTasks(p admin.Plan) []admin.TaskChange {
	return slices.DeleteFunc(p.Tasks, func(c admin.TaskChange) bool { return c.Change == admin.NoChange })
}

// rewrite gives the task another restart-worthy attribute in the config of its host.
func (h *host) rewrite(name string, n int) error {
	path := filepath.Join(filepath.Dir(h.notes), "config.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(text), fmt.Sprintf("task %q {\n", name))
	if !found {
		return fmt.Errorf("%s declares no task %q", path, name)
	}
	if strings.HasPrefix(after, "  env = ") {
		_, after, _ = strings.Cut(after, "\n")
	}
	changed := fmt.Sprintf("%stask %q {\n  env = { N = \"%d\" }\n%s", before, name, n, after)
	return os.WriteFile(path, []byte(changed), 0o600)
}

// disturbing measures the lateness of a thousand tasks at 1 Hz, first left alone and then while one more is changed
// and reloaded again and again. That one does not count: it restarts.
func (b *bench) disturbing(ctx context.Context) (quiet, disturbed figures, err error) {
	body := "  process = \"task\"\n  periodic {\n    every = \"1s\"\n  }"
	h, err := b.startHost(group{name: "beat", count: b.fleet, opens: true, body: body}, group{name: "changed", count: 1, body: body, aside: true})
	if err != nil {
		return nil, nil, err
	}
	alone, reloaded, err := b.reloadAgainAndAgain(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, nil, err
	}
	n, err := readNotes(h.notes)
	return n.lateness(alone), n.lateness(reloaded), err
}

// reloadAgainAndAgain leaves the host alone for a window, and reloads it in another one.
func (b *bench) reloadAgainAndAgain(ctx context.Context, h *host) (alone, reloaded window, err error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := awaitOpen(up, h.notes, b.fleet, h.ended); err != nil {
		return alone, reloaded, err
	}
	if alone, _, err = b.watch(ctx, h.subject); err != nil {
		return alone, reloaded, err
	}
	reloaded.from = time.Now()
	for n := range reloads {
		if err := h.rewrite("changed-0000", n); err != nil {
			return alone, reloaded, err
		}
		done, err := h.api.Apply(ctx, admin.Apply{}, 0)
		if err == nil && len(changedTasks(done.Plan)) != 1 {
			err = fmt.Errorf("the reload did something else: %s", done.Plan.Summary)
		}
		if err == nil {
			err = sleep(ctx, b.window/reloads)
		}
		if err != nil {
			return alone, reloaded, err
		}
	}
	reloaded.to = time.Now()
	return alone, reloaded, sleep(ctx, b.settle/4)
}
