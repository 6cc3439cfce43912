package store

import (
	"context"
	"fmt"

	"github.com/taskhost/taskhost/host/internal/task"
)

// saveRuns writes the runs of a batch. A thousand short runs a second are twenty to a batch: so each statement is for all of
// them.
func (t *tx) saveRuns(ctx context.Context, runs map[string]*savedRun) error {
	was, err := t.removeAll(ctx, "runs", anys(runs))
	if err != nil {
		return err
	}
	var live, over, ended []any
	for id, r := range runs {
		record, err := encode(r.run)
		if err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		if !r.ended {
			live = append(live, id, r.seq, record)
			continue
		}
		seq := r.seq
		if earlier := was[id]; earlier != 0 && !r.fresh {
			seq = earlier
		}
		over = append(over, id)
		ended = append(ended, t.row(runKind(r.run, seq), seq, id, micros(r.run.Queued), record)...)
	}
	if err := t.deleteAll(ctx, `DELETE FROM live WHERE id IN `, over); err != nil {
		return err
	}
	if err := t.deleteAll(ctx, `DELETE FROM run_values WHERE run IN `, over); err != nil {
		return err
	}
	err = t.insertAll(ctx, `INSERT INTO live (id, seq, record) VALUES `, 3, live,
		` ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, record = excluded.record`)
	if err != nil {
		return err
	}
	return t.insertRows(ctx, "runs", ended)
}

func (t *tx) saveSlots(ctx context.Context, slots map[string]*savedSlot) error {
	was, err := t.removeAll(ctx, "slots", anys(slots))
	if err != nil {
		return err
	}
	var rows []any
	for id, r := range slots {
		record, err := encode(r.record)
		if err != nil {
			return fmt.Errorf("slots %s: %w", id, err)
		}
		seq := r.seq
		if earlier := was[id]; earlier != 0 {
			seq = earlier
		}
		rows = append(rows, t.row(slotKind(r.record), seq, id, 0, record)...)
	}
	return t.insertRows(ctx, "slots", rows)
}

func (t *tx) saveTasks(ctx context.Context, tasks map[string]taskRow) error {
	var rows []any
	for name, row := range tasks {
		record, err := encode(row)
		if err != nil {
			return fmt.Errorf("task %q: %w", name, err)
		}
		rows = append(rows, name, record)
	}
	return t.insertAll(ctx, `INSERT INTO tasks (task, record) VALUES `, 2, rows, ` ON CONFLICT (task) DO UPDATE SET record = excluded.record`)
}

func (t *tx) savePublished(ctx context.Context, values map[valueKey]task.Published) error {
	var rows []any
	for k, p := range values {
		record, err := encode(p)
		if err != nil {
			return fmt.Errorf("%q of task %q: %w", k.key, k.task, err)
		}
		rows = append(rows, k.task, k.key, record)
	}
	return t.insertAll(ctx, `INSERT INTO published (task, name, record) VALUES `, 3, rows, ` ON CONFLICT (task, name) DO UPDATE SET record = excluded.record`)
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
	return t.insertRows(ctx, key.table, t.row(key, seq, id, queued, record))
}

// row counts a record for its kind, and returns the parameters that insert it.
func (t *tx) row(key kindKey, seq uint64, id string, queued uint64, record []byte) []any {
	k := t.kind(key)
	size := int64(len(record))
	k.rows, k.bytes = k.rows+1, k.bytes+size
	t.kinds[k.id] = k
	return []any{seq, id, k.id, queued, size, record}
}

func (t *tx) insertRows(ctx context.Context, table string, rows []any) error {
	return t.insertAll(ctx, `INSERT INTO `+table+` (seq, id, kind, queued, size, record) VALUES `, 6, rows, "")
}

// insertAll runs a statement of which each row takes so many parameters, with few turns for all of them.
func (t *tx) insertAll(ctx context.Context, head string, width int, rows []any, tail string) error {
	return inPieces(rows, width, func(n int, rows []any) error { return t.exec(ctx, head+marks(n, width)+tail, rows...) })
}

// removeAll takes records out of history and returns the places of those that were there.
func (t *tx) removeAll(ctx context.Context, table string, ids []any) (map[string]uint64, error) {
	was := map[string]uint64{}
	var places []any
	err := inChunks(ids, 1, func(ids []any) error {
		stmt, err := t.w.prepare(ctx, `SELECT id, seq, kind, size FROM `+table+` WHERE id IN (`+list(len(ids))+`)`)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, ids...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var seq uint64
			var of, size int64
			if err := rows.Scan(&id, &seq, &of, &size); err != nil {
				return err
			}
			was[id] = seq
			places = append(places, seq)
			t.uncount(of, size)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return was, t.deleteAll(ctx, `DELETE FROM `+table+` WHERE seq IN `, places)
}

func (t *tx) deleteAll(ctx context.Context, query string, keys []any) error {
	return inChunks(keys, 1, func(keys []any) error { return t.exec(ctx, query+`(`+list(len(keys))+`)`, keys...) })
}

// anys are the keys of a map as parameters.
func anys[V any](of map[string]V) []any {
	out := make([]any, 0, len(of))
	for key := range of {
		out = append(out, key)
	}
	return out
}

// delete takes the record at a place out of history.
func (t *tx) delete(ctx context.Context, table string, seq uint64, of, size int64) error {
	t.uncount(of, size)
	return t.exec(ctx, `DELETE FROM `+table+` WHERE seq = ?`, seq)
}

// uncount says that a record of a kind is gone.
func (t *tx) uncount(of, size int64) {
	if k, known := t.byID(of); known {
		k.rows, k.bytes = k.rows-1, k.bytes-size
		t.kinds[of] = k
	}
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
	rows := make([]any, 0, 8*len(t.kinds))
	for _, k := range t.kinds {
		rows = append(rows, k.id, k.key.table, k.key.task, string(k.key.outcome), string(k.key.trigger), k.key.level, k.rows, k.bytes)
	}
	err := t.insertAll(ctx, `INSERT INTO kinds (id, part, task, outcome, cause, level, row_count, byte_count) VALUES `, 8, rows,
		` ON CONFLICT (id) DO UPDATE SET row_count = excluded.row_count, byte_count = excluded.byte_count`)
	if err != nil {
		return fmt.Errorf("write kinds: %w", err)
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
