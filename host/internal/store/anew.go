package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// longLog is how long the log may become before the writer waits for readers. It is where the engine cuts a log that it begins anew.
	longLog = 64 << 20
	// longer is by how much it must have become longer since the last time that was in vain.
	longer = 16 << 20
	// patience is how long the writer waits.
	patience = 250 * time.Millisecond
)

// beginAnew has a long log begun anew. The engine does so by itself when no reader is under way for a moment. Readers that take turns
// leave none: so the writer waits until those have ended who look into the log. Whoever begins meanwhile looks into the database alone.
func (w *writer) beginAnew(ctx context.Context) error {
	size, err := w.layout.size()
	if err != nil || size <= longLog {
		w.waited = 0
		return err
	}
	if size < w.waited+longer {
		return nil
	}
	w.waited = size
	if err := w.setBusy(ctx, patience); err != nil {
		return err
	}
	var busy, pages, done int // busy: somebody reads for long. Then it is tried again later
	err = w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &pages, &done)
	return errors.Join(err, w.setBusy(ctx, w.busy))
}

// setBusy bounds how long the engine waits for others.
func (w *writer) setBusy(ctx context.Context, most time.Duration) error {
	_, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", most.Milliseconds()))
	return err
}
