package app

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
)

// exportBound is how long the end of the host waits for the collector of traces.
const exportBound = 3 * time.Second

// requests is what makes spans of requests; nil when nobody wants traces.
func (h *host) requests() api.Tracer {
	if h.tracer == nil {
		return nil
	}
	return h.tracer
}

// exportRest hands out the spans that are left.
func (h *host) exportRest() {
	ctx, cancel := context.WithTimeout(context.Background(), exportBound)
	defer cancel()
	if err := h.tracer.Close(ctx); err != nil {
		h.log.Warn("the last traces are not exported", "err", err)
	}
}
