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
	if err := b.floor(ctx, &floor, "stream", "-n", fmt.Sprint(b.trips), "-pace", pace.String()); err != nil {
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
			note: "floor: round trips at the same rate; back to back they take " + timeOf(busy.median()).String()},
		{row: 1, name: name + "p99", measured: timeOf(d.late.p99()), floor: timeOf(paced.p99()), limit: timeOf(2 * time.Millisecond),
			note: fmt.Sprintf("%d runs", len(d.late))},
	}, nil
}
