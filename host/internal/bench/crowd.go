package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	watchers  = 1000 // who ask for events; every second of those who get them never reads
	tricklers = 500  // who send a byte of a header now and then
)

// crowd is who stands at the door of a host. Its clients are plain connections, since processor time that they take is
// time that the host does not have.
type crowd struct {
	addr, token       string
	accepted, refused atomic.Int64 // requests: 200, and 429
	cut               atomic.Int64 // connections that ended without an answer
	missed            atomic.Int64 // that were not made
	streams           atomic.Int64 // of events
	why               atomic.Value // error of the first connection that was not made
}

// tally is what a crowd has seen.
type tally struct {
	Accepted, Refused, Cut, Missed, Streams int64
	Why                                     string // the first connection was not made
}

func (t tally) String() string {
	text := fmt.Sprintf("%d were answered, %d told to come later, %d cut; of %d readers of events %d got a stream", t.Accepted, t.Refused, t.Cut, watchers, t.Streams)
	if t.Missed > 0 {
		text += fmt.Sprintf("; %d could not connect: %s", t.Missed, t.Why)
	}
	return text
}

// standBeside has a crowd come to the address in a process of its own, and last in line for the processors: who asks is usually
// on another machine.
func (l *lab) standBeside(ctx context.Context, addr, token string, flood int, d time.Duration) (t tally, err error) {
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", self, "-crowd", addr, "-flood", strconv.Itoa(flood), "-for", d.String())
	cmd.Env = append(os.Environ(), "TASKHOST_TOKEN="+token)
	cmd.Stderr = l.log
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("the crowd: %w", err)
	}
	return t, json.Unmarshal(out, &t)
}

// beCrowd is that process.
func beCrowd(ctx context.Context, addr string, flood int, d time.Duration, out io.Writer) error {
	if flood < 1 || d <= 0 {
		return errors.New("say how many there are with -flood and how long they stay with -for")
	}
	c := &crowd{addr: addr, token: os.Getenv("TASKHOST_TOKEN")}
	c.come(ctx, flood, d)
	return json.NewEncoder(out).Encode(c.tally())
}

func (c *crowd) tally() tally {
	t := tally{Accepted: c.accepted.Load(), Refused: c.refused.Load(), Cut: c.cut.Load(), Missed: c.missed.Load(), Streams: c.streams.Load()}
	t.Why, _ = c.why.Load().(string)
	return t
}

// come has all of them come and stay for d, with so many requests at a time.
func (c *crowd) come(ctx context.Context, flood int, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var all sync.WaitGroup
	for i := range watchers {
		all.Go(func() { c.watch(ctx, i%2 == 0) })
	}
	for range tricklers {
		all.Go(func() { c.trickle(ctx) })
	}
	for range flood {
		all.Go(func() { c.ask(ctx) })
	}
	all.Wait()
}

// dial connects; the connection ends with ctx.
func (c *crowd) dial(ctx context.Context) (net.Conn, func()) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		if ctx.Err() == nil {
			c.missed.Add(1)
			c.why.CompareAndSwap(nil, err.Error())
			_ = sleep(ctx, 100*time.Millisecond)
		}
		return nil, nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }
}

func (c *crowd) request(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + c.token + "\r\n\r\n"
}

// watch asks for events, and reads them or does not.
func (c *crowd) watch(ctx context.Context, reads bool) {
	conn, end := c.dial(ctx)
	if conn == nil {
		return
	}
	defer end()
	if c.send(conn, c.request("/v1/events")) != "200" {
		return
	}
	c.streams.Add(1)
	if reads {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	<-ctx.Done()
}

// send sends a request and returns the status of the answer, "" without one.
func (c *crowd) send(conn net.Conn, request string) string {
	if _, err := io.WriteString(conn, request); err != nil {
		return ""
	}
	line, err := bufio.NewReaderSize(conn, 512).ReadString('\n')
	if err != nil {
		return ""
	}
	_, status, _ := strings.Cut(line, " ")
	return status[:min(3, len(status))]
}

// trickle sends a header byte by byte, again and again.
func (c *crowd) trickle(ctx context.Context) {
	for ctx.Err() == nil {
		conn, end := c.dial(ctx)
		if conn == nil {
			continue
		}
		_, err := io.WriteString(conn, "GET /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
		for err == nil && sleep(ctx, time.Second) == nil {
			_, err = io.WriteString(conn, "x")
		}
		end()
	}
}

// ask makes one request after the other, each over a connection of its own.
func (c *crowd) ask(ctx context.Context) {
	for ctx.Err() == nil {
		conn, end := c.dial(ctx)
		if conn == nil {
			continue
		}
		switch status := c.send(conn, c.request("/v1/tasks")); {
		case status == "200":
			c.accepted.Add(1)
		case status == "429":
			c.refused.Add(1)
		case ctx.Err() == nil:
			c.cut.Add(1)
		}
		end()
	}
}

// peakMemory is the most memory that the process had.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	var kib int64
	_, line, found := strings.Cut(string(text), "VmHWM:")
	if !found {
		return 0, fmt.Errorf("process %d does not say what its peak was", pid)
	}
	_, err = fmt.Sscan(line, &kib)
	return kib << 10, err
}
