package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// write puts b on the disk in one transaction. More says that there is history left to forget.
func (s *SQLite) write(ctx context.Context, w *writer, b *batch) (more bool, err error) {
	t := &tx{w: w, file: s.path, kinds: map[int64]kind{}, ids: map[kindKey]int64{}, all: s.kinds, next: s.kinds.newest}
	if err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	more, err = s.apply(ctx, t, b)
	if err == nil {
		if err = t.exec(ctx, "COMMIT"); err != nil {
			err = fmt.Errorf("commit: %w", err)
		}
	}
	if err != nil {
		_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
		return false, err
	}
	w.commits++
	w.place = t.place()
	t.keepKinds()
	s.keepDead(t.queues.dead)
	return more, nil
}

func (s *SQLite) apply(ctx context.Context, t *tx, b *batch) (more bool, err error) {
	if err := s.applyOps(ctx, t, b); err != nil {
		return false, err
	}
	if err := t.saveRuns(ctx, b.runs); err != nil {
		return false, fmt.Errorf("write runs: %w", err)
	}
	if err := t.saveSlots(ctx, b.slots); err != nil {
		return false, fmt.Errorf("write slots: %w", err)
	}
	if err := t.saveTasks(ctx, b.rows); err != nil {
		return false, fmt.Errorf("write tasks: %w", err)
	}
	if err := t.savePublished(ctx, b.values); err != nil {
		return false, fmt.Errorf("write published values: %w", err)
	}
	if err := t.saveEvents(ctx, b.events); err != nil {
		return false, fmt.Errorf("write events: %w", err)
	}
	if more, err = s.prune(ctx, t, b); err != nil {
		return false, fmt.Errorf("forget old history: %w", err)
	}
	if err := t.saveKinds(ctx); err != nil {
		return false, err
	}
	return more, t.exec(ctx, `UPDATE meta SET number = CASE name WHEN 'commits' THEN ? ELSE ? END WHERE name IN ('commits', 'place')`, t.w.commits+1, t.place())
}

// applyOps carries out what is waited for. One that refuses has written nothing; an error of the engine fails the
// whole batch.
func (s *SQLite) applyOps(ctx context.Context, t *tx, b *batch) error {
	if err := t.recall(ctx, b.ops); err != nil {
		return fmt.Errorf("look for ids of messages: %w", err)
	}
	kept := b.ops[:0]
	for i, o := range b.ops {
		if !o.taken.CompareAndSwap(false, true) {
			continue // the caller has given up
		}
		err := o.do(ctx, t)
		var refusal *task.Error
		switch {
		case err == nil:
			kept = append(kept, o)
		case errors.As(err, &refusal):
			o.refused = err
			kept = append(kept, o)
		default:
			b.ops = append(append(kept, o), b.ops[i+1:]...)
			return err
		}
	}
	b.ops = kept
	if err := t.flushQueues(ctx); err != nil {
		return fmt.Errorf("write messages: %w", err)
	}
	return nil
}

// upsert runs a statement whose last parameter is the record of v.
func (t *tx) upsert(ctx context.Context, query string, v any, args ...any) error {
	record, err := encode(v)
	if err != nil {
		return err
	}
	return t.exec(ctx, query, append(args, record)...)
}

// SaveOverrides replaces the overrides of a task; the zero value removes them. They are on the disk when it returns.
func (s *SQLite) SaveOverrides(ctx context.Context, name string, o task.Overrides) error {
	return s.do(ctx, &op{
		do: func(ctx context.Context, t *tx) error {
			if o == (task.Overrides{}) {
				return t.exec(ctx, `DELETE FROM overrides WHERE task = ?`, name)
			}
			return t.upsert(ctx, `INSERT INTO overrides (task, record) VALUES (?, ?) ON CONFLICT (task) DO UPDATE SET record = excluded.record`, o, name)
		},
		after: func() { s.past(name).memory.Overrides = o },
	}, nil)
}

// Commit applies all of ops or none; they are on the disk when it returns. It refuses the commit of a run
// that has ended, an op over a limit, and an emit: no output is wired.
func (s *SQLite) Commit(ctx context.Context, name, run string, ops []task.Op) error {
	if err := checkOps(run, ops); err != nil {
		return err
	}
	now := s.opts.Now()
	return s.do(ctx, &op{do: func(ctx context.Context, t *tx) error { return s.commit(ctx, t, name, run, ops, now) }}, func() error { return s.ending(run) })
}

// ending refuses a commit of a run whose end is on its way to the disk. The lock is held.
func (s *SQLite) ending(run string) error {
	if r := s.onTheWay(run); r != nil && r.ended {
		return runEnded(run)
	}
	return nil
}

func (s *SQLite) commit(ctx context.Context, t *tx, name, run string, ops []task.Op, now time.Time) error {
	if err := s.notEnded(ctx, t, run); err != nil {
		return err
	}
	return s.saveOps(ctx, t, name, run, ops, now)
}

// notEnded refuses a commit of a run that has ended.
func (s *SQLite) notEnded(ctx context.Context, t *tx, run string) error {
	if s.isLive(run) {
		return nil
	}
	var seq uint64
	ended, err := t.get(ctx, `SELECT seq FROM runs WHERE id = ?`, []any{run}, &seq)
	if err == nil && ended {
		err = runEnded(run)
	}
	return err
}

func (s *SQLite) saveOps(ctx context.Context, t *tx, name, run string, ops []task.Op, now time.Time) error {
	of, ofRun := changes(ops)
	if err := t.room(ctx, "checkpoints", "task", name, of, fmt.Sprintf("the checkpoint of task %q", name)); err != nil {
		return err
	}
	if err := t.room(ctx, "run_values", "run", run, ofRun, "run "+run); err != nil {
		return err
	}
	for _, o := range ops {
		var err error
		switch o.Kind {
		case task.OpSave:
			_, err = s.saveCheckpoint(ctx, t, name, o.Key, o.Value, now, run)
		case task.OpDelete:
			err = t.exec(ctx, `DELETE FROM checkpoints WHERE task = ? AND name = ?`, name, o.Key)
		case task.OpSaveRun:
			err = t.upsert(ctx, `INSERT INTO run_values (run, name, record) VALUES (?, ?, ?) ON CONFLICT (run, name) DO UPDATE SET record = excluded.record`,
				storedValue{Value: o.Value}, run, o.Key)
		}
		if err != nil {
			return fmt.Errorf("write %q of task %q: %w", o.Key, name, err)
		}
	}
	return nil
}

func (s *SQLite) isLive(run string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[run] != nil
}

// room refuses changes after which there would be too many keys.
func (t *tx) room(ctx context.Context, table, column, of string, changes map[string]bool, what string) error {
	if len(changes) == 0 {
		return nil
	}
	var n int
	if _, err := t.get(ctx, `SELECT COUNT(*) FROM `+table+` WHERE `+column+` = ?`, []any{of}, &n); err != nil {
		return err
	}
	if n+len(changes) <= MaxKeys {
		return nil
	}
	there := map[string]struct{}{}
	for key := range changes {
		var one int
		found, err := t.get(ctx, `SELECT 1 FROM `+table+` WHERE `+column+` = ? AND name = ?`, []any{of, key}, &one)
		if err != nil {
			return err
		}
		if found {
			there[key] = struct{}{}
		}
	}
	if n+grown(there, changes)-len(there) > MaxKeys {
		return tooManyKeys(what)
	}
	return nil
}

func (s *SQLite) saveCheckpoint(ctx context.Context, t *tx, name, key string, value json.RawMessage, now time.Time, run string) (task.Checkpoint, error) {
	s.mu.Lock()
	s.version++
	c := task.Checkpoint{Value: value, Version: s.version, At: now, Run: run}
	s.mu.Unlock()
	if err := t.exec(ctx, `UPDATE meta SET number = ? WHERE name = 'version'`, c.Version); err != nil {
		return c, err
	}
	return c, t.upsert(ctx, `INSERT INTO checkpoints (task, name, record) VALUES (?, ?, ?) ON CONFLICT (task, name) DO UPDATE SET record = excluded.record`,
		storedValue{c.Value, c.Version, c.At, c.Run}, name, key)
}

// SetCheckpoint writes one value for a person; value nil deletes it. With ifVersion the value must have that
// version. It is on the disk when it returns.
func (s *SQLite) SetCheckpoint(ctx context.Context, name, key string, value json.RawMessage, ifVersion uint64) (task.Checkpoint, error) {
	check := CheckKey(key)
	if value != nil {
		check = CheckValue(key, value)
	}
	if check != nil {
		return task.Checkpoint{}, check
	}
	var c task.Checkpoint
	err := s.do(ctx, &op{
		do: func(ctx context.Context, t *tx) (err error) {
			c, err = s.setCheckpoint(ctx, t, name, key, value, ifVersion)
			return err
		},
		after: func() { s.event(task.Event{Topic: "state", Kind: "checkpoint", Task: name, Text: key}) },
	}, nil)
	return c, err
}

func (s *SQLite) setCheckpoint(ctx context.Context, t *tx, name, key string, value json.RawMessage, ifVersion uint64) (task.Checkpoint, error) {
	if ifVersion != 0 {
		var record []byte
		var was storedValue
		found, err := t.get(ctx, `SELECT record FROM checkpoints WHERE task = ? AND name = ?`, []any{name, key}, &record)
		if found {
			was, err = decode[storedValue](record)
		}
		if err != nil {
			return task.Checkpoint{}, err
		}
		if was.Version != ifVersion {
			return task.Checkpoint{}, conflict(name, key, was.Version, ifVersion)
		}
	}
	if value == nil {
		return task.Checkpoint{}, t.exec(ctx, `DELETE FROM checkpoints WHERE task = ? AND name = ?`, name, key)
	}
	if err := t.room(ctx, "checkpoints", "task", name, map[string]bool{key: true}, fmt.Sprintf("the checkpoint of task %q", name)); err != nil {
		return task.Checkpoint{}, err
	}
	return s.saveCheckpoint(ctx, t, name, key, value, s.opts.Now(), "")
}
