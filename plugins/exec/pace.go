package main

import "time"

const (
	paceWindow  = time.Second
	paceNotices = 200 // a window
)

// pace holds up who takes notices faster than anybody can use them. The sender then finds its socket full and waits:
// nothing is lost, and a flood costs nobody else anything.
type pace struct {
	since time.Time
	count int
}

// next counts a notice at now, and says how long to wait before the one after it.
func (p *pace) next(now time.Time) time.Duration {
	if now.Sub(p.since) >= paceWindow {
		p.since, p.count = now, 0
	}
	if p.count++; p.count < paceNotices {
		return 0
	}
	return p.since.Add(paceWindow).Sub(now)
}
