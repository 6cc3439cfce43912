package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shared is row 10: many small tasks whose instances share processes.
func (b *bench) shared(ctx context.Context) ([]budget, error) {
	checks, err := b.checks(ctx)
	if err != nil {
		return nil, err
	}
	crowd, err := b.crowded(ctx)
	if err != nil && ctx.Err() == nil {
		// A host that is overrun by so many tasks is a finding, and no reason to lose the other rows.
		b.sayf("%d tasks at 1 Hz in shared processes could not be measured: %v", b.crowd, err)
		err = nil
	}
	return append(checks, crowd...), err
}

// checks measures what http checks of sites need, host and processes together. The sites are one, here.
func (b *bench) checks(ctx context.Context) ([]budget, error) {
	site, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") })}
	go server.Serve(site)
	defer server.Close()
	b.sayf("%d http checks every %v in shared processes", b.checked, b.checkEvery)
	h, err := b.startHost(group{extra: fmt.Sprintf(`task "check" {
  instances = %d
  plugin    = "http"
  type      = "check"
  process   = "shared"
  periodic {
    every = %q
  }
  config {
    url = "http://%s/${each.key}"
  }
}
`, b.checked, b.checkEvery, site.Addr())})
	if err != nil {
		return nil, err
	}
	memory, processes, err := b.whole(ctx, h)
	if err = errors.Join(err, h.finish()); err != nil {
		return nil, err
	}
	return []budget{{row: 10, name: fmt.Sprintf("%d http checks every %v: memory of host and plugins", b.checked, b.checkEvery),
		measured: quantity{float64(memory), inBytes}, limit: quantity{150e6, inBytes},
		note: fmt.Sprintf("%d processes beside the host; what they have in common counts for each", processes)}}, nil
}

// whole waits until every task has run about twice and returns the memory of the host and of its processes.
func (b *bench) whole(ctx context.Context, h *host) (memory int64, processes int, err error) {
	if err := h.ready(ctx); err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, 2*b.checkEvery+b.settle); err != nil {
		return 0, 0, err
	}
	pid := h.cmd.Process.Pid
	family, err := childrenOf(pid)
	if err != nil {
		return 0, 0, err
	}
	for _, member := range append(family, pid) {
		u, err := usageOf(member)
		if err != nil {
			return 0, 0, err
		}
		memory += u.resident
	}
	return memory, len(family), nil
}

// sharing is how many instances a process has when a configuration does not say it.
const sharing = 500

// crowded measures the lateness of very many tasks at 1 Hz that share processes, after that of a bare host with as many.
func (b *bench) crowded(ctx context.Context) ([]budget, error) {
	b.sayf("a bare go-plugin host with %d instances at 1 Hz, %d in a process", b.crowd, sharing)
	bare, err := b.observeBare(ctx, b.crowd, sharing, time.Second)
	if err != nil {
		return nil, fmt.Errorf("the bare host: %w", err)
	}
	b.sayf("%d tasks at 1 Hz in shared processes", b.crowd)
	dir, err := os.MkdirTemp(b.dir, "crowd-")
	if err != nil {
		return nil, err
	}
	notes := filepath.Join(dir, "notes")
	h, err := b.startHost(group{extra: fmt.Sprintf(`task "probe" {
  instances = %d
  plugin    = "probe"
  type      = "probe"
  process   = "shared"
  periodic {
    every = "1s"
  }
  config {
    out      = %q
    announce = true
  }
}
`, b.crowd, notes)})
	if err != nil {
		return nil, err
	}
	d, err := b.observe(ctx, h.subject, notes, b.crowd)
	if err != nil {
		return nil, err
	}
	out := lateness(fmt.Sprintf("%d tasks at 1 Hz in shared processes, ", b.crowd), d.late, bare.late, timeOf(5*time.Millisecond))
	for i := range out {
		out[i].row, out[i].note = 10, ""
	}
	out[1].note = fmt.Sprintf("%d runs in %v; floor: a bare go-plugin host, %d runs", len(d.late), b.window, len(bare.late))
	name := fmt.Sprintf("%d tasks in shared processes: ", b.crowd)
	return append(out,
		budget{row: 10, name: name + "processor of the host", measured: quantity{d.cpu, inProcessors}, floor: quantity{bare.cpu, inProcessors}},
		budget{row: 10, name: name + "memory of the host", measured: quantity{float64(d.memory), inBytes}, floor: quantity{float64(bare.memory), inBytes}},
		budget{row: 10, name: name + "all up", measured: timeOf(d.up), floor: timeOf(bare.up)},
	), nil
}

// childrenOf lists the processes whose parent pid is.
func childrenOf(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[slices.Index(text, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, nil
}
