package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Check looks at everything in the file and returns what is wrong, each with its place; nothing when all is
// well. A host may run on it. It fails when the file cannot be read at all.
func Check(ctx context.Context, path string) (wrong []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("check the store %s: %w", path, explain(err))
		}
	}()
	db, err := openToRead(ctx, path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	acked := readAcked(path) // first: a host that runs on it goes on
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer t.Rollback()
	say := func(format string, args ...any) {
		if len(wrong) < maxWrong {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	var format int
	if err := t.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&format); err != nil {
		return nil, err
	}
	err = each(ctx, t, `PRAGMA integrity_check`, nil, func(rows *sql.Rows) error {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			say("%s", line)
		}
		return nil
	})
	if err == nil {
		err = checkRecords(ctx, t, say)
	}
	if err == nil && format >= formatQueues {
		err = checkQueues(ctx, t, say)
	}
	if err == nil && format >= formatGenerations {
		err = checkGenerations(ctx, t, say)
	}
	if err == nil {
		var commits uint64
		if err = t.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'commits'`).Scan(&commits); err == nil {
			if less := checkAcked(path, acked, commits); less != nil {
				say("%v", less)
			}
		}
	}
	if err != nil { // what is so damaged that it cannot be read is a finding too
		say("%v", err)
	}
	return wrong, nil
}

// maxWrong bounds what Check returns.
const maxWrong = 100

// checkRecords reads every record and holds what its row repeats against it.
func checkRecords(ctx context.Context, t *sql.Tx, say func(string, ...any)) error {
	keys, counts := map[int64]kindKey{}, map[int64][2]int64{}
	err := each(ctx, t, `SELECT id, part, task, outcome, cause, level, row_count, byte_count FROM kinds`, nil, func(rows *sql.Rows) error {
		var id, n, bytes int64
		var k kindKey
		if err := rows.Scan(&id, &k.table, &k.task, &k.outcome, &k.trigger, &k.level, &n, &bytes); err != nil {
			return err
		}
		keys[id], counts[id] = k, [2]int64{n, bytes}
		return nil
	})
	if err != nil {
		return fmt.Errorf("table kinds: %w", err)
	}
	for _, table := range []string{"runs", "slots"} {
		err := each(ctx, t, `SELECT seq, id, kind, queued, size, record FROM `+table, nil, func(rows *sql.Rows) error {
			var seq, queued uint64
			var of, size int64
			var id string
			var record []byte
			if err := rows.Scan(&seq, &id, &of, &queued, &size, &record); err != nil {
				return err
			}
			want, err := derive(table, seq, record)
			if got := (derived{id, keys[of], queued}); err != nil {
				say("table %s, record %d: %v", table, seq, err)
			} else if got != want || size != int64(len(record)) {
				say("table %s, record %d: its row does not match it", table, seq)
			}
			c := counts[of]
			counts[of] = [2]int64{c[0] - 1, c[1] - size}
			return nil
		})
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	for id, c := range counts {
		if c != [2]int64{} {
			say("table kinds, %d: it is off by %d records and %d bytes", id, c[0], c[1])
		}
	}
	for _, table := range []string{"live", "tasks", "overrides", "published", "checkpoints", "run_values", "events"} {
		n := 0
		err := each(ctx, t, `SELECT record FROM `+table, nil, func(rows *sql.Rows) error {
			var record []byte
			if err := rows.Scan(&record); err != nil {
				return err
			}
			n++
			if _, err := decode[any](record); err != nil {
				say("table %s, row %d: %v", table, n, err)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}

// derived is what a row of history repeats of its record.
type derived struct {
	id     string
	kind   kindKey
	queued uint64
}

func derive(table string, seq uint64, record []byte) (derived, error) {
	if table == "slots" {
		r, err := decode[task.SlotRecord](record)
		return derived{r.ID, slotKind(&r), 0}, err
	}
	r, err := decode[task.Run](record)
	return derived{r.ID, runKind(&r, seq), micros(r.Queued)}, err
}
