package runner

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// instant is a process whose session takes everything at once and says nothing.
type instant struct {
	task.Process
	done    chan struct{}
	started chan string
}

func (p *instant) Info() task.ProcessInfo                                   { return task.ProcessInfo{PID: 1} }
func (p *instant) Configure(context.Context, task.Configure) error          { return nil }
func (p *instant) Done() <-chan struct{}                                    { return p.done }
func (p *instant) Exit() task.ExitCause                                     { return task.ExitCause{ByHost: true} }
func (p *instant) Reply(task.Answer) error                                  { return nil }
func (p *instant) Deliver(string, []task.Delivery) error                    { return nil }
func (p *instant) Kill()                                                    { close(p.done) }
func (p *instant) StartRun(start task.RunStart) error                       { p.started <- start.Run; return nil }
func (p *instant) Open(context.Context, task.Reports) (task.Session, error) { return p, nil }
func (p *instant) Call(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return nil, nil
}

func (p *instant) Launch(context.Context, task.LaunchSpec) (task.Process, error) { return p, nil }

// BenchmarkDispatch measures what the runner adds between the supervisor's decision and
// the write to the session.
func BenchmarkDispatch(b *testing.B) {
	p := &instant{done: make(chan struct{}), started: make(chan string, 1)}
	ready := make(chan struct{}, 1)
	r := New(Config{
		Launcher: p, Values: &hosttest.Values{}, Plugins: plugins{},
		Logs:   func(string) task.LogSink { return &hosttest.Log{} },
		Report: func(string, task.Report) { ready <- struct{}{} },
	})
	r.Launch(1, &task.Definition{Name: "x", Plugin: "http"})
	<-ready
	a := r.find(1)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r.StartRun(1, task.RunStart{Run: "r", Attempt: 1, Slot: now})
		<-p.started
		a.release()
	}
	b.StopTimer()
	close(a.box.lost)
	r.Shutdown()
}
