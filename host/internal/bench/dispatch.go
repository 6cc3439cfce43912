package main

import (
	"context"
	"fmt"
	"time"
)

// dispatch is row 1: how long after its slot a function is entered.
func (b *bench) dispatch(ctx context.Context) ([]budget, error) {
	pace := 100 * time.Millisecond / time.Duration(b.many)
	b.sayf("round trips on a bare gRPC stream")
	var floor struct{ Busy, Paced []int64 }
	if err := b.floor(ctx, &floor, "stream", "-n", fmt.Sprint(b.trips), "-peers", fmt.Sprint(b.many), "-pace", pace.String()); err != nil {
		return nil, err
	}
	busy, paced := newFigures(floor.Busy), newFigures(floor.Paced)
	d, err := b.atTenHertz(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("dispatch, %d tasks at 10 Hz, ", b.many)
	return []budget{
		{row: 1, name: name + "p50", measured: timeOf(d.late.median()), floor: timeOf(paced.median()), ratio: 2,
			note: "floor: a round trip, at the same rate to as many processes; back to back to one it takes " + timeOf(busy.median()).String()},
		{row: 1, name: name + "p99", measured: timeOf(d.late.p99()), floor: timeOf(paced.p99()), limit: timeOf(2 * time.Millisecond),
			note: fmt.Sprintf("%d runs", len(d.late))},
	}, nil
}
