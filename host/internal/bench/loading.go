package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// loading is row 12: how late runs are while a crowd stands at the door: readers of events, some of whom never read,
// clients that trickle their headers, and ten thousand requests at any time.
func (b *bench) loading(ctx context.Context) ([]budget, error) {
	b.sayf("%d tasks at 10 Hz, and %d requests at once", b.many, b.flood)
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	h, err := b.startHostAt(addr, group{name: "probe", count: b.many, opens: true, body: "  process = \"task\"\n  periodic {\n    every = \"100ms\"\n  }"})
	if err != nil {
		return nil, err
	}
	alone, loaded, seen, err := b.besiege(ctx, h, addr)
	peak, peakErr := peakMemory(h.cmd.Process.Pid)
	if err = errors.Join(err, peakErr, h.finish()); err != nil {
		return nil, err
	}
	n, err := readNotes(h.notes)
	if err != nil {
		return nil, err
	}
	quiet, late := n.lateness(alone), n.lateness(loaded)
	name := fmt.Sprintf("late, %d tasks at 10 Hz, %d requests at once, ", b.many, b.flood)
	return []budget{
		{row: 12, name: name + "p50", measured: timeOf(late.median()), floor: timeOf(quiet.median())},
		{row: 12, name: name + "p99", measured: timeOf(late.p99()), floor: timeOf(quiet.p99()), limit: timeOf(5 * time.Millisecond),
			note: fmt.Sprintf("%d runs; the floor is the same host left alone", len(late))},
		{row: 12, name: name + "max", measured: timeOf(late.max()), floor: timeOf(quiet.max())},
		{row: 12, name: "requests answered or refused meanwhile", measured: rateOf(int(seen.Accepted+seen.Refused), loaded.length()), note: seen.String()},
		{row: 12, name: "memory of the host, at its peak", measured: quantity{float64(peak), inBytes}, limit: quantity{400e6, inBytes}},
	}, nil
}

// besiege leaves the host alone for a window, and has the crowd come in another one.
func (b *bench) besiege(ctx context.Context, h *host, addr string) (alone, loaded window, seen tally, err error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := awaitOpen(up, h.notes, b.many, h.ended); err != nil {
		return alone, loaded, seen, err
	}
	if alone, _, err = b.watch(ctx, h.subject); err != nil {
		return alone, loaded, seen, err
	}
	token, err := os.ReadFile(filepath.Join(filepath.Dir(h.notes), "data", "admin.token"))
	if err != nil {
		return alone, loaded, seen, err
	}
	loaded.from = time.Now()
	seen, err = b.standBeside(ctx, addr, strings.TrimSpace(string(token)), b.flood, b.window)
	loaded.to = time.Now()
	return alone, loaded, seen, errors.Join(err, sleep(ctx, b.settle/4))
}
