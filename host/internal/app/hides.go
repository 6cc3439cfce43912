package app

import (
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/redact"
)

// How long the secrets of a configuration that no longer holds are still looked for, and of how many: a process that
// was given them may live on for a while.
const (
	hideFor  = 24 * time.Hour
	hideMost = 50
)

// hides takes the secrets of the configuration that holds, and of those before it, out of what plugins say. The zero
// value hides nothing.
type hides struct{ all atomic.Pointer[[]hiding] }

type hiding struct {
	hide  redact.Hide
	since time.Time
}

// add hides the secrets of one more configuration. Nobody else adds at the same time.
func (h *hides) add(hide redact.Hide, now time.Time) {
	next := []hiding{{hide, now}}
	if all := h.all.Load(); all != nil {
		until := now // each held until the next one came
		for _, old := range *all {
			if now.Sub(until) < hideFor && len(next) < hideMost {
				next = append(next, old)
			}
			until = old.since
		}
	}
	h.all.Store(&next)
}

func (h *hides) hide(text string) string {
	if all := h.all.Load(); all != nil {
		for _, one := range *all {
			text = one.hide(text)
		}
	}
	return text
}
