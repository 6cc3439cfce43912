package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// driven is what was seen of a host, or of a bare one, while its tasks ran.
type driven struct {
	late   figures
	up     time.Duration // from its start until all were open
	memory int64         // bytes at the end of the window
	cpu    float64       // processors in use in the window
	stop   time.Duration // until all had ended; only of a bare one
}

// watch measures a host whose tasks are open: it waits until they have settled, and then for the window.
func (b *bench) watch(ctx context.Context, s *subject) (window, driven, error) {
	if err := sleep(ctx, b.settle); err != nil {
		return window{}, driven{}, err
	}
	before, err := usageOf(s.cmd.Process.Pid)
	if err != nil {
		return window{}, driven{}, err
	}
	w := window{from: time.Now()}
	if err := sleep(ctx, b.window); err != nil {
		return window{}, driven{}, err
	}
	w.to = time.Now()
	after, err := usageOf(s.cmd.Process.Pid)
	if err != nil {
		return window{}, driven{}, err
	}
	used := driven{memory: after.resident, cpu: (after.cpu - before.cpu).Seconds() / w.length().Seconds()}
	return w, used, sleep(ctx, b.settle/4) // so that no run of the window is cut off
}

// observe waits for all probes of s, watches it, ends it and reads what the probes noted.
func (b *bench) observe(ctx context.Context, s *subject, path string, count int) (d driven, err error) {
	finished := false
	defer func() {
		if !finished {
			err = errors.Join(err, s.finish())
		}
	}()
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := awaitOpen(up, path, count, s.ended); err != nil {
		return driven{}, err
	}
	w, d, err := b.watch(ctx, s)
	if err != nil {
		return driven{}, err
	}
	finished = true
	if err := s.finish(); err != nil {
		return driven{}, err
	}
	n, err := readNotes(path)
	if err != nil {
		return driven{}, err
	}
	d.late, d.up = n.lateness(w), n.allOpen().Sub(s.began)
	return d, nil
}

// observeHost measures a host whose tasks run at a fixed rate in resident processes.
func (b *bench) observeHost(ctx context.Context, count int, every time.Duration) (driven, error) {
	h, err := b.startHost(group{name: "probe", count: count, opens: true,
		body: fmt.Sprintf("  process = \"task\"\n  periodic {\n    every = %q\n  }", every)})
	if err != nil {
		return driven{}, err
	}
	return b.observe(ctx, h.subject, h.notes, count)
}

// observeBare measures the bare host with the same probes, so many in each process, at the same rate.
func (b *bench) observeBare(ctx context.Context, count, share int, every time.Duration) (driven, error) {
	s, notes, err := b.bareFleet(count, share, every)
	if err != nil {
		return driven{}, err
	}
	d, err := b.observe(ctx, s, notes, count)
	if err != nil {
		return driven{}, err
	}
	var result struct{ Stop time.Duration }
	err = json.Unmarshal(s.out.Bytes(), &result)
	d.stop = result.Stop
	return d, err
}

// sleep waits for d unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
