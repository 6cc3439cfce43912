package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"

	"github.com/taskhost/taskhost/host/internal/task"
)

// CodeNameTaken is the code of the refusal to give a task the past of another beside its own.
const CodeNameTaken = "name_taken"

// renameAtOnce is how many records one transaction moves: others wait for it.
const renameAtOnce = 200

// Rename gives everything that is remembered of a task to another name: history, slots, overrides, checkpoint, published
// values, live runs and the high-water mark. Nothing of either name may be at work. History moves first, in
// transactions that others need not wait for long; the last one moves the rest at once and makes the old name unknown. So
// one that was cut off goes on when it is called again. It does nothing when the old name is not known, and refuses
// with CodeNameTaken when the new one has a past of its own.
func (s *SQLite) Rename(ctx context.Context, from, to string) error {
	if err := s.Flush(ctx); err != nil { // what was saved of the old name is moved, too
		return err
	}
	switch known, err := s.mayRename(from, to); {
	case err != nil || !known:
		return err
	}
	for more := true; more; {
		err := s.do(ctx, &op{small: true, do: func(ctx context.Context, t *tx) (err error) {
			more, err = t.renameHistory(ctx, from, to, renameAtOnce)
			return err
		}}, nil)
		if err != nil {
			return err
		}
	}
	return s.do(ctx, &op{
		small: true,
		do:    func(ctx context.Context, t *tx) error { return s.renameRest(ctx, t, from, to) },
		after: func() { s.renamed(from, to) },
	}, nil)
}

// mayRename reports whether there is something to move.
func (s *SQLite) mayRename(from, to string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, heir := s.tasks[from], s.tasks[to]
	if old == nil || old.row() == (taskRow{}) && old.live.count() == 0 && old.memory.Overrides == (task.Overrides{}) {
		return false, nil
	}
	if heir != nil && (heir.row() != (taskRow{}) || heir.live.count() > 0) {
		return false, &task.Error{
			Code: CodeNameTaken, Detail: fmt.Sprintf("task %q has a history of its own, so that of %q stays where it is", to, from),
			Remedy: "remove the moved block",
		}
	}
	return true, nil
}

// renameHistory moves some records. It reports whether there may be more.
func (t *tx) renameHistory(ctx context.Context, from, to string, most int) (more bool, err error) {
	for _, k := range t.ofTask(from, func(kindKey) bool { return true }) {
		if k.rows == 0 {
			continue
		}
		moved, err := t.renameKind(ctx, k, to, most)
		if err != nil {
			return false, fmt.Errorf("rename task %q: %w", from, err)
		}
		if most -= moved; most <= 0 {
			return true, nil
		}
	}
	return false, nil
}

// oldRow is a row of history that moves.
type oldRow struct {
	seq, queued uint64
	id          string
	size        int64
	record      []byte
}

// renameKind moves records of one kind.
func (t *tx) renameKind(ctx context.Context, k kind, to string, most int) (int, error) {
	var all []oldRow
	query := `SELECT seq, id, queued, size, record FROM ` + k.key.table + ` WHERE kind = ? ORDER BY seq LIMIT 0 + ?`
	err := each(ctx, t.w.conn, query, []any{k.id, most}, func(rows *sql.Rows) error {
		var r oldRow
		err := rows.Scan(&r.seq, &r.id, &r.queued, &r.size, &r.record)
		all = append(all, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	key := k.key
	key.task = to
	for _, r := range all {
		if err := t.delete(ctx, k.key.table, r.seq, k.id, r.size); err != nil {
			return 0, err
		}
		if err := t.insertRenamed(ctx, key, r); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// insertRenamed adds a record to the history of its new task. A damaged one stays damaged.
func (t *tx) insertRenamed(ctx context.Context, key kindKey, r oldRow) error {
	if key.table == "slots" {
		if v, err := decode[task.SlotRecord](r.record); err == nil {
			v.Task = key.task
			return t.insert(ctx, key, r.seq, r.id, r.queued, &v)
		}
	} else if v, err := decode[task.Run](r.record); err == nil {
		v.Task = key.task
		return t.insert(ctx, key, r.seq, r.id, r.queued, &v)
	}
	return t.insertRecord(ctx, key, r.seq, r.id, r.queued, r.record)
}

// renameRest moves what is no history.
func (s *SQLite) renameRest(ctx context.Context, t *tx, from, to string) error {
	s.mu.Lock()
	row, runs := s.past(from).row(), map[uint64]task.Run{}
	for _, it := range s.live {
		if it.value.Task == from {
			r := *it.value
			r.Task = to
			runs[it.seq] = r
		}
	}
	s.mu.Unlock()
	row.Removed = s.opts.Now() // until it begins
	for seq, r := range runs {
		if err := t.upsert(ctx, `INSERT INTO live (id, seq, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record`, r, r.ID, seq); err != nil {
			return err
		}
	}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{`DELETE FROM checkpoints WHERE task = ?`, []any{to}},
		{`UPDATE checkpoints SET task = ? WHERE task = ?`, []any{to, from}},
		{`DELETE FROM published WHERE task = ?`, []any{to}},
		{`UPDATE published SET task = ? WHERE task = ?`, []any{to, from}},
		{`DELETE FROM overrides WHERE task = ?`, []any{to}},
		{`UPDATE overrides SET task = ? WHERE task = ?`, []any{to, from}},
		{`DELETE FROM tasks WHERE task = ?`, []any{from}},
	} {
		if err := t.exec(ctx, q.query, q.args...); err != nil {
			return fmt.Errorf("rename task %q: %w", from, err)
		}
	}
	return t.upsert(ctx, `INSERT INTO tasks (task, record) VALUES (?, ?) ON CONFLICT (task) DO UPDATE SET record = excluded.record`, row, to)
}

// renamed does in memory what is on the disk now. The lock is held.
func (s *SQLite) renamed(from, to string) {
	old, heir := s.past(from), s.past(to)
	heir.memory, heir.removed, heir.live = old.memory, s.opts.Now(), old.live
	heir.written = heir.row()
	for _, it := range s.live {
		if it.value.Task == from {
			r := *it.value
			r.Task = to
			it.value = &r // who reads the old one keeps it
		}
	}
	if values := s.published[from]; values != nil {
		s.published[to] = maps.Clone(values)
	}
	delete(s.published, from)
	s.told.Add(1)
	delete(s.tasks, from)
	s.event(task.Event{Topic: "task", Kind: "renamed", Task: to, Text: "it was " + from})
}
