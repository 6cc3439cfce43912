package app

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/alarm"
)

// listen is the service manager's end: a socket that the environment names.
func listen(t *testing.T, watchdog time.Duration) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	return c
}

// heard is the next message within the time, "" when there was none.
func heard(t *testing.T, c *net.UnixConn, within time.Duration) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	var buffer [4096]byte
	n, err := c.Read(buffer[:])
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func TestTheServiceManagerIsToldEachState(t *testing.T) {
	c := listen(t, time.Minute)
	m := newManager(hclog.NewNullLogger())
	m.ready("generation 1 · 2 tasks")
	if got := heard(t, c, time.Minute); got != "READY=1\nSTATUS=generation 1 · 2 tasks" {
		t.Errorf("ready: %q", got)
	}
	m.reloading()
	got := heard(t, c, time.Minute)
	usec, found := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	if n, err := strconv.ParseInt(usec, 10, 64); !found || err != nil || n <= 0 {
		t.Errorf("reloading: %q", got)
	}
	m.stopping(20 * time.Second)
	if got := heard(t, c, time.Minute); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping the tasks" {
		t.Errorf("stopping: %q", got)
	}
}

func TestSignsOfLifeEndWithTheScheduler(t *testing.T) {
	c := listen(t, 300*time.Millisecond)
	m := newManager(hclog.NewNullLogger())
	clock := alarm.New()
	defer clock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var stuck atomic.Bool
	asked := make(chan struct{}, 1)
	m.guard(ctx, clock.Timer(), func(ctx context.Context) error {
		if !stuck.Load() {
			return nil
		}
		<-ctx.Done() // as a loop that never comes back
		select {
		case asked <- struct{}{}:
		default:
		}
		return ctx.Err()
	})
	for range 3 {
		if got := heard(t, c, time.Minute); got != "WATCHDOG=1" {
			t.Fatalf("a scheduler that works: %q", got)
		}
	}
	stuck.Store(true)
	<-asked
	for heard(t, c, time.Millisecond) != "" { // those from before
	}
	<-asked
	if got := heard(t, c, time.Millisecond); got != "" {
		t.Errorf("a scheduler that is stuck: %q", got)
	}
	cancel()
	m.close()
}

func TestNobodyIsToldWithoutAServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	m := newManager(hclog.NewNullLogger())
	m.ready("well")
	m.guard(t.Context(), nil, nil) // would panic if it did anything
	m.close()
	t.Setenv("WATCHDOG_USEC", "soon")
	if m := newManager(hclog.NewNullLogger()); m.watchdog != 0 {
		t.Errorf("a watchdog every %s", m.watchdog)
	}
}
