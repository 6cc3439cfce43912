package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// punctuality is row 3: how late runs are, with many tasks, many processes, and a process per run.
func (b *bench) punctuality(ctx context.Context) ([]budget, error) {
	fast, err := b.atTenHertz(ctx)
	if err != nil {
		return nil, err
	}
	b.sayf("a bare go-plugin host with %d processes at 10 Hz", b.many)
	bare, err := b.observeBare(ctx, b.many, 1, 100*time.Millisecond)
	if err != nil {
		return nil, err
	}
	wide, err := b.atOneHertz(ctx)
	if err != nil {
		return nil, err
	}
	out := lateness(fmt.Sprintf("%d tasks at 10 Hz, ", b.many), fast.late, bare.late, quantity{})
	out = append(out, lateness(fmt.Sprintf("%d processes at 1 Hz, ", b.fleet), wide.host.late, wide.bare.late, timeOf(5*time.Millisecond))...)
	ahead, err := b.launchedAhead(ctx)
	return append(out, ahead...), err
}

// lateness is the three lines of one comparison; limit is that of the 99th percentile.
func lateness(name string, late, floor figures, limit quantity) []budget {
	runs := fmt.Sprintf("%d runs; the floor is a bare go-plugin host's lateness", len(late))
	return []budget{
		{row: 3, name: "late, " + name + "p50", measured: timeOf(late.median()), floor: timeOf(floor.median())},
		{row: 3, name: "late, " + name + "p99", measured: timeOf(late.p99()), floor: timeOf(floor.p99()), limit: limit, note: runs},
		{row: 3, name: "late, " + name + "max", measured: timeOf(late.max()), floor: timeOf(floor.max())},
	}
}

// launchedAhead compares tasks whose process is started for each run with resident ones, in one host.
func (b *bench) launchedAhead(ctx context.Context) ([]budget, error) {
	b.sayf("%d tasks of each kind that are launched ahead of their slots", b.ahead)
	var hosts [3]figures
	// One kind at a time: the launches of one would delay the runs of another.
	for i, process := range []string{`process = "task"`, `process = "run"`, `process = "auto"
  idle = "500ms"`} {
		h, err := b.startHost(group{name: "probe", count: b.ahead, body: "  " + process + "\n  periodic {\n    every = \"2s\"\n  }"})
		if err != nil {
			return nil, err
		}
		w := window{}
		err = h.ready(ctx)
		if err == nil {
			w, _, err = b.watch(ctx, h.subject)
		}
		if err = errors.Join(err, h.finish()); err != nil {
			return nil, err
		}
		n, err := readNotes(h.notes)
		if err != nil {
			return nil, err
		}
		hosts[i] = n.lateness(w)
	}
	var out []budget
	for i, name := range []string{"run", "auto, ended between runs"} {
		late, resident := hosts[i+1], hosts[0]
		out = append(out,
			budget{row: 3, name: "late, launched ahead, " + name + ", p50", measured: timeOf(late.median()), floor: timeOf(resident.median()), ratio: 1.5,
				note: fmt.Sprintf("%d runs; the floor is a resident process", len(late))},
			budget{row: 3, name: "late, launched ahead, " + name + ", p99", measured: timeOf(late.p99()), floor: timeOf(resident.p99())},
			budget{row: 3, name: "late, launched ahead, " + name + ", max", measured: timeOf(late.max()), floor: timeOf(resident.max())})
	}
	return out, nil
}
