package apitest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
)

// Served is one request that was counted.
type Served struct {
	Route, Method string
	Status        int
	Stream        bool
}

// Meter remembers the requests that it is told of, and has a short text to scrape.
type Meter struct {
	mu     sync.Mutex
	served []Served
}

var (
	_ api.Meter  = (*Meter)(nil)
	_ api.Health = (*Host)(nil)
)

// Served remembers a request.
func (m *Meter) Served(route, method string, status int, _ time.Duration, stream bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.served = append(m.served, Served{route, method, status, stream})
}

// Requests are those that were counted so far.
func (m *Meter) Requests() []Served {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Served(nil), m.served...)
}

// Scrape is the text.
func (m *Meter) Scrape(context.Context) ([]byte, error) {
	return []byte("# TYPE taskhost_build_info gauge\ntaskhost_build_info{version=\"0.1.0\"} 1\n"), nil
}

// Alive is nil unless Stalled is set.
func (h *Host) Alive(context.Context) error {
	if why := h.Stalled.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// Checks has one that follows Alive, and one that follows Ready.
func (h *Host) Checks(ctx context.Context) []api.Check {
	return []api.Check{{Name: "scheduler", Err: h.Alive(ctx), Detail: "10 tasks"}, {Name: "store", Err: h.Ready()}}
}
