package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/taskhost/taskhost/host/internal/task"
)

// oldestEngine is the first release without a fault that could damage the log when it is begun anew.
const oldestEngine = "3.51.3"

func openDB(path, options string, busy time.Duration) *sql.DB {
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String()
	db, err := sql.Open("sqlite", fmt.Sprintf("%s?_busy_timeout=%d&%s", dsn, busy.Milliseconds(), options))
	if err != nil {
		panic(err) // the driver is linked in
	}
	return db
}

// writer is the one connection that writes, with its statements.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	commits uint64
	place   uint64 // as the file has it: no message was ever given a higher one
	layout  layout
	busy    time.Duration // how long others are waited for
	waited  int64         // how long the log was when readers were last waited for
}

// openWriter opens the file for writing and makes sure that it is a store in this version's format which
// holds whatever was acknowledged.
func (s *SQLite) openWriter(ctx context.Context, first bool) (_ *writer, err error) {
	if first {
		if err := s.look(ctx); err != nil {
			return nil, err
		}
		if err := makePrivate(s.path); err != nil {
			return nil, err
		}
	}
	w := &writer{stmts: map[string]*sql.Stmt{}, layout: layout{path: s.path + "-wal", room: s.opts.Room}, busy: s.tune.busy}
	w.db = openDB(s.path, "_synchronous=FULL&_txlock=immediate&_pragma=cache_size(-8000)&_pragma=temp_store(memory)", s.tune.busy)
	w.db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return nil, err
	}
	if err = checkEngine(ctx, w.conn); err != nil {
		return nil, err
	}
	var mode string
	if err = w.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("the file system does not allow a write-ahead log (journal mode %s); use a local one", mode)
	}
	// A page is written into the file at the next checkpoint, however often it was changed before: with 32 MB of log instead of the usual
	// 4 that is seldom, and a thousand runs a second no longer wait for one each second.
	if _, err = w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = %d", longLog)); err != nil {
		return nil, err
	}
	if first {
		if err = migrate(ctx, w.conn); err != nil {
			return nil, err
		}
	}
	if err = w.conn.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'commits'`).Scan(&w.commits); err != nil {
		return nil, fmt.Errorf("read the number of commits: %w", err)
	}
	if err = w.conn.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'place'`).Scan(&w.place); err != nil {
		return nil, fmt.Errorf("read the last place of a message: %w", err)
	}
	if first {
		_, err = w.conn.ExecContext(ctx, `DELETE FROM run_values WHERE run NOT IN (SELECT id FROM live)`)
	}
	return w, err
}

// look refuses a file that holds less than was acknowledged, and changes nothing: opened for writing, the engine would
// take into it what it can read of a damaged log, and drop the rest of that. Also an empty file in the place of a store
// must not become one.
func (s *SQLite) look(ctx context.Context) error {
	if s.acked.n == 0 {
		return nil
	}
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return checkAcked(s.path, s.acked.n, 0)
	}
	db := openDB(s.path, "mode=ro&_query_only=1", s.tune.busy)
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	var commits uint64
	if tables > 0 {
		if err := db.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'commits'`).Scan(&commits); err != nil {
			return fmt.Errorf("read the number of commits: %w", err)
		}
	}
	return checkAcked(s.path, s.acked.n, commits)
}

// makePrivate makes the file for its owner alone, if it is not there; the engine gives those beside it the
// same mode. Nothing of the file may be open in this process: closing it here would end the engine's locks.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func checkEngine(ctx context.Context, conn *sql.Conn) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("ask the engine's version: %w", err)
	}
	if older(version, oldestEngine) {
		return fmt.Errorf("the engine is SQLite %s; it must be %s or newer", version, oldestEngine)
	}
	return nil
}

func older(version, than string) bool {
	v, t := strings.Split(version, "."), strings.Split(than, ".")
	for i := range t {
		if i >= len(v) {
			return true
		}
		x, _ := strconv.Atoi(v[i])
		y, _ := strconv.Atoi(t[i])
		if x != y {
			return x < y
		}
	}
	return false
}

func (w *writer) close() {
	for _, stmt := range w.stmts {
		stmt.Close()
	}
	w.layout.close()
	if w.conn != nil {
		w.conn.Close()
	}
	w.db.Close()
}

// settle puts everything that the log holds into the database itself, and begins the log anew. After a
// failed sync nobody knows what of the log is on the disk; what is written anew is synced anew.
func (w *writer) settle(ctx context.Context) error {
	var busy, pages, done int
	if err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the log is in use")
	}
	return nil
}

// prepare is the one place where statements become the engine's: they are written with ? for parameters and
// in the SQL that PostgreSQL takes as well. A bound is written LIMIT 0 + ?, because the engine prepares a statement
// anew each time that a parameter which stands there alone is bound.
func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = stmt
	}
	return stmt, err
}

// tx is the transaction under way.
type tx struct {
	w       *writer
	file    string
	kinds   map[int64]kind // those that change, as they will be
	ids     map[kindKey]int64
	all     *kinds
	next    int64   // the newest id of a kind
	dropped []int64 // kinds
	queues  queueTx
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	stmt, err := t.w.prepare(ctx, query)
	if err == nil {
		_, err = stmt.ExecContext(ctx, args...)
	}
	return err
}

// change is exec that tells how many rows it has changed.
func (t *tx) change(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := t.w.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	done, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// get reads one row and reports whether there is one.
func (t *tx) get(ctx context.Context, query string, args []any, into ...any) (bool, error) {
	stmt, err := t.w.prepare(ctx, query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// queryer is a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each reads all rows of a query.
func each(ctx context.Context, q queryer, query string, args []any, row func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// damaged is the refusal of a write that cannot be decided because of what the file holds.
func damaged(file string, err error) error {
	return &task.Error{Code: CodeDamaged, Detail: fmt.Sprintf("the store %s is damaged: %v", file, err), Remedy: "check it, and restore it from a backup"}
}

// explain adds to an error of the engine what a person can do about it.
func explain(err error) error {
	var e *sqlite.Error
	if isDamage(err) {
		return fmt.Errorf("%w; check it, and restore it from a backup", err)
	}
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL:
		return fmt.Errorf("the disk is full; make room, it goes on by itself: %w", err)
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("it is damaged; check it, and restore it from a backup: %w", err)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return fmt.Errorf("it cannot be opened for writing; look at the file, its directory and its owner: %w", err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("another process holds it; end that one: %w", err)
	case lib.SQLITE_IOERR:
		return fmt.Errorf("the disk fails; look at the system's log: %w", err)
	}
	return err
}
