package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

const (
	listed  = 100 // tasks
	readers = 8   // connections
)

// listing is row 11: how many lists of tasks the API answers.
func (b *bench) listing(ctx context.Context) ([]budget, error) {
	b.sayf("lists of %d tasks over %d connections", listed, readers)
	h, err := b.startHost(group{name: "probe", count: listed, opens: true, body: "  process = \"task\"\n  periodic {\n    every = \"1h\"\n  }"})
	if err != nil {
		return nil, err
	}
	took, size, rate, err := b.listAgainAndAgain(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, err
	}
	f := newFigures(took)
	name := fmt.Sprintf("GET /v1/tasks of %d tasks, %d connections", listed, readers)
	return []budget{
		{row: 11, name: name, measured: rate, limit: quantity{10000, perSecond}, atLeast: true, note: fmt.Sprintf("%d KiB each, over the Unix socket", size>>10)},
		{row: 11, name: name + ", p99", measured: timeOf(f.p99()), limit: timeOf(8 * time.Millisecond)},
	}, nil
}

func (b *bench) listAgainAndAgain(ctx context.Context, h *host) (took []time.Duration, size int64, rate quantity, err error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := awaitOpen(up, h.notes, listed, h.ended); err != nil {
		return nil, 0, rate, err
	}
	if err := sleep(ctx, b.settle); err != nil {
		return nil, 0, rate, err
	}
	socket := filepath.Join(filepath.Dir(h.notes), "data", "admin.sock")
	var all sync.WaitGroup
	done := make([]listings, readers)
	began := time.Now()
	until := began.Add(b.window / 2)
	for i := range done {
		all.Go(func() { done[i].ask(ctx, socket, until) })
	}
	all.Wait()
	spent := time.Since(began)
	for _, one := range done {
		took, size, err = append(took, one.took...), one.size, errors.Join(err, one.err)
	}
	return took, size, rateOf(len(took), spent), err
}

// listings are what one connection has got.
type listings struct {
	took []time.Duration
	size int64 // of one answer
	err  error
}

// ask asks again and again over one connection. It writes the request and reads the answer itself, because an http.Client takes
// processor time that the host would need.
func (l *listings) ask(ctx context.Context, socket string, until time.Time) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		l.err = err
		return
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	request := []byte("GET /v1/tasks HTTP/1.1\r\nHost: th\r\n\r\n")
	for time.Now().Before(until) && ctx.Err() == nil && l.err == nil {
		began := time.Now()
		if _, l.err = conn.Write(request); l.err == nil {
			l.size, l.err = discardAnswer(in)
		}
		l.took = append(l.took, time.Since(began))
	}
}

// discardAnswer reads a whole answer, which must be 200, and returns how long its body is.
func discardAnswer(in *bufio.Reader) (int64, error) {
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("list the tasks: %s", answer.Status)
	}
	return n, err
}
