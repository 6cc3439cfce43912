package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// scrapes is how often the metrics are read.
const scrapes = 50

// scraping is row 8: a scrape of the metrics of many tasks, each with a process.
func (b *bench) scraping(ctx context.Context) ([]budget, error) {
	b.sayf("scrapes of %d tasks", b.fleet)
	h, err := b.startHost(group{name: "probe", count: b.fleet, opens: true, body: "  process = \"task\"\n  periodic {\n    every = \"1h\"\n  }"})
	if err != nil {
		return nil, err
	}
	took, size, err := b.scrapeAgainAndAgain(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, err
	}
	return []budget{{row: 8, name: fmt.Sprintf("scrape of the metrics of %d tasks", b.fleet), measured: timeOf(newFigures(took).median()),
		limit: timeOf(20 * time.Millisecond), note: fmt.Sprintf("%d KiB, over the Unix socket", size>>10)}}, nil
}

func (b *bench) scrapeAgainAndAgain(ctx context.Context, h *host) (took []time.Duration, size int64, err error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := awaitOpen(up, h.notes, b.fleet, h.ended); err != nil {
		return nil, 0, err
	}
	if err := sleep(ctx, b.settle); err != nil {
		return nil, 0, err
	}
	client := overSocket(filepath.Join(filepath.Dir(h.notes), "data", "admin.sock"))
	defer client.CloseIdleConnections()
	for range scrapes {
		began := time.Now()
		if size, err = readAll(ctx, client, "http://th/metrics"); err != nil {
			return nil, 0, err
		}
		took = append(took, time.Since(began))
	}
	return took, size, nil
}

// overSocket reaches the host at its socket, whatever the address says.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// readAll takes the whole answer to a GET, and returns how long it is.
func readAll(ctx context.Context, client *http.Client, url string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("read %s: %s", url, answer.Status)
	}
	return n, err
}
