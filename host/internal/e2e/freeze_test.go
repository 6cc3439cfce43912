package e2e

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
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

func TestAFrozenHostBlamesNoTaskForItsSilence(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("lively", "continuous {\n watchdog { timeout = \"1s\" }\n restart {\n backoff = \"1h\"\n max_backoff = \"1h\"\n }\n }", `beat = "50ms"`))
	untilTask(h, "lively", "is at work", func(t admin.Task) bool { return t.State == "running" && t.Ready })
	freeze(t, h, 3*time.Second)
	_, thawed := freeze(t, h, 3*time.Second)
	h.Until("the host has looked at it again", func(context.Context) error {
		if time.Since(thawed) < 1500*time.Millisecond {
			return errors.New("not yet")
		}
		return nil
	})
	task, err := h.Task(t.Context(), "lively")
	if err != nil || task.State != "running" || task.Restarts != 0 || task.Health.Status != "ok" {
		t.Errorf("it is %s with %d restarts, %+v %v", task.State, task.Restarts, task.Health, err)
	}
}
