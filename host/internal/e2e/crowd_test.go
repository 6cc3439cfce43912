//go:build linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/admintest"
)

const (
	tooManyWatchers = 1000
	crowdSize       = 2500 // connections at a time: more than a listener holds
	askEach         = 4    // requests on each of them, sent together: ten thousand at once
	mostMemory      = 600 << 20
)

// crowd is who stands at the door of a host.
type crowd struct {
	t           *testing.T
	addr, token string
	streams     atomic.Int64
	later       atomic.Int64 // who were told to come later
	answers     atomic.Int64
	again       atomic.Int64 // how often a connection was cut before all its answers had come
}

func (c *crowd) request(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + c.token + "\r\n\r\n"
}

// dial connects; the connection ends with ctx. A host that has too many does not take it at once.
func (c *crowd) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: admintest.Bound}).DialContext(ctx, "tcp", c.addr)
	if err == nil {
		context.AfterFunc(ctx, func() { conn.Close() })
	}
	return conn, err
}

// watch asks for events and returns when the host has answered. Who has got a stream keeps it until ctx ends, and reads or does not.
func (c *crowd) watch(ctx context.Context, reads bool, all *sync.WaitGroup) {
	conn, err := c.dial(ctx)
	if err != nil {
		c.t.Errorf("a reader of events: %v", err)
		return
	}
	fmt.Fprint(conn, c.request("/v1/events"))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	switch {
	case err != nil:
		c.t.Errorf("a reader of events: %v", err)
	case resp.StatusCode != http.StatusOK:
		c.told(resp)
		conn.Close()
	default:
		c.streams.Add(1)
		if reads {
			all.Go(func() { _, _ = io.Copy(io.Discard, in) })
		}
	}
}

// told checks a refusal.
func (c *crowd) told(resp *http.Response) {
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		c.t.Errorf("refused with %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	c.later.Add(1)
}

// ask makes its requests together and reads the answers. A connection that was cut is made anew for those that are left.
func (c *crowd) ask(ctx context.Context) {
	for left := askEach; left > 0 && ctx.Err() == nil; {
		conn, err := c.dial(ctx)
		if err != nil {
			continue
		}
		_, _ = io.WriteString(conn, strings.Repeat(c.request("/v1/tasks"), left))
		for in := bufio.NewReader(conn); left > 0; left-- {
			resp, err := http.ReadResponse(in, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if err != nil {
				c.again.Add(1)
				break
			}
			c.answers.Add(1)
			if resp.StatusCode != http.StatusOK {
				c.told(resp)
			}
		}
		conn.Close()
	}
}

// trickle sends a header that does not end, and takes another connection when it is cut.
func (c *crowd) trickle(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := c.dial(ctx)
		if err != nil {
			continue
		}
		fmt.Fprint(conn, "GET /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
		_, _ = io.Copy(io.Discard, conn)
	}
}

// mute asks again and again and never reads, until it is cut or ctx ends.
func (c *crowd) mute(ctx context.Context) {
	conn, err := c.dial(ctx)
	for err == nil {
		_, err = io.WriteString(conn, strings.Repeat(c.request("/v1/tasks"), 10))
	}
}

func TestACrowdAtTheDoorDisturbsNoSlot(t *testing.T) {
	t.Parallel()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2*(crowdSize+tooManyWatchers) {
		t.Skipf("needs more descriptors than %d", limit.Cur)
	}
	h, addr, token := overTCP(t, neighbour, admintest.Options{Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	before, since := descriptors(t, h), time.Now()
	ctx, end := context.WithTimeout(t.Context(), 2*admintest.Bound)
	defer end()
	c := &crowd{t: t, addr: addr, token: token}

	var all, watching, asking sync.WaitGroup
	for i := range tooManyWatchers {
		watching.Go(func() { c.watch(ctx, i%2 == 0, &all) })
	}
	watching.Wait()
	if streams, later := c.streams.Load(), c.later.Load(); streams != 32 || later != tooManyWatchers-32 {
		t.Errorf("%d readers of events have a stream and %d were told to come later", streams, later)
	}
	for range 300 {
		all.Go(func() { c.trickle(ctx) })
	}
	for range 100 {
		all.Go(func() { c.mute(ctx) })
	}
	for range crowdSize {
		asking.Go(func() { c.ask(ctx) })
	}
	for range 5 { // the socket has room of its own
		if err := h.Ready(ctx); err != nil {
			t.Error(err)
		}
	}
	asking.Wait()
	if n := c.answers.Load(); n != crowdSize*askEach {
		t.Errorf("%d of %d requests were answered", n, crowdSize*askEach)
	}
	if peak := peakMemory(t, h.PID); peak > mostMemory {
		t.Errorf("the host had %d MiB", peak>>20)
	} else {
		t.Logf("%d connections were cut and made anew, %d were told to come later, the host had %d MiB", c.again.Load(), c.later.Load(), peak>>20)
	}
	checkNeighbour(t, h, since)
	end()
	all.Wait()
	h.Until("the connections are forgotten", func(context.Context) error {
		if n := descriptors(t, h); n > before+20 {
			return fmt.Errorf("there are %d descriptors, %d before", n, before)
		}
		return nil
	})
}

// peakMemory is the most memory that a process had.
func peakMemory(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	if _, err := fmt.Sscan(line, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
