// Command probe is the plugin that the benchmarks start: it notes when its
// function is entered, and does nothing else, so that what is measured is the
// host. It keeps its notes in memory and appends them to a file when it is
// closed. Nobody else has a use for it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config says where the notes go.
type Config struct {
	Out      string `task:"out" doc:"file that the notes are appended to"`
	Announce bool   `task:"announce,optional" doc:"note at once when the process is open"`
}

func main() {
	task.Serve(task.Plugin{
		Name: "probe", Version: "1", Doc: "Notes when it is called.",
		Types: []task.Type{task.OpenPeriodic("probe", open), task.Consumer("handle", handle)},
	})
}

// Work is a message of the queue benchmark.
type Work struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func handle(context.Context, *task.Host, struct{}, *task.Message[Work]) error { return nil }

// kept is how many runs are noted; later ones are not.
const kept = 8192

// probe holds the notes of one process. Runs of a process follow each other, so nothing guards them.
type probe struct {
	out   string
	slots []int64 // unix nanoseconds, 0 is none
	times []int64 // when the function was entered
}

func open(_ context.Context, _ *task.Host, c Config) (*probe, error) {
	p := &probe{out: c.Out, slots: make([]int64, 0, 256), times: make([]int64, 0, 256)} // there may be thousands in a process
	if !c.Announce {
		return p, nil
	}
	return p, p.write(fmt.Appendf(nil, "open 0 %d\n", time.Now().UnixNano()))
}

// Run notes the time and the slot.
func (p *probe) Run(_ context.Context, h *task.Host) error {
	now := time.Now()
	if len(p.times) == kept {
		return nil
	}
	slot := int64(0)
	if s := h.Info().Slot; !s.IsZero() {
		slot = s.UnixNano()
	}
	p.slots, p.times = append(p.slots, slot), append(p.times, now.UnixNano())
	return nil
}

// Close writes the notes.
func (p *probe) Close() error {
	var text []byte
	for i := range p.times {
		text = fmt.Appendf(text, "run %d %d\n", p.slots[i], p.times[i])
	}
	return p.write(text)
}

// write appends whole lines. Many processes share the file; O_APPEND keeps their lines apart.
func (p *probe) write(text []byte) error {
	f, err := os.OpenFile(p.out, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
