package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/taskhost/taskhost/host/internal/task"
)

// KeepGenerations is how many generations of the configuration are remembered.
const KeepGenerations = 20

// maxSnapshot bounds what a snapshot is unpacked to.
const maxSnapshot = 256 << 20

// SaveGeneration remembers a generation with a snapshot of what it says, and forgets those that are too old. It is on
// the disk when it returns.
func (s *SQLite) SaveGeneration(ctx context.Context, a task.Applied, snapshot []byte) error {
	packed, err := pack(snapshot)
	if err != nil {
		return fmt.Errorf("pack generation %d: %w", a.Number, err)
	}
	return s.do(ctx, &op{do: func(ctx context.Context, t *tx) error {
		if err := t.upsert(ctx, `INSERT INTO generations (number, snapshot, record) VALUES (?, ?, ?)
			ON CONFLICT (number) DO UPDATE SET snapshot = excluded.snapshot, record = excluded.record`, a, a.Number, seal(packed)); err != nil {
			return fmt.Errorf("write generation %d: %w", a.Number, err)
		}
		return t.exec(ctx, `DELETE FROM generations WHERE number <= ?`, a.Number-KeepGenerations)
	}}, nil)
}

// Generations are those that are remembered, the newest first.
func (s *SQLite) Generations(ctx context.Context) (all []task.Applied, err error) {
	err = each(ctx, s.read, `SELECT number, record FROM generations ORDER BY number DESC`, nil, func(rows *sql.Rows) error {
		var number int
		var record []byte
		if err := rows.Scan(&number, &record); err != nil {
			return err
		}
		a, err := decode[task.Applied](record)
		if err != nil {
			return damaged(s.path, fmt.Errorf("generation %d: %w", number, err))
		}
		all = append(all, a)
		return nil
	})
	return all, err
}

// Generation returns one of them with its snapshot.
func (s *SQLite) Generation(ctx context.Context, number int) (a task.Applied, snapshot []byte, found bool, err error) {
	var packed, record []byte
	err = s.read.QueryRowContext(ctx, `SELECT snapshot, record FROM generations WHERE number = ?`, number).Scan(&packed, &record)
	if errors.Is(err, sql.ErrNoRows) {
		return a, nil, false, nil
	}
	if err != nil {
		return a, nil, false, err
	}
	a, err = decode[task.Applied](record)
	if err == nil {
		snapshot, err = unpack(packed)
	}
	if err != nil {
		return a, nil, false, damaged(s.path, fmt.Errorf("generation %d: %w", number, err))
	}
	return a, snapshot, true, nil
}

func pack(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed) // tasks run meanwhile
	if err != nil {
		return nil, err
	}
	_, err = z.Write(b)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

// unpack opens what seal has closed over packed bytes.
func unpack(sealed []byte) ([]byte, error) {
	packed, err := unseal(sealed)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return io.ReadAll(io.LimitReader(z, maxSnapshot))
}

// checkGenerations reads every generation.
func checkGenerations(ctx context.Context, t *sql.Tx, say func(string, ...any)) error {
	err := each(ctx, t, `SELECT number, snapshot, record FROM generations`, nil, func(rows *sql.Rows) error {
		var number int
		var sealed, record []byte
		if err := rows.Scan(&number, &sealed, &record); err != nil {
			return err
		}
		a, err := decode[task.Applied](record)
		if err == nil && a.Number != number {
			err = errRow
		}
		if err == nil {
			_, err = unpack(sealed)
		}
		if err != nil {
			say("table generations, %d: %v", number, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("table generations: %w", err)
	}
	return nil
}
