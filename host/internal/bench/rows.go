package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// scale says how much is measured.
type scale struct {
	trips   int           // round trips of the bare stream
	starts  int           // launches
	many    int           // tasks at 10 Hz
	fleet   int           // tasks at 1 Hz
	ahead   int           // tasks of each kind that are launched ahead
	idle    int           // tasks that are stopped
	stops   int           // how often they are
	settle  time.Duration // after all are up, before a window begins
	window  time.Duration // in which lateness and usage are measured
	patient time.Duration // longest wait for all to be up
}

var (
	full  = scale{trips: 10000, starts: 100, many: 100, fleet: 1000, ahead: 20, idle: 100, stops: 5, settle: 3 * time.Second, window: 20 * time.Second, patient: 2 * time.Minute}
	quick = scale{trips: 2000, starts: 20, many: 100, fleet: 200, ahead: 10, idle: 100, stops: 2, settle: time.Second, window: 4 * time.Second, patient: time.Minute}
)

// bench measures the rows; what several rows need is measured once.
type bench struct {
	*lab
	scale
	resident *driven // the host with many tasks at 10 Hz
	fleets   *fleets
}

// rows are the lines of the table by number.
var rows = []func(*bench, context.Context) ([]budget, error){
	(*bench).dispatch, (*bench).launch, (*bench).punctuality, (*bench).footprint, (*bench).stopping,
}

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

// observeBare measures the bare host with the same probes at the same rate.
func (b *bench) observeBare(ctx context.Context, count int, every time.Duration) (driven, error) {
	s, notes, err := b.bareFleet(count, every)
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

// atTenHertz is the host with many resident tasks at 10 Hz.
func (b *bench) atTenHertz(ctx context.Context) (driven, error) {
	if b.resident != nil {
		return *b.resident, nil
	}
	b.sayf("%d tasks at 10 Hz", b.many)
	d, err := b.observeHost(ctx, b.many, 100*time.Millisecond)
	if err == nil {
		b.resident = &d
	}
	return d, err
}

// fleets are the host and the bare host with a thousand processes each.
type fleets struct{ host, bare driven }

func (b *bench) atOneHertz(ctx context.Context) (fleets, error) {
	if b.fleets != nil {
		return *b.fleets, nil
	}
	var f fleets
	var err error
	b.sayf("a bare go-plugin host with %d processes at 1 Hz", b.fleet)
	if f.bare, err = b.observeBare(ctx, b.fleet, time.Second); err != nil {
		return f, err
	}
	b.sayf("%d tasks in %d processes at 1 Hz", b.fleet, b.fleet)
	if f.host, err = b.observeHost(ctx, b.fleet, time.Second); err != nil {
		return f, err
	}
	b.fleets = &f
	return f, nil
}

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

// punctuality is row 3: how late runs are, with many tasks, many processes, and a process per run.
func (b *bench) punctuality(ctx context.Context) ([]budget, error) {
	fast, err := b.atTenHertz(ctx)
	if err != nil {
		return nil, err
	}
	b.sayf("a bare go-plugin host with %d processes at 10 Hz", b.many)
	bare, err := b.observeBare(ctx, b.many, 100*time.Millisecond)
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

// footprint is row 4: what the host itself needs for many processes.
func (b *bench) footprint(ctx context.Context) ([]budget, error) {
	f, err := b.atOneHertz(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d processes: ", b.fleet)
	memory := func(d driven) quantity { return quantity{float64(d.memory), bytes} }
	cpu := func(d driven) quantity { return quantity{d.cpu, processors} }
	return []budget{
		{row: 4, name: name + "memory of the host", measured: memory(f.host), floor: memory(f.bare), ratio: 1.2, note: "floor: a bare go-plugin host"},
		{row: 4, name: name + "processor of the host", measured: cpu(f.host), floor: cpu(f.bare), ratio: 1.2, note: "both start every task once a second; 100 % is one processor"},
		{row: 4, name: name + "all up", measured: timeOf(f.host.up), floor: timeOf(f.bare.up), ratio: 1.2},
	}, nil
}

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
	s, notes, err := b.bareFleet(b.idle, 0)
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
