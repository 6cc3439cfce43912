package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

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
