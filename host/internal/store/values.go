package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// values holds checkpoints, run-scoped values and published values.
type values struct {
	mu          sync.Mutex
	version     uint64 // of the last write; never given out twice, so that a value that was deleted and written again is another
	checkpoints map[string]map[string]task.Checkpoint
	runs        map[string]map[string]json.RawMessage
	published   map[string]map[string]task.Published
	told        uint64 // changes of published
}

func newValues() *values {
	return &values{
		checkpoints: map[string]map[string]task.Checkpoint{},
		runs:        map[string]map[string]json.RawMessage{},
		published:   map[string]map[string]task.Published{},
	}
}

// Commit applies all of ops or none. It refuses the commit of a run that has ended, an
// op over a limit, and an emit: no output is wired.
func (m *Memory) Commit(ctx context.Context, name, run string, ops []task.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, op := range ops {
		if err := checkOp(run, op); err != nil {
			return fmt.Errorf("operation %d of %d: %w", i+1, len(ops), err)
		}
	}
	if r, ok, _ := m.Run(ctx, run); ok && r.State == task.RunEnded {
		return runEnded(run)
	}
	return m.values.commit(name, run, ops, m.opts.Now())
}

func checkOp(run string, op task.Op) error {
	switch op.Kind {
	case task.OpSave:
		return CheckValue(op.Key, op.Value)
	case task.OpSaveRun:
		if run == "" {
			return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("%q cannot be saved for a run: there is none", op.Key), Remedy: "save it for the task, or within a run"}
		}
		return CheckValue(op.Key, op.Value)
	case task.OpDelete:
		return CheckKey(op.Key)
	case task.OpEmit:
		return &task.Error{Code: CodeNoOutput, Detail: fmt.Sprintf("the output %q is not wired to a queue", op.Output)}
	}
	return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("unknown operation %q", op.Kind)}
}

func (v *values) commit(name, run string, ops []task.Op, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	// Counting first keeps it all or nothing.
	of, ofRun := changes(ops)
	if grown(v.checkpoints[name], of) > MaxKeys {
		return tooManyKeys(fmt.Sprintf("the checkpoint of task %q", name))
	}
	if grown(v.runs[run], ofRun) > MaxKeys {
		return tooManyKeys(fmt.Sprintf("run %s", run))
	}
	for _, op := range ops {
		switch op.Kind {
		case task.OpSave:
			v.save(name, op.Key, op.Value, now, run)
		case task.OpDelete:
			v.delete(name, op.Key)
		case task.OpSaveRun:
			put(v.runs, run, op.Key, op.Value)
		}
	}
	return nil
}

// changes are the keys of a checkpoint and of a run that ops write (true) or delete (false).
func changes(ops []task.Op) (of, ofRun map[string]bool) {
	of, ofRun = map[string]bool{}, map[string]bool{}
	for _, op := range ops {
		switch op.Kind {
		case task.OpSave:
			of[op.Key] = true
		case task.OpDelete:
			of[op.Key] = false
		case task.OpSaveRun:
			ofRun[op.Key] = true
		}
	}
	return of, ofRun
}

// grown is how many keys there will be: true in changes is a write, false a delete.
func grown[T any](now map[string]T, changes map[string]bool) int {
	n := len(now)
	for key, write := range changes {
		if _, there := now[key]; write && !there {
			n++
		} else if !write && there {
			n--
		}
	}
	return n
}

func put[T any](m map[string]map[string]T, of, key string, value T) {
	inner := m[of]
	if inner == nil {
		inner = map[string]T{}
		m[of] = inner
	}
	inner[key] = value
}

func (v *values) save(name, key string, value json.RawMessage, now time.Time, run string) task.Checkpoint {
	v.version++
	c := task.Checkpoint{Value: value, Version: v.version, At: now, Run: run}
	put(v.checkpoints, name, key, c)
	return c
}

func (v *values) delete(name, key string) {
	delete(v.checkpoints[name], key)
	if len(v.checkpoints[name]) == 0 {
		delete(v.checkpoints, name)
	}
}

// Load returns one value of the task's checkpoint.
func (m *Memory) Load(_ context.Context, name, key string) (json.RawMessage, bool, error) {
	m.values.mu.Lock()
	defer m.values.mu.Unlock()
	c, ok := m.values.checkpoints[name][key]
	return c.Value, ok, nil
}

// RunValues returns the run-scoped values of a run.
func (m *Memory) RunValues(_ context.Context, run string) (map[string]json.RawMessage, error) {
	m.values.mu.Lock()
	defer m.values.mu.Unlock()
	return maps.Clone(m.values.runs[run]), nil
}

// Publish replaces a published value and tells the feed. A value over a limit is not
// taken: who hands it in asks CheckValue first.
func (m *Memory) Publish(name, key string, value json.RawMessage, at time.Time) {
	if CheckValue(key, value) != nil || !m.values.publish(name, key, task.Published{Value: value, At: at}) {
		return
	}
	m.Event(task.Event{At: at, Topic: "state", Kind: "published", Task: name, Text: key})
}

func (v *values) publish(name, key string, p task.Published) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, there := v.published[name][key]; !there && len(v.published[name]) >= MaxKeys {
		return false
	}
	put(v.published, name, key, p)
	v.told++
	return true
}

// Version rises with every change of what Status, Statuses and State say.
func (m *Memory) Version() uint64 {
	m.values.mu.Lock()
	defer m.values.mu.Unlock()
	return m.statuses.changes.Load() + m.values.told
}

// State returns what the task publishes.
func (m *Memory) State(_ context.Context, name string) (map[string]task.Published, error) {
	m.values.mu.Lock()
	defer m.values.mu.Unlock()
	return maps.Clone(m.values.published[name]), nil
}

// Checkpoints returns the task's checkpoint.
func (m *Memory) Checkpoints(_ context.Context, name string) (map[string]task.Checkpoint, error) {
	m.values.mu.Lock()
	defer m.values.mu.Unlock()
	return maps.Clone(m.values.checkpoints[name]), nil
}

// SetCheckpoint writes one value for a person; value nil deletes it. With ifVersion the
// value must have that version.
func (m *Memory) SetCheckpoint(_ context.Context, name, key string, value json.RawMessage, ifVersion uint64) (task.Checkpoint, error) {
	check := CheckKey(key)
	if value != nil {
		check = CheckValue(key, value)
	}
	if check != nil {
		return task.Checkpoint{}, check
	}
	c, err := m.values.set(name, key, value, ifVersion, m.opts.Now())
	if err == nil {
		m.Event(task.Event{Topic: "state", Kind: "checkpoint", Task: name, Text: key})
	}
	return c, err
}

func (v *values) set(name, key string, value json.RawMessage, ifVersion uint64, now time.Time) (task.Checkpoint, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, there := v.checkpoints[name][key]
	if ifVersion != 0 && was.Version != ifVersion {
		return task.Checkpoint{}, conflict(name, key, was.Version, ifVersion)
	}
	if value == nil {
		v.delete(name, key)
		return task.Checkpoint{}, nil
	}
	if !there && len(v.checkpoints[name]) >= MaxKeys {
		return task.Checkpoint{}, tooManyKeys(fmt.Sprintf("the checkpoint of task %q", name))
	}
	return v.save(name, key, value, now, ""), nil
}

func conflict(name, key string, is, want uint64) error {
	return &task.Error{
		Code:   CodeConflict,
		Detail: fmt.Sprintf("the checkpoint value %q of task %q has version %d, not %d", key, name, is, want),
		Remedy: "read it again and decide anew",
	}
}

func runEnded(run string) error {
	return &task.Error{Code: CodeRunEnded, Detail: fmt.Sprintf("run %s has ended, nothing of it is kept any more", run), Remedy: "commit before the run returns"}
}

func (v *values) dropRun(run string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.runs, run)
}

func (v *values) dropTask(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.checkpoints, name)
	delete(v.published, name)
	v.told++
}
