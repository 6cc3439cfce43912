package metrics

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Journal counts what passes on its way to inner.
func (m *Metrics) Journal(inner task.Journal) task.Journal { return &journal{inner, m} }

type journal struct {
	task.Journal
	m *Metrics
}

func (j *journal) SaveRun(r task.Run) {
	if r.State == task.RunEnded {
		j.m.ended(&r)
	}
	j.Journal.SaveRun(r)
}

func (j *journal) SaveSlot(r task.SlotRecord) {
	j.m.of(r.Task).slotsOf(&r)
	j.Journal.SaveSlot(r)
}

// RemoveStatus forgets what was counted of a task that is no more.
func (j *journal) RemoveStatus(name string) {
	j.m.tasks.Delete(name)
	j.Journal.RemoveStatus(name)
}

func (m *Metrics) ended(r *task.Run) {
	c := m.of(r.Task)
	c.runs.add(r.Outcome, 1)
	if r.Started.IsZero() {
		return
	}
	c.durations.took(r.Ended.Sub(r.Started))
	m.wait(r.Trigger).took(r.Started.Sub(r.Queued))
	if r.Trigger != task.TriggerSlot {
		return
	}
	due := r.Slot
	if r.NotBefore.After(due) {
		due = r.NotBefore
	}
	m.lateness.took(r.Started.Sub(due))
}

// Report counts what the processes of a task come to.
func (m *Metrics) Report(name string, r task.Report) {
	switch r := r.(type) {
	case task.ProcessReady:
		m.of(name).starts.add("ready", 1)
	case task.ProcessFailed:
		m.of(name).starts.add(whyFailed(r.Err), 1)
	case task.ProcessGone:
		c := m.of(name)
		c.exits.add(whyGone(&r.Exit), 1)
		c.cpu.Add(int64(r.Exit.UserCPU + r.Exit.SystemCPU))
	}
}

func whyFailed(err error) string {
	if e, ok := errors.AsType[*task.LaunchError](err); ok {
		return string(e.Kind)
	}
	if _, ok := errors.AsType[*task.ConfigError](err); ok {
		return "config"
	}
	return "error"
}

// whyGone is one word for the end of a process.
func whyGone(e *task.ExitCause) string {
	switch {
	case e.OOM:
		return "oom"
	case e.Panic != "":
		return "panic"
	case e.ByHost:
		return "host"
	case e.Signal != "":
		return "signal"
	case e.Code != 0:
		return "error"
	}
	return "ok"
}

// Sink counts the lines of a task's log.
func (m *Metrics) Sink(name string, inner task.LogSink) task.LogSink {
	return &sink{inner, m.of(name)}
}

type sink struct {
	task.LogSink
	counts *counts
}

func (s *sink) Line(l task.LogLine) {
	s.counts.lines.add(l.Stream, 1)
	if l.Stream == "host" && len(l.Fields) > 0 {
		var gap struct {
			Dropped uint64 `json:"dropped_lines"`
		}
		if json.Unmarshal(l.Fields, &gap) == nil {
			s.counts.dropped.Add(gap.Dropped)
		}
	}
	s.LogSink.Line(l)
}

// Committed counts a transaction of the store: how long it took and how many writes it carried, or that it failed.
func (m *Metrics) Committed(took time.Duration, writes int, err error) {
	if err != nil {
		m.storeErrors.Add(1)
		return
	}
	m.commits.took(took)
	m.writes.observe(float64(writes))
}

// Served counts a request of the admin API. A stream has no duration that would say anything.
func (m *Metrics) Served(route, method string, status int, took time.Duration, stream bool) {
	m.request(served{route, method}).count(status, took, stream)
}

// Waited counts how long a message of a queue waited for the handler that was entered with it.
func (m *Metrics) Waited(queue string) func(time.Duration) { return m.queueWait(queue).took }

// Reloaded takes note of a configuration that was applied, or of why it was not.
func (m *Metrics) Reloaded(err error, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reload.ok = err == nil
	if err != nil {
		m.reload.failed++
		return
	}
	m.reload.succeeded++
	m.reload.at = at
}

// served names what requests are counted by.
type served struct{ route, method string }

type requests struct {
	codes tally[string]
	took  *histogram
}

func (r *requests) count(status int, took time.Duration, stream bool) {
	r.codes.add(strconv.Itoa(status), 1)
	if !stream {
		r.took.took(took)
	}
}
