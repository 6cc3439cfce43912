package hosttest

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Values is a task.Values in memory. Set Hold, Time and Err before it is used.
type Values struct {
	Hold <-chan struct{} // commits wait until it is closed; nil is no wait
	Time time.Duration   // that a commit takes
	Err  error           // every commit and load fails with it

	mu        sync.Mutex
	saved     map[string]map[string]json.RawMessage // by task
	runs      map[string]map[string]json.RawMessage // by run
	published map[string]map[string]json.RawMessage // by task
	publishes int
	commits   int
}

var _ task.Values = (*Values)(nil)

// Commit applies ops. See task.Values.
func (v *Values) Commit(ctx context.Context, name, run string, ops []task.Op) error {
	if v.Hold != nil {
		select {
		case <-v.Hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := sleep(ctx, v.Time); err != nil {
		return err
	}
	if v.Err != nil {
		return v.Err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.commits++
	for _, op := range ops {
		switch op.Kind {
		case task.OpSave:
			put(&v.saved, name, op.Key, op.Value)
		case task.OpSaveRun:
			put(&v.runs, run, op.Key, op.Value)
		case task.OpDelete:
			delete(v.saved[name], op.Key)
		}
	}
	return nil
}

func put(m *map[string]map[string]json.RawMessage, outer, key string, value json.RawMessage) {
	if *m == nil {
		*m = map[string]map[string]json.RawMessage{}
	}
	if (*m)[outer] == nil {
		(*m)[outer] = map[string]json.RawMessage{}
	}
	(*m)[outer][key] = value
}

// Load returns a saved value. See task.Values.
func (v *Values) Load(_ context.Context, name, key string) (json.RawMessage, bool, error) {
	if v.Err != nil {
		return nil, false, v.Err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	value, ok := v.saved[name][key]
	return value, ok, nil
}

// RunValues returns the run-scoped values of a run. See task.Values.
func (v *Values) RunValues(_ context.Context, run string) (map[string]json.RawMessage, error) {
	if v.Err != nil {
		return nil, v.Err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.runs[run]), nil
}

// Publish keeps the newest value.
func (v *Values) Publish(name, key string, value json.RawMessage, _ time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.publishes++
	put(&v.published, name, key, value)
}

// Published returns what a task has published.
func (v *Values) Published(name string) map[string]json.RawMessage {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.published[name])
}

// Publishes returns how often Publish was called.
func (v *Values) Publishes() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.publishes
}

// Commits returns how many commits were applied.
func (v *Values) Commits() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.commits
}

// Log is a task.LogSink that remembers its lines.
type Log struct {
	mu    sync.Mutex
	lines []task.LogLine
}

var _ task.LogSink = (*Log)(nil)

// Line remembers a line.
func (l *Log) Line(line task.LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// Lines returns the lines, oldest first.
func (l *Log) Lines() []task.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]task.LogLine(nil), l.lines...)
}
