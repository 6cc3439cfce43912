package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/taskhost/taskhost/host/internal/task"
)

var epoch = time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)

// world is a host whose tasks a test declares.
type world struct {
	*Metrics
	statuses  []task.Status
	defs      []*task.Definition
	published map[string]map[string]task.Published
	queues    []task.QueueStatus
	store     Store
}

func newWorld(names ...string) *world {
	w := &world{Metrics: New("1.2.3"), published: map[string]map[string]task.Published{}, store: Store{Ready: true, Bytes: 4096, Free: 1 << 30}}
	w.now = func() time.Time { return epoch }
	for _, name := range names {
		w.statuses = append(w.statuses, task.Status{
			Task: name, State: task.Idle, Health: task.Health{OK: true}, NextSlot: epoch.Add(time.Minute), LastSuccess: epoch.Add(-time.Minute),
		})
		w.defs = append(w.defs, &task.Definition{Name: name, Plugin: "http", Type: "check", Mode: task.Periodic})
	}
	w.Read(Sources{
		Statuses:    func() []task.Status { return w.statuses },
		Definitions: func() []*task.Definition { return w.defs },
		State: func(_ context.Context, name string) (map[string]task.Published, error) {
			return w.published[name], nil
		},
		Queues:      func() []task.QueueStatus { return w.queues },
		Generation:  func() int { return 7 },
		Store:       func() Store { return w.store },
		Readers:     func() (int, uint64) { return 2, 1 },
		LogsDropped: func(string) int64 { return 5 },
		Usage: func(p task.ProcessInfo) (task.Usage, bool) {
			return task.Usage{CPU: time.Duration(p.PID) * time.Second, RSS: 1 << 20}, p.PID > 0
		},
		Unresponsive: func() map[int]bool { return map[int]bool{3: true} },
		ClockJumps:   func() (uint64, uint64) { return 4, 6 },
		Connections: func() []Connections {
			return []Connections{{"admin", "unix:data/admin.sock", 3, 2048, 0, 1}, {"ingress", "127.0.0.1:7490", 5, 100, 2, 9}}
		},
	})
	return w
}

// publish makes a task publish numbers and one text.
func (w *world) publish(name string, n int) {
	w.published[name] = map[string]task.Published{"note": {Value: json.RawMessage(`"12"`)}}
	for i := range n {
		w.published[name][fmt.Sprintf("key_%03d", i)] = task.Published{Value: json.RawMessage(fmt.Sprint(i))}
	}
}

// full is a world in which every family has a series.
func full() *world {
	w := newWorld("check.www", "loader")
	w.defs[1].Mode = task.Continuous
	w.statuses[0].Processes = []task.ProcessInfo{{PID: 3}}
	w.statuses[1].Health = task.Health{Reasons: []task.Reason{{Code: "stuck"}, {Code: "stuck"}}}
	w.publish("loader", 1)
	w.queues = []task.QueueStatus{{Queue: task.Queue{Name: "urls", MaxMessages: 10}, Ready: 3, Oldest: epoch.Add(-time.Hour), Buried: 2}}
	w.Reloaded(nil, epoch)
	j := w.Journal(nothing{})
	j.SaveRun(ended("check.www", task.OutcomeSucceeded))
	j.SaveSlot(task.SlotRecord{ID: "1", Task: "check.www", Reason: task.SkippedOverlap, Count: 1})
	w.Report("loader", task.ProcessReady{})
	w.Report("loader", task.ProcessGone{Exit: task.ExitCause{Code: 1}})
	w.Sink("loader", nothing{}).Line(task.LogLine{Stream: "stderr"})
	w.Committed(time.Millisecond, 3, nil)
	w.Served("/v1/host", "GET", 200, time.Millisecond, false)
	w.Waited("urls")(time.Second)
	return w
}

func ended(name string, outcome task.Outcome) task.Run {
	return task.Run{
		Task: name, Trigger: task.TriggerSlot, State: task.RunEnded, Outcome: outcome, Slot: epoch, NotBefore: epoch.Add(time.Second),
		Queued: epoch, Started: epoch.Add(time.Second + 2*time.Millisecond), Ended: epoch.Add(4 * time.Second),
	}
}

// nothing is what stands behind what counts.
type nothing struct{ task.Journal }

func (nothing) SaveRun(task.Run)         {}
func (nothing) SaveSlot(task.SlotRecord) {}
func (nothing) RemoveStatus(string)      {}
func (nothing) Line(task.LogLine)        {}

// scrape reads what is scraped as Prometheus does.
func (w *world) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	text, err := w.Scrape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

// value is that of the one series with these labels.
func value(t *testing.T, all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range all[name].GetMetric() {
		if has(m, labels) {
			switch {
			case m.Counter != nil:
				return m.GetCounter().GetValue()
			case m.Histogram != nil:
				return float64(m.GetHistogram().GetSampleCount())
			}
			return m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s%v", name, labels)
	return 0
}

func has(m *dto.Metric, labels []string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		for i := 0; i < len(labels); i += 2 {
			if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
				found++
			}
		}
	}
	return found == len(labels)/2
}
