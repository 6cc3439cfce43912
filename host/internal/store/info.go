package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// Info is what a store holds.
type Info struct {
	Path        string
	Format      int // of the file; this version writes Format
	Bytes       int64
	Commits     uint64
	Written     time.Time // when its files were changed last
	Engine      string    // version of SQLite
	Runs        int64     // that have ended
	Live        int64
	Slots       int64
	Oldest      time.Time // the oldest run that is kept; zero without one
	Tasks       int64     // that are remembered
	Overrides   int64
	Checkpoints int64 // values of tasks
	RunValues   int64 // values of runs that have not ended
	Published   int64
	Events      int64 // that can be replayed
	Generations int64 // of the configuration
	Queues      []QueueInfo
	IDs         int64 // of messages, that are remembered
}

// QueueInfo is what a store holds of one queue.
type QueueInfo struct {
	Name        string
	Messages    int64
	DeadLetters int64
}

// Format is the format of files that this version writes.
const Format = 3

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
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return Info{}, err
	}
	defer t.Rollback()
	i := Info{Path: path}
	if err := i.count(ctx, t); err != nil {
		return Info{}, err
	}
	if i.Format >= formatQueues {
		if err := i.countQueues(ctx, t); err != nil {
			return Info{}, err
		}
	}
	if i.Format >= formatGenerations {
		if err := t.QueryRowContext(ctx, `SELECT COUNT(*) FROM generations`).Scan(&i.Generations); err != nil {
			return Info{}, err
		}
	}
	for _, name := range []string{path, path + "-wal"} {
		if st, err := os.Stat(name); err == nil {
			i.Bytes += st.Size()
			raise(&i.Written, st.ModTime().UTC())
		}
	}
	return i, nil
}

func (i *Info) count(ctx context.Context, t *sql.Tx) error {
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
		{`SELECT COUNT(*) FROM tasks`, &i.Tasks},
		{`SELECT COUNT(*) FROM overrides`, &i.Overrides},
		{`SELECT COUNT(*) FROM checkpoints`, &i.Checkpoints},
		{`SELECT COUNT(*) FROM run_values`, &i.RunValues},
		{`SELECT COUNT(*) FROM published`, &i.Published},
		{`SELECT COALESCE(SUM(count), 0) FROM events`, &i.Events},
	} {
		if err := t.QueryRowContext(ctx, q.query).Scan(q.into); err != nil {
			return err
		}
	}
	if oldest > 0 {
		i.Oldest = time.UnixMicro(oldest).UTC()
	}
	return nil
}

func (i *Info) countQueues(ctx context.Context, t *sql.Tx) error {
	err := each(ctx, t, `SELECT queue, SUM(waits), SUM(dead) FROM (
			SELECT queue, COUNT(*) AS waits, 0 AS dead FROM messages GROUP BY queue
			UNION ALL SELECT queue, 0, COUNT(*) FROM dead_letters GROUP BY queue
		) AS q GROUP BY queue ORDER BY queue`, nil, func(rows *sql.Rows) error {
		var q QueueInfo
		err := rows.Scan(&q.Name, &q.Messages, &q.DeadLetters)
		i.Queues = append(i.Queues, q)
		return err
	})
	if err != nil {
		return err
	}
	return t.QueryRowContext(ctx, `SELECT COUNT(*) FROM message_ids`).Scan(&i.IDs)
}

// openToRead opens a file that must be there, and changes nothing of it.
func openToRead(ctx context.Context, path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db := openDB(path, "mode=ro&_query_only=1", usual.busy)
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
	case format < 1:
		err = errors.New("it has lost its tables")
	case format > Format:
		err = fmt.Errorf("its format %d is newer than the newest that this version knows, %d", format, Format)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}
