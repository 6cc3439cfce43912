package main

import (
	"context"
	"time"
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
	posts   int           // messages for each number of posters
	pages   int           // that go through the pipeline
	checked int           // http checks in shared processes
	spawns  int           // commands, one for each message
	crowd   int           // tasks at 1 Hz in shared processes
	flood   int           // requests at once
	settle  time.Duration // after all are up, before a window begins
	window  time.Duration // in which lateness and usage are measured
	patient time.Duration // longest wait for all to be up

	checkEvery time.Duration // of an http check
}

var (
	full  = scale{trips: 10000, starts: 100, many: 100, fleet: 1000, ahead: 20, idle: 100, stops: 5, posts: 40000, pages: 10000, settle: 3 * time.Second, window: 20 * time.Second, patient: 2 * time.Minute, checked: 200, checkEvery: 30 * time.Second, crowd: 10000, flood: 10000, spawns: 2000}
	quick = scale{trips: 2000, starts: 20, many: 100, fleet: 200, ahead: 10, idle: 100, stops: 2, posts: 8000, pages: 2000, settle: time.Second, window: 4 * time.Second, patient: time.Minute, checked: 200, checkEvery: 2 * time.Second, crowd: 1000, flood: 10000, spawns: 500}
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
	(*bench).dispatch, (*bench).launch, (*bench).punctuality, (*bench).footprint, (*bench).stopping, (*bench).queueing, (*bench).pipeline,
	(*bench).scraping,
	(*bench).reloading,
	(*bench).shared,
	(*bench).listing,
	(*bench).loading,
	(*bench).commands,
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
	if f.bare, err = b.observeBare(ctx, b.fleet, 1, time.Second); err != nil {
		return f, err
	}
	b.sayf("%d tasks in %d processes at 1 Hz", b.fleet, b.fleet)
	if f.host, err = b.observeHost(ctx, b.fleet, time.Second); err != nil {
		return f, err
	}
	b.fleets = &f
	return f, nil
}
