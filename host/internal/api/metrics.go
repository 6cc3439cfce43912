package api

import (
	"context"
	"net/http"
	"time"
)

// Meter counts requests and says what was counted, of them and of everything else. Implemented by metrics.
type Meter interface {
	// Served takes note of a request: the route is a pattern of the table, or "none".
	Served(route, method string, status int, took time.Duration, stream bool)
	// Scrape is the text that GET /metrics answers with.
	Scrape(ctx context.Context) ([]byte, error)
}

// metricsType is the media type of the text format of Prometheus.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

func (a *API) metrics(r *request) (any, error) {
	if a.Meter == nil {
		return nil, refuse("route_unknown", "this host keeps no metrics")
	}
	text, err := a.Meter.Scrape(r.Context())
	if err != nil {
		return nil, err
	}
	r.send(http.StatusOK, metricsType, text)
	return streamed{}, nil
}

// count takes note of a request that is answered. What nobody admitted has no route: its path is the caller's text.
func (a *API) count(r *request, began time.Time) {
	if a.Meter == nil {
		return
	}
	route, method := r.row.path, r.row.method
	if route == "" {
		route, method = "none", "none"
	}
	a.Meter.Served(route, method, r.status, a.Now().Sub(began), r.row.stream)
}
