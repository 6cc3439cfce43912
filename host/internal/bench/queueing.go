package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// messageSize is the body of each message, in bytes.
const messageSize = 512

// queueing is row 6: messages over HTTP into a queue, and through it to a real plugin.
func (b *bench) queueing(ctx context.Context) ([]budget, error) {
	b.sayf("%d messages through a queue for each of 1, 8, 32 and 256 posters", b.posts)
	h, err := b.startHost(queued)
	if err != nil {
		return nil, err
	}
	lines, err := b.queueLines(ctx, h)
	return lines, errors.Join(err, h.finish())
}

// crowds are the numbers of posters.
var crowds = []int{1, 8, 32, 256}

// postsOf is how many messages so many posters post.
func (b *bench) postsOf(posters int) int {
	if posters == 1 {
		return b.posts / 8
	}
	return b.posts
}

// queued are the queues of row 6 and what handles one of them.
var queued = group{extra: `
queue "work" {
  max_messages = 1000000
}
queue "idle" {
  max_messages = 1000000
}
task "handle" {
  plugin = "probe"
  type   = "handle"
  continuous {}
  consume "work" {
    concurrency = 16
  }
}
`}

func (b *bench) queueLines(ctx context.Context, h *host) ([]budget, error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := h.ready(up); err != nil {
		return nil, err
	}
	synced, err := fsyncs(filepath.Dir(h.notes), 500)
	if err != nil {
		return nil, err
	}
	alone, err := h.intake("idle").postAll(ctx, 1, messages(500, sized))
	if err != nil {
		return nil, err
	}
	lines := []budget{{row: 6, name: "post alone, one poster, p50", measured: timeOf(newFigures(alone).median()), floor: timeOf(newFigures(synced).median()),
		ratio: 3, note: "floor: one write and fsync on the same disk"}}
	bare, err := b.bareIntake(ctx)
	if err != nil {
		return nil, err
	}
	done := 0
	for _, posters := range crowds {
		count := b.postsOf(posters)
		bodies := messages(count, sized)
		before, err := splitOf(h.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if _, err := h.intake("work").postAll(ctx, posters, bodies); err != nil {
			return nil, err
		}
		done += count
		if err := h.acknowledged(ctx, "work", done); err != nil {
			return nil, err
		}
		line := budget{row: 6, name: fmt.Sprintf("post → handled → acked, %d posters", posters), measured: rateOf(count, time.Since(began)), floor: bare[posters]}
		after, err := splitOf(h.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		line.note = fmt.Sprintf("%d messages of %d bytes; %s", count, messageSize, after.each(before, count))
		if posters == 32 {
			line.limit, line.atLeast = quantity{10000, perSecond}, true
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// bareIntake is the rate at which the same messages can be posted to a bare HTTP server that syncs them, by number of
// posters.
func (b *bench) bareIntake(ctx context.Context) (map[int]quantity, error) {
	socket := b.path("intake.sock")
	s, err := b.start("the bare intake", exec.Command(b.path("bare"), "intake", "-socket", socket, "-file", b.path("intake")))
	if err != nil {
		return nil, err
	}
	rates := map[int]quantity{}
	err = listening(ctx, "unix", socket, s)
	for _, posters := range crowds {
		if err != nil {
			break
		}
		bodies := messages(b.postsOf(posters), sized)
		began := time.Now()
		_, err = newIntake("unix", socket, "/").postAll(ctx, posters, bodies)
		rates[posters] = rateOf(len(bodies), time.Since(began))
	}
	return rates, errors.Join(err, s.finish())
}

// intake is a queue of the host, over its socket.
func (h *host) intake(queue string) *intake {
	return newIntake("unix", filepath.Join(filepath.Dir(h.notes), "data", "admin.sock"), "/v1/queues/"+queue+"/messages")
}

// acknowledged waits until so many messages of the queue are.
func (h *host) acknowledged(ctx context.Context, queue string, count int) error {
	return h.acknowledgedWithin(ctx, patience, time.Millisecond, queue, count)
}

// acknowledgedWithin looks every so often, which costs the host something.
func (h *host) acknowledgedWithin(ctx context.Context, limit, every time.Duration, queue string, count int) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		q, err := h.api.Queue(ctx, queue)
		if err != nil {
			return err
		}
		if int(q.Counts.Acknowledged) >= count {
			return nil
		}
		if err := sleep(ctx, every); err != nil {
			return fmt.Errorf("%d of %d messages are acknowledged: %w", q.Counts.Acknowledged, count, err)
		}
	}
}

// sized is a message of messageSize bytes.
func sized(n int) []byte {
	head := fmt.Sprintf(`{"n":%d,"text":"`, n)
	return []byte(head + strings.Repeat("x", messageSize-len(head)-2) + `"}`)
}

// fsyncs is how long the disk takes to make a page durable, again and again.
func fsyncs(dir string, count int) ([]time.Duration, error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page, took := make([]byte, 4096), make([]time.Duration, count)
	for n := range took {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took[n] = time.Since(began)
	}
	return took, nil
}
