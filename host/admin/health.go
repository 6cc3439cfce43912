package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Readiness is whether the host is ready to work, and what that rests on.
type Readiness struct {
	Status string        `json:"status"` // ok, unready
	Checks []HealthCheck `json:"checks"`
}

// HealthCheck is one thing that readiness rests on.
type HealthCheck struct {
	Name   string `json:"name"`   // host, scheduler, store, disk, config, listeners, …
	Status string `json:"status"` // ok, failed
	Detail string `json:"detail,omitempty"`
}

// Alive returns nil when the host does its work, else why not.
func (c *Client) Alive(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/healthz"}, nil)
	return err
}

// Readiness returns what readiness rests on, also of a host that is not ready.
func (c *Client) Readiness(ctx context.Context) (Readiness, error) {
	r := Readiness{Checks: []HealthCheck{}}
	res, err := c.exchange(ctx, call{method: http.MethodGet, path: "/readyz", query: url.Values{"verbose": {"1"}}})
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	if unready := res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Content-Type") == "application/json"; res.StatusCode >= 300 && !unready {
		return r, problemOf(res)
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("read the answer of /readyz: %w", err)
	}
	return r, nil
}

// Metrics returns the metrics in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) { return c.text(ctx, "/metrics", nil) }

// Profile returns one of the runtime's profiles of the host's process; with debug 1 or 2 it is a text. It is for admins on
// the Unix socket.
func (c *Client) Profile(ctx context.Context, name string, debug int) ([]byte, error) {
	return c.text(ctx, "/debug/pprof/"+url.PathEscape(name), url.Values{"debug": {strconv.Itoa(debug)}})
}

// maxText bounds an answer that is no JSON.
const maxText = 64 << 20

// text is an answer as it is.
func (c *Client) text(ctx context.Context, path string, query url.Values) ([]byte, error) {
	res, err := c.send(ctx, call{method: http.MethodGet, path: path, query: query, header: map[string]string{"Accept": "*/*"}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	case len(data) > maxText:
		return nil, fmt.Errorf("the answer of %s has more than %d MiB", path, maxText>>20)
	}
	return data, nil
}
