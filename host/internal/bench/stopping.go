package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// stopping is row 5: a graceful stop of idle tasks.
func (b *bench) stopping(ctx context.Context) ([]budget, error) {
	b.sayf("a graceful stop of %d idle tasks", b.idle)
	bare, err := b.observeStop(ctx)
	if err != nil {
		return nil, err
	}
	h, err := b.startHost(group{name: "probe", count: b.idle, opens: true, body: "  process = \"task\"\n  periodic {\n    every = \"1h\"\n  }"})
	if err != nil {
		return nil, err
	}
	took, err := b.stopAgainAndAgain(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, err
	}
	return []budget{{row: 5, name: fmt.Sprintf("graceful stop of %d idle tasks", b.idle), measured: timeOf(newFigures(took).median()), floor: timeOf(bare),
		limit: timeOf(200 * time.Millisecond), note: "floor: the same of a bare go-plugin host"}}, nil
}

// observeStop is how long a bare host needs to stop as many.
func (b *bench) observeStop(ctx context.Context) (time.Duration, error) {
	s, notes, err := b.bareFleet(b.idle, 1, 0)
	if err != nil {
		return 0, err
	}
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	err = awaitOpen(up, notes, b.idle, s.ended)
	if err = errors.Join(err, s.finish()); err != nil {
		return 0, err
	}
	var result struct{ Stop time.Duration }
	err = json.Unmarshal(s.out.Bytes(), &result)
	return result.Stop, err
}

// stopAgainAndAgain stops all tasks over the API and starts them again.
func (b *bench) stopAgainAndAgain(ctx context.Context, h *host) ([]time.Duration, error) {
	var took []time.Duration
	for i := range b.stops {
		up, cancel := context.WithTimeout(ctx, b.patient)
		err := awaitOpen(up, h.notes, b.idle*(i+1), h.ended)
		cancel()
		if err != nil {
			return nil, err
		}
		if err := sleep(ctx, b.settle); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := act(ctx, h.api, "stop", b.idle); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if err := act(ctx, h.api, "start", b.idle); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// act does a verb to all tasks and waits until it is done.
func act(ctx context.Context, api *admin.Client, verb string, count int) error {
	r, done, err := api.Act(ctx, admin.Action{Verb: verb, Select: admin.Select{"name": "*"}}, patience)
	if err != nil {
		return err
	}
	if !done || r.Matched != count {
		return fmt.Errorf("%s all: done %t, %d tasks of %d", verb, done, r.Matched, count)
	}
	for _, one := range r.Results {
		if one.Problem != nil {
			return fmt.Errorf("%s all: %w", verb, one.Problem)
		}
	}
	return nil
}
