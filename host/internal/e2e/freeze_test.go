package e2e

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// freeze stops the process of the host for d and says from when to when.
func freeze(t *testing.T, h *admintest.Host, d time.Duration) (from, to time.Time) {
	t.Helper()
	h.Signal(syscall.SIGSTOP)
	h.Until("the host is stopped", func(context.Context) error {
		if processState(h.PID) != "T" {
			return errors.New("not yet")
		}
		return nil
	})
	from = time.Now()
	<-time.After(d) // there is nothing to wait for: a host that is stopped does nothing
	to = time.Now()
	h.Signal(syscall.SIGCONT)
	return from, to
}
