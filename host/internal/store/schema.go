package store

import (
	"context"
	"database/sql"
	"fmt"
)

// appID marks a database file as a store ("task").
const appID = 0x7461736b

// The first formats with messages, and with generations of the configuration.
const (
	formatQueues      = 2
	formatGenerations = 3
)

// migrations lead from one format to the next; the format of a file is how many it has seen. Each is one
// transaction. A file of a newer format is refused.
//
// History stands in runs and slots in the order of seq, which is both a time in microseconds and a cursor:
// whatever is found by time or page is found by the primary key, whatever is filtered by (kind, seq).
// Records are bytes with a checksum of their own: what a column repeats of them is for looking up only.
//
// Messages have no index but their place: one is added at the end and taken away by its place. Their bodies stand
// last, so that whoever does not want them reads past them.
var migrations = [Format]string{`
CREATE TABLE meta (name TEXT PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO meta (name, number) VALUES ('commits', 0), ('version', 0);
CREATE TABLE kinds (
	id INTEGER PRIMARY KEY, part TEXT NOT NULL, task TEXT NOT NULL, outcome TEXT NOT NULL, cause TEXT NOT NULL,
	level INTEGER NOT NULL, row_count BIGINT NOT NULL, byte_count BIGINT NOT NULL
);
CREATE TABLE runs (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL, kind BIGINT NOT NULL, queued BIGINT NOT NULL, size BIGINT NOT NULL, record BLOB NOT NULL
);
CREATE UNIQUE INDEX runs_id ON runs (id);
CREATE INDEX runs_kind ON runs (kind, seq);
CREATE TABLE slots (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL, kind BIGINT NOT NULL, queued BIGINT NOT NULL, size BIGINT NOT NULL, record BLOB NOT NULL
);
CREATE UNIQUE INDEX slots_id ON slots (id);
CREATE INDEX slots_kind ON slots (kind, seq);
CREATE TABLE live (id TEXT PRIMARY KEY, seq BIGINT NOT NULL, record BLOB NOT NULL);
CREATE TABLE tasks (task TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE overrides (task TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE published (task TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (task, name));
CREATE TABLE checkpoints (task TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (task, name));
CREATE TABLE run_values (run TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (run, name));
CREATE TABLE events (last_seq INTEGER PRIMARY KEY, first_seq BIGINT NOT NULL, count BIGINT NOT NULL, record BLOB NOT NULL);
`, `
INSERT INTO meta (name, number) VALUES ('place', 0);
CREATE TABLE messages (seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, record BLOB NOT NULL, tries BLOB, body BLOB NOT NULL);
CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX dead_letters_queue ON dead_letters (queue, seq);
CREATE INDEX dead_letters_id ON dead_letters (queue, id);
CREATE TABLE message_ids (queue TEXT NOT NULL, id TEXT NOT NULL, expires BIGINT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (queue, id)) WITHOUT ROWID;
CREATE INDEX message_ids_expires ON message_ids (expires);
`, `
CREATE TABLE generations (number INTEGER PRIMARY KEY, snapshot BLOB NOT NULL, record BLOB NOT NULL);
`}

// migrate brings the file to this version's format.
func migrate(ctx context.Context, conn *sql.Conn) error {
	var app, format, tables int
	for pragma, to := range map[string]*int{"application_id": &app, "user_version": &format} {
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(to); err != nil {
			return fmt.Errorf("read the format: %w", err)
		}
	}
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return fmt.Errorf("read the format: %w", err)
	}
	switch {
	case app != appID && (tables > 0 || format != 0):
		return fmt.Errorf("it is a database of another program; name another data_dir")
	case app == appID && tables == 0 && format > 0:
		return fmt.Errorf("it has lost its tables; restore it from a backup")
	case format > Format:
		return fmt.Errorf("its format %d is newer than the newest that this version knows, %d: use the taskhost that wrote it, or a newer one", format, Format)
	}
	for ; format < Format; format++ {
		if err := migrateOne(ctx, conn, format); err != nil {
			return fmt.Errorf("bring it from format %d to %d: %w", format, format+1, err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, conn *sql.Conn, from int) error {
	t, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	text := migrations[from] + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", appID, from+1)
	if _, err := t.ExecContext(ctx, text); err != nil {
		return err
	}
	return t.Commit()
}
