package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// pythonPipeline is the same pipeline as an asyncio program.
const pythonPipeline = "examples/05-pipeline/python/pipeline.py"

// pipeline is row 7: scrape and forward, against an asyncio program that keeps everything in memory.
func (b *bench) pipeline(ctx context.Context) ([]budget, error) {
	w := newWeb()
	defer w.close()
	line := budget{row: 7, name: fmt.Sprintf("pipeline, %d pages, 32 posters", b.pages), ratio: 5, atLeast: true}
	b.sayf("%d pages through the pipeline of examples/05-pipeline", b.pages)
	var err error
	if line.measured, line.note, err = b.hostPipeline(ctx, w); err != nil {
		return nil, err
	}
	line.note = "floor: asyncio and aiohttp, in memory; " + line.note
	inGo, note, err := b.goPipeline(ctx, w)
	if err != nil {
		return nil, err
	}
	if exec.Command("/usr/bin/python3", "-c", "import aiohttp").Run() != nil {
		line.note = "no floor: python3-aiohttp is not installed"
		return []budget{line}, nil
	}
	b.sayf("the same through its asyncio version, and through a Go program")
	if line.floor, err = b.pythonPipeline(ctx, w); err != nil {
		return nil, err
	}
	return []budget{line, {row: 7, name: "the same in one Go program, in memory", measured: inGo, note: note, floor: line.floor}}, nil
}

// goPipeline is the rate of the same pipeline as one Go program, and what a page costs there: no more is to be had on this
// machine beside the site, the sink and the posters.
func (b *bench) goPipeline(ctx context.Context, w *web) (rate quantity, note string, err error) {
	address, err := freeAddress()
	if err != nil {
		return quantity{}, "", err
	}
	s, err := b.start("the Go pipeline", exec.Command(b.path("bare"), "pipeline", "-listen", address, "-sink", w.sink.URL))
	if err != nil {
		return quantity{}, "", err
	}
	if err = listening(ctx, "tcp", address, s); err == nil {
		rate, note, err = b.through(ctx, w, newIntake("tcp", address, "/v1/queues/urls/messages"), s)
	}
	return rate, note, errors.Join(err, s.finish())
}

// freeAddress is one that nobody listens at.
func freeAddress() (string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return free.Addr().String(), free.Close()
}

func (b *bench) hostPipeline(ctx context.Context, w *web) (quantity, string, error) {
	h, err := b.startHost(group{extra: fmt.Sprintf(`
queue "urls" {
  max_messages = 1000000
}
queue "pages" {
  max_messages = 1000000
}
task "scrape" {
  plugin = "http"
  type   = "fetch"
  continuous {}
  consume "urls" {
    concurrency = 8
  }
  output "pages" {
    queue = "pages"
  }
}
task "forward" {
  plugin = "http"
  type   = "forward"
  continuous {}
  consume "pages" {
    concurrency = 4
  }
  config {
    url = %q
  }
}
`, w.sink.URL)})
	if err != nil {
		return quantity{}, "", err
	}
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	err = h.ready(up)
	var rate quantity
	var note string
	if err == nil {
		rate, note, err = b.through(ctx, w, h.intake("urls"), h.subject)
	}
	return rate, note, errors.Join(err, h.finish())
}

func (b *bench) pythonPipeline(ctx context.Context, w *web) (quantity, error) {
	address, err := freeAddress()
	if err != nil {
		return quantity{}, err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return quantity{}, err
	}
	script := filepath.Join(strings.TrimSpace(string(root)), pythonPipeline)
	s, err := b.start("the asyncio pipeline", exec.Command("/usr/bin/python3", script, "--listen", address, "--sink", w.sink.URL))
	if err != nil {
		return quantity{}, err
	}
	in := newIntake("tcp", address, "/v1/queues/urls/messages")
	err = listening(ctx, "tcp", address, s)
	var rate quantity
	if err == nil {
		rate, _, err = b.through(ctx, w, in, s)
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	<-s.ended
	return rate, err
}

// listening waits until somebody takes connections.
func listening(ctx context.Context, network, address string, s *subject) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if c, err := net.Dial(network, address); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended before it listened", s.name)
		default:
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// through posts all addresses and waits until all pages have arrived. note says what a page has cost.
func (b *bench) through(ctx context.Context, w *web, in *intake, s *subject) (rate quantity, note string, err error) {
	arrived, bodies := w.expect(b.pages), messages(b.pages, w.address)
	before, err := splitOf(s.cmd.Process.Pid)
	if err != nil {
		return quantity{}, "", err
	}
	began := time.Now()
	if _, err := in.postAll(ctx, 32, bodies); err != nil {
		return quantity{}, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	select {
	case <-arrived:
		rate = rateOf(b.pages, time.Since(began))
		after, err := splitOf(s.cmd.Process.Pid)
		return rate, after.each(before, b.pages), err
	case <-ctx.Done():
		return quantity{}, "", fmt.Errorf("pages are missing at the sink: %w", ctx.Err())
	}
}

// web is a site with pages of two kilobytes and the sink that they are to reach.
type web struct {
	site, sink *httptest.Server
	mu         sync.Mutex
	seen       map[string]bool
	want       int
	arrived    chan struct{}
}

func newWeb() *web {
	w := &web{seen: map[string]bool{}, arrived: make(chan struct{})}
	page := []byte("<!doctype html><title>a page</title><p>" + strings.Repeat("words and words ", 125))
	w.site = httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) { _, _ = to.Write(page) }))
	w.sink = httptest.NewServer(http.HandlerFunc(w.take))
	return w
}

func (w *web) close() {
	w.site.Close()
	w.sink.Close()
}

// expect begins anew, and returns what is closed when count pages have arrived.
func (w *web) expect(count int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.want, w.arrived = make(map[string]bool, count), count, make(chan struct{})
	return w.arrived
}

func (w *web) address(n int) []byte {
	return fmt.Appendf(nil, `{"url":"%s/page/%d"}`, w.site.URL, n)
}

func (w *web) take(to http.ResponseWriter, r *http.Request) {
	var page struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(r.Body).Decode(&page); err != nil {
		http.Error(to, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[page.URL] {
		return
	}
	if w.seen[page.URL] = true; len(w.seen) == w.want {
		close(w.arrived)
	}
}
