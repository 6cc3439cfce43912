package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/supervisor"
)

// manager tells the service manager how the host is, in systemd's words. Without one (NOTIFY_SOCKET is not set)
// it says nothing. It is safe for concurrent use.
type manager struct {
	log      hclog.Logger
	watchdog time.Duration // a sign of life is due this often; 0 is never
	beats    sync.WaitGroup
}

// newManager finds out whether somebody wants to know.
func newManager(log hclog.Logger) *manager {
	m := &manager{log: log}
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("the service manager's watchdog is not served", "err", err)
	}
	return m
}

func (m *manager) tell(lines ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		m.log.Warn("cannot tell the service manager", "state", lines[0], "err", err)
	}
}

// ready says that the host works, at first or after a reload, and on what.
func (m *manager) ready(status string) { m.tell(daemon.SdNotifyReady, "STATUS="+status) }

// reloading says that the configuration is read anew; ready ends it, whatever came of it.
func (m *manager) reloading() {
	m.tell(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// stopping says that the host ends, and how long its tasks may take for it.
func (m *manager) stopping(bound time.Duration) {
	m.tell(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (bound+stopSlack).Microseconds()), "STATUS=stopping the tasks")
}

// stopSlack is what the end of a host takes beside the end of its tasks: the last records go to the disk.
const stopSlack = flushBound + 5*time.Second

// guard gives signs of life until ctx ends. Each is the scheduler's own: the clock of the slots has rung and alive has
// come back. When they stop coming the manager starts the host anew.
func (m *manager) guard(ctx context.Context, timer supervisor.Timer, alive func(context.Context) error) {
	if m.watchdog == 0 {
		return
	}
	every := m.watchdog / 3
	m.beats.Go(func() {
		defer timer.Stop()
		for {
			timer.Reset(every)
			select {
			case <-ctx.Done():
				return
			case <-timer.C():
			}
			if err := within(ctx, m.watchdog, alive); err != nil {
				if ctx.Err() == nil {
					m.log.Error("the scheduler does not answer: no sign of life for the service manager", "err", err)
				}
				continue
			}
			m.tell(daemon.SdNotifyWatchdog)
		}
	})
}

func within(ctx context.Context, bound time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return ask(ctx)
}

// close waits for the last sign of life.
func (m *manager) close() { m.beats.Wait() }
