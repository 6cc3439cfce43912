package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Info is what a store holds.
type Info struct {
	Path    string
	Format  int   // of the file; this version writes the newest that it knows
	Bytes   int64 // of the files together
	Commits uint64
	Runs    int64 // that have ended
	Live    int64
	Slots   int64
	Oldest  time.Time // the oldest run that is kept; zero without one
	Engine  string    // version of SQLite
}

// ReadInfo looks into the store in the file. A host may run on it.
func ReadInfo(ctx context.Context, path string) (_ Info, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("look into the store %s: %w", path, explain(err))
		}
	}()
	db, err := openToRead(ctx, path)
	if err != nil {
		return Info{}, err
	}
	defer db.Close()
	i := Info{Path: path}
	var oldest int64
	for _, q := range []struct {
		query string
		into  any
	}{
		{`PRAGMA user_version`, &i.Format},
		{`SELECT sqlite_version()`, &i.Engine},
		{`SELECT number FROM meta WHERE name = 'commits'`, &i.Commits},
		{`SELECT COALESCE(SUM(row_count), 0) FROM kinds WHERE part = 'runs'`, &i.Runs},
		{`SELECT COALESCE(SUM(row_count), 0) FROM kinds WHERE part = 'slots'`, &i.Slots},
		{`SELECT COUNT(*) FROM live`, &i.Live},
		{`SELECT COALESCE(MIN(seq), 0) FROM runs`, &oldest},
	} {
		if err := db.QueryRowContext(ctx, q.query).Scan(q.into); err != nil {
			return Info{}, err
		}
	}
	if oldest > 0 {
		i.Oldest = time.UnixMicro(oldest).UTC()
	}
	for _, name := range []string{path, path + "-wal"} {
		if st, err := os.Stat(name); err == nil {
			i.Bytes += st.Size()
		}
	}
	return i, nil
}

// openToRead opens a file that must be there.
func openToRead(ctx context.Context, path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db := openDB(path, "_query_only=1", usual.busy)
	db.SetMaxOpenConns(1)
	var app, format int
	err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&app)
	if err == nil {
		err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&format)
	}
	switch {
	case err != nil:
	case app != appID:
		err = errors.New("it is no store of this program")
	case format > len(migrations):
		err = fmt.Errorf("its format %d is newer than the newest that this version knows, %d", format, len(migrations))
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

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

// Backup copies the store into a new file while it runs; the copy is on the disk when it returns. Nobody
// waits for it: it is a reader like any other.
func (s *SQLite) Backup(ctx context.Context, to string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up the store to %s: %w", to, explain(err))
		}
	}()
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.New("the file is there already; name another")
	}
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.Remove(part)
	if err := makePrivate(part); err != nil {
		return err
	}
	db := openDB(s.path, "", s.tune.busy)
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return syncFile(filepath.Dir(to))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
