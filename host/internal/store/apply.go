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
	for id, r := range b.runs {
		if err := t.saveRun(ctx, r); err != nil {
			return false, fmt.Errorf("write run %s: %w", id, err)
		}
	}
	for id, r := range b.slots {
		if err := t.saveSlot(ctx, r); err != nil {
			return false, fmt.Errorf("write slots %s: %w", id, err)
		}
	}
	if err := s.applyTasks(ctx, t, b); err != nil {
		return false, err
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

func (s *SQLite) applyTasks(ctx context.Context, t *tx, b *batch) error {
	for name, row := range b.rows {
		if err := t.upsert(ctx, `INSERT INTO tasks (task, record) VALUES (?, ?) ON CONFLICT (task) DO UPDATE SET record = excluded.record`, row, name); err != nil {
			return fmt.Errorf("write task %q: %w", name, err)
		}
	}
	for k, p := range b.values {
		err := t.upsert(ctx, `INSERT INTO published (task, name, record) VALUES (?, ?, ?) ON CONFLICT (task, name) DO UPDATE SET record = excluded.record`, p, k.task, k.key)
		if err != nil {
			return fmt.Errorf("write value %q of task %q: %w", k.key, k.task, err)
		}
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

func (t *tx) saveRun(ctx context.Context, r *savedRun) error {
	id := r.run.ID
	was, err := t.remove(ctx, "runs", id)
	if err != nil {
		return err
	}
	if !r.ended {
		return t.upsert(ctx, `INSERT INTO live (id, seq, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, record = excluded.record`,
			r.run, id, r.seq)
	}
	if err := t.exec(ctx, `DELETE FROM live WHERE id = ?`, id); err != nil {
		return err
	}
	if err := t.exec(ctx, `DELETE FROM run_values WHERE run = ?`, id); err != nil {
		return err
	}
	seq := r.seq
	if was != 0 && !r.fresh {
		seq = was
	}
	return t.insert(ctx, runKind(r.run, seq), seq, id, micros(r.run.Queued), r.run)
}

func (t *tx) saveSlot(ctx context.Context, r *savedSlot) error {
	was, err := t.remove(ctx, "slots", r.record.ID)
	if err != nil {
		return err
	}
	seq := r.seq
	if was != 0 {
		seq = was
	}
	return t.insert(ctx, slotKind(r.record), seq, r.record.ID, 0, r.record)
}

// insert adds a record to history.
func (t *tx) insert(ctx context.Context, key kindKey, seq uint64, id string, queued uint64, v any) error {
	record, err := encode(v)
	if err != nil {
		return err
	}
	return t.insertRecord(ctx, key, seq, id, queued, record)
}

func (t *tx) insertRecord(ctx context.Context, key kindKey, seq uint64, id string, queued uint64, record []byte) error {
	k := t.kind(key)
	size := int64(len(record))
	k.rows, k.bytes = k.rows+1, k.bytes+size
	t.kinds[k.id] = k
	return t.exec(ctx, `INSERT INTO `+key.table+` (seq, id, kind, queued, size, record) VALUES (?, ?, ?, ?, ?, ?)`, seq, id, k.id, queued, size, record)
}

// remove takes a record out of history and returns its place; 0 when there is none.
func (t *tx) remove(ctx context.Context, table, id string) (uint64, error) {
	var seq uint64
	var of, size int64
	found, err := t.get(ctx, `SELECT seq, kind, size FROM `+table+` WHERE id = ?`, []any{id}, &seq, &of, &size)
	if !found || err != nil {
		return 0, err
	}
	return seq, t.delete(ctx, table, seq, of, size)
}

// delete takes the record at a place out of history.
func (t *tx) delete(ctx context.Context, table string, seq uint64, of, size int64) error {
	if k, known := t.byID(of); known {
		k.rows, k.bytes = k.rows-1, k.bytes-size
		t.kinds[of] = k
	}
	return t.exec(ctx, `DELETE FROM `+table+` WHERE seq = ?`, seq)
}

// kind returns the kind with the key as it will be; a new one gets its id.
func (t *tx) kind(key kindKey) kind {
	if id, ok := t.ids[key]; ok {
		return t.kinds[id]
	}
	k := t.all.find(key)
	if k.id == 0 {
		t.next++
		k.id = t.next
	} else if now, changed := t.kinds[k.id]; changed {
		k = now
	}
	t.ids[key] = k.id
	return k
}

func (t *tx) byID(id int64) (kind, bool) {
	if k, changed := t.kinds[id]; changed {
		return k, true
	}
	t.all.mu.RLock()
	defer t.all.mu.RUnlock()
	if k := t.all.byID[id]; k != nil {
		return *k, true
	}
	return kind{}, false
}

func (t *tx) saveKinds(ctx context.Context) error {
	for _, k := range t.kinds {
		err := t.exec(ctx, `INSERT INTO kinds (id, part, task, outcome, cause, level, row_count, byte_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET row_count = excluded.row_count, byte_count = excluded.byte_count`,
			k.id, k.key.table, k.key.task, string(k.key.outcome), string(k.key.trigger), k.key.level, k.rows, k.bytes)
		if err != nil {
			return fmt.Errorf("write kind %d: %w", k.id, err)
		}
	}
	return nil
}

// keepKinds takes over the kinds of a transaction that is on the disk.
func (t *tx) keepKinds() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	for _, k := range t.kinds {
		t.all.put(&k)
	}
	for _, id := range t.dropped {
		t.all.drop(id)
	}
}

// saveEvents writes all events of a transaction as one row.
func (t *tx) saveEvents(ctx context.Context, events []task.Event) error {
	if len(events) == 0 {
		return nil
	}
	return t.upsert(ctx, `INSERT INTO events (last_seq, first_seq, count, record) VALUES (?, ?, ?, ?)
		ON CONFLICT (last_seq) DO UPDATE SET first_seq = excluded.first_seq, count = excluded.count, record = excluded.record`,
		events, events[len(events)-1].Seq, events[0].Seq, len(events))
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
