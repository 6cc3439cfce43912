package app

import (
	"github.com/taskhost/taskhost/host/internal/metrics"
)

// readMetrics says what scrapes read.
func (h *host) readMetrics() {
	h.metrics.Read(metrics.Sources{
		Statuses:    h.store.Statuses,
		Definitions: h.fleet.Definitions,
		State:       h.store.State,
		Queues:      h.queues.Queues,
		Generation:  func() int { return h.fleet.Generation().Number },
		Store: func() metrics.Store {
			bytes, free := h.store.Usage()
			return metrics.Store{Ready: h.store.Ready() == nil, Bytes: bytes, Free: free}
		},
		Readers:      func() (int, uint64) { return h.feed.Readers(), h.feed.Cut() },
		LogsDropped:  h.logs.Dropped,
		Usage:        h.usage.Of,
		Unresponsive: h.pulse.Unresponsive,
		ClockJumps:   h.fleet.ClockJumps,
		Connections:  h.doors.connections,
	})
}

// connections says how full the listeners are.
func (d *doors) connections() []metrics.Connections {
	crowds := d.crowds.Look()
	out := make([]metrics.Connections, len(crowds))
	for i, c := range crowds {
		out[i] = metrics.Connections(c)
	}
	return out
}
