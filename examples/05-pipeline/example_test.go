package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// world is a site with pages, and the sink that they are to reach.
type world struct {
	site, sink *httptest.Server

	mu      sync.Mutex
	arrived map[string]map[string]int // url → message ids → times
	broken  map[string]int            // how often the site fails for a path before it answers
}

func newWorld(t *testing.T) *world {
	w := &world{arrived: map[string]map[string]int{}, broken: map[string]int{}}
	w.site = httptest.NewServer(http.HandlerFunc(w.page))
	w.sink = httptest.NewServer(http.HandlerFunc(w.take))
	t.Cleanup(w.site.Close)
	t.Cleanup(w.sink.Close)
	return w
}

func (w *world) page(to http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	fails := w.broken[r.URL.Path] > 0
	w.broken[r.URL.Path]--
	w.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/gone"):
		http.NotFound(to, r)
	case fails:
		http.Error(to, "try again", http.StatusBadGateway)
	default:
		fmt.Fprintf(to, "the page at %s", r.URL.Path)
	}
}

func (w *world) take(to http.ResponseWriter, r *http.Request) {
	var page struct{ URL, Body string }
	if err := json.NewDecoder(r.Body).Decode(&page); err != nil || !strings.HasPrefix(page.Body, "the page at /") {
		http.Error(to, "no page", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.arrived[page.URL] == nil {
		w.arrived[page.URL] = map[string]int{}
	}
	w.arrived[page.URL][r.Header.Get("Idempotency-Key")]++
}

// missing are those of urls that have not arrived.
func (w *world) missing(urls []string) (missing []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range urls {
		if len(w.arrived[u]) == 0 {
			missing = append(missing, u)
		}
	}
	return missing
}

// pipeline is the example at work.
type pipeline struct {
	*admintest.Host
	client *http.Client
	dir    string
}

func start(t *testing.T, w *world) *pipeline {
	p := &pipeline{Host: admintest.Start(t, admintest.Options{
		Config:  "config.hcl",
		Plugins: []string{"plugins/http"},
		Vars:    map[string]string{"intake": "unix:data/intake.sock", "sink": w.sink.URL},
	})}
	socket := filepath.Join(p.DataDir, "intake.sock")
	p.client = &http.Client{Timeout: admintest.Bound, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	return p
}

// post hands in an address, under an id of its own so that it may be handed in again. It reports whether the
// pipeline has taken it.
func (p *pipeline) post(ctx context.Context, id, address string) (taken bool, err error) {
	token, err := os.ReadFile(filepath.Join(p.DataDir, "producer.token"))
	if err != nil {
		return false, err
	}
	body, _ := json.Marshal(map[string]string{"url": address})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://intake/v1/queues/urls/messages", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Idempotency-Key", id)
	answer, err := p.client.Do(r)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	switch answer.StatusCode {
	case http.StatusAccepted, http.StatusOK:
		return true, nil
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return false, errors.New(answer.Status)
	}
	return false, fmt.Errorf("%s: %s: %w", answer.Status, text, errRefused)
}

var errRefused = errors.New("refused")

func TestEveryAddressArrivesAndWhatCannotBeFetchedIsADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.broken["/page/3"] = 2
	p := start(t, w)
	var urls []string
	for n := range 50 {
		urls = append(urls, fmt.Sprintf("%s/page/%d", w.site.URL, n))
		if taken, err := p.post(t.Context(), fmt.Sprint("page-", n), urls[n]); !taken {
			t.Fatal(err)
		}
	}
	if taken, err := p.post(t.Context(), "gone", w.site.URL+"/gone"); !taken {
		t.Fatal(err)
	}
	p.Until("every page arrives", func(context.Context) error {
		if missing := w.missing(urls); len(missing) > 0 {
			return fmt.Errorf("missing: %v", missing)
		}
		return nil
	})
	p.Until("the page that is not there is a dead letter", func(ctx context.Context) error {
		dead, err := p.DeadLetters(ctx, "urls", 10, "")
		if err != nil {
			return err
		}
		if len(dead.Items) != 1 || dead.Items[0].ID != "gone" || dead.Items[0].Reason != "permanent" || !strings.Contains(dead.Items[0].LastError, "404") {
			return fmt.Errorf("dead letters: %+v", dead.Items)
		}
		return nil
	})
	if taken, err := p.post(t.Context(), "page-0", w.site.URL+"/page/0"); !taken {
		t.Errorf("the same message again: %v", err)
	}
	if taken, err := p.post(t.Context(), "page-0", w.site.URL+"/page/other"); taken || !errors.Is(err, errRefused) {
		t.Errorf("the same id for another message: %v, %v", taken, err)
	}
}

// The host is killed again and again while addresses are handed in. Whoever gets no answer tries again.
func TestNothingThatWasAcceptedIsLostHoweverOftenTheHostIsKilled(t *testing.T) {
	t.Parallel()
	const count, kills = 600, 6
	w := newWorld(t)
	p := start(t, w)
	ctx, cancel := context.WithTimeout(t.Context(), 2*admintest.Bound)
	defer cancel()
	var urls []string
	for n := range count {
		urls = append(urls, fmt.Sprintf("%s/page/%d", w.site.URL, n))
	}
	posted := make(chan error, 1)
	go func() { posted <- postAll(ctx, p, urls) }()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range kills {
		before := len(w.missing(urls))
		p.Until("something arrives", func(context.Context) error {
			if now := len(w.missing(urls)); now == before && now > 0 {
				return fmt.Errorf("%d are missing", now)
			}
			return nil
		})
		<-time.After(time.Duration(random.IntN(50)) * time.Millisecond)
		p.Kill()
		p.Launch()
	}
	if err := <-posted; err != nil {
		t.Fatal(err)
	}
	p.Until("every page arrives", func(context.Context) error {
		if missing := w.missing(urls); len(missing) > 0 {
			return fmt.Errorf("%d of %d are missing, such as %s", len(missing), count, missing[0])
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	again := 0
	for u, ids := range w.arrived {
		if len(ids) != 1 {
			t.Errorf("%s went on %d times: %v", u, len(ids), ids)
		}
		for _, times := range ids {
			again += times - 1
		}
	}
	t.Logf("%d kills: %d pages arrived, %d of them again", kills, len(w.arrived), again)
}

// postAll hands in each address until it is taken.
func postAll(ctx context.Context, p *pipeline, urls []string) error {
	next := make(chan int)
	var all sync.WaitGroup
	var once sync.Once
	var failed error
	for range 4 {
		all.Go(func() {
			for n := range next {
				if err := postUntilTaken(ctx, p, fmt.Sprint("page-", n), urls[n]); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
	}
	for n := range urls {
		next <- n
	}
	close(next)
	all.Wait()
	return failed
}

func postUntilTaken(ctx context.Context, p *pipeline, id, address string) error {
	for {
		taken, err := p.post(ctx, id, address)
		if taken {
			return nil
		}
		if errors.Is(err, errRefused) || ctx.Err() != nil {
			return fmt.Errorf("post %s: %w", id, err)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
