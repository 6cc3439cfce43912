package main

import (
	"context"
	"fmt"
)

// footprint is row 4: what the host itself needs for many processes.
func (b *bench) footprint(ctx context.Context) ([]budget, error) {
	f, err := b.atOneHertz(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d processes: ", b.fleet)
	memory := func(d driven) quantity { return quantity{float64(d.memory), inBytes} }
	cpu := func(d driven) quantity { return quantity{d.cpu, inProcessors} }
	return []budget{
		{row: 4, name: name + "memory of the host", measured: memory(f.host), floor: memory(f.bare), ratio: 1.2, note: "floor: a bare go-plugin host"},
		{row: 4, name: name + "processor of the host", measured: cpu(f.host), floor: cpu(f.bare), ratio: 1.2, note: "both start every task once a second; 100 % is one processor"},
		{row: 4, name: name + "all up", measured: timeOf(f.host.up), floor: timeOf(f.bare.up), ratio: 1.2},
	}, nil
}
