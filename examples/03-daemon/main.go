// Command daemon is a plugin with a living object: one step that is called again and
// again whatever the requests do, and methods that answer requests whatever the step does.
package main

import (
	"context"
	"sync"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config is what `config {}` of a daemon takes.
type Config struct {
	Work time.Duration `task:"work,optional" default:"2ms" doc:"how long one step works"`
}

func main() {
	task.Serve(task.Plugin{Name: "daemon", Version: "1.0.0", Types: []task.Type{
		task.OpenLoop("daemon", open,
			task.Doc("adds up what requests bring, and steps on its own"),
			task.Method("add", add, "adds a number to the sum"),
			task.Method("status", status, "tells the sum, the steps and the longest gap between two steps"),
		),
	}})
}

// A daemon is the living object. Its step and its methods run side by side, so mu guards
// what they share.
type daemon struct {
	work time.Duration

	mu   sync.Mutex
	now  Status
	last time.Time // when the last step began
}

// Status is what a daemon tells of itself.
type Status struct {
	Sum        int64   `json:"sum"`
	Requests   int64   `json:"requests"`
	Steps      int64   `json:"steps"`
	LongestGap float64 `json:"longest_gap"` // seconds from the beginning of a step to that of the next
}

func open(_ context.Context, h *task.Host, c Config) (*daemon, error) {
	h.Ready("open for requests")
	return &daemon{work: c.Work}, nil
}

// Step does the daemon's own work once. The SDK calls it again and again.
func (d *daemon) Step(ctx context.Context, h *task.Host) error {
	d.mu.Lock()
	began := time.Now()
	if !d.last.IsZero() {
		d.now.LongestGap = max(d.now.LongestGap, began.Sub(d.last).Seconds())
	}
	d.last = began
	d.now.Steps++
	steps := d.now.Steps
	d.mu.Unlock()

	if steps%100 == 0 {
		h.Progress(steps, 0, "stepping")
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d.work): // the work, which no request waits for
		return nil
	}
}

// Add is the input of the method add.
type Add struct {
	N int64 `json:"n"`
}

func add(_ context.Context, d *daemon, in Add) (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now.Sum += in.N
	d.now.Requests++
	return d.now, nil
}

func status(_ context.Context, d *daemon, _ struct{}) (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now, nil
}
