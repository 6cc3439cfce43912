package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// launch is row 2: from a request to the entered function in a new process.
func (b *bench) launch(ctx context.Context) (_ []budget, err error) {
	b.sayf("%d launches", b.starts)
	var floor struct{ Handshake, Answering []int64 }
	if err := b.floor(ctx, &floor, "launch", "-plugin", b.probe(), "-n", fmt.Sprint(b.starts)); err != nil {
		return nil, err
	}
	h, err := b.startHost(group{name: "job", count: 1, body: "  process = \"run\"\n  on_demand {}"})
	if err != nil {
		return nil, err
	}
	asked, err := b.askForRuns(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, err
	}
	n, err := readNotes(h.notes)
	if err != nil {
		return nil, err
	}
	if len(n.runs) != len(asked) {
		return nil, fmt.Errorf("measure launches: %d runs were asked for, %d were entered", len(asked), len(n.runs))
	}
	took := make([]time.Duration, len(asked))
	for i, at := range asked {
		took[i] = n.runs[i].entered.Sub(at)
	}
	handshake, answering := newFigures(floor.Handshake), newFigures(floor.Answering)
	return []budget{{row: 2, name: "launch, request → function entered, p50", measured: timeOf(newFigures(took).median()), floor: timeOf(handshake.median()), ratio: 1.5,
		note: "floor: exec + handshake; with its first answer " + timeOf(answering.median()).String()}}, nil
}

// askForRuns starts runs one after the other and returns when each was asked for.
func (b *bench) askForRuns(ctx context.Context, h *host) ([]time.Time, error) {
	if err := h.ready(ctx); err != nil {
		return nil, err
	}
	var asked []time.Time
	for range b.starts {
		at := time.Now()
		r, err := h.api.StartRun(ctx, "job-0000", admin.RunRequest{}, "", patience)
		if err != nil {
			return nil, err
		}
		if r.Outcome != "succeeded" {
			return nil, fmt.Errorf("measure launches: run %s ended %s: %+v", r.ID, r.Outcome, r.Error)
		}
		asked = append(asked, at)
	}
	return asked, nil
}
