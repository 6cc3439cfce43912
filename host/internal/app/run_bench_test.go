package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/alarm"
	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/runner"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/host/internal/task"
)

// BenchmarkRun is one run of a periodic task through the whole host without its wire: from the slot
// through supervisor, runner and store to the console. Its processes are in memory, and what they
// allocate (about 1 KB per run) counts. Slots come in real time, so only the memory counts, not the time.
func BenchmarkRun(b *testing.B) {
	const tasks = 40
	ctx, end := context.WithCancel(b.Context())
	defer end()
	h := &host{log: hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: b.Output()}), feed: feed.New()}
	ended := &counter{reached: make(chan struct{}, 1)}
	var err error
	h.store, err = store.Open(filepath.Join(b.TempDir(), "taskhost.db"), store.Options{
		Keep: task.Keep{Succeeded: 10, Failed: 10, Slots: 10},
		Ring: 256,
		Publish: func(events []task.Event) {
			h.feed.Publish(events)
			for _, e := range events {
				if e.Topic == "run" && e.Kind == "ended" {
					ended.add()
				}
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer h.store.Close()
	h.runner = runner.New(runner.Config{
		Launcher: &hosttest.Launcher{},
		Values:   h.store,
		Plugins:  onePlugin{},
		Logs:     func(string) task.LogSink { return noLog{} },
		Report:   func(name string, r task.Report) { h.fleet.Report(name, r) },
		Log:      h.log,
	})
	h.clock = alarm.New()
	defer h.clock.Close()
	h.fleet = supervisor.New(supervisor.Config{
		Engine: h.runner, Journal: h.store, Log: h.log,
		Timer: func() supervisor.Timer { return h.clock.Timer() },
	})
	console := h.startConsole()
	defer console.close()
	down := make(chan error, 1)
	go func() { down <- h.fleet.Run(ctx) }()
	gen := task.Generation{Number: 1, Digest: "1", Applied: time.Now()}
	for i := range tasks {
		gen.Tasks = append(gen.Tasks, task.Definition{
			Name: fmt.Sprintf("task-%02d", i), Plugin: "probe", Type: "probe", Mode: task.Periodic, Process: task.ProcessTask, Enabled: true,
			Schedule: task.Schedule{Every: 40 * time.Millisecond, Overlap: task.OverlapSkip},
			Stop:     task.Ladder{Drain: time.Second, Cancel: time.Second},
		})
	}
	if err := h.fleet.Apply(ctx, gen); err != nil {
		b.Fatal(err)
	}
	ended.wait(10 * tasks) // all processes are up, and what grows once has grown
	b.ReportAllocs()
	b.ResetTimer()
	ended.wait(b.N)
	b.StopTimer()
	end()
	if err := <-down; err != nil {
		b.Fatal(err)
	}
	h.runner.Shutdown()
}

// counter lets one goroutine wait for a number of events.
type counter struct {
	left    atomic.Int64
	reached chan struct{}
}

func (c *counter) add() {
	if c.left.Add(-1) == 0 {
		c.reached <- struct{}{}
	}
}

// wait returns after n more events.
func (c *counter) wait(n int) {
	c.left.Store(int64(n))
	<-c.reached
}

type onePlugin struct{}

func (onePlugin) Lookup(string, string) (string, bool) { return "/probe", true }

type noLog struct{}

func (noLog) Line(task.LogLine) {}
