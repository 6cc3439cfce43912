package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Progress is told how many bytes of about how many have been copied.
type Progress func(done, about int64)

// Backup copies the store in the file path into the file to, as it is at one moment. A host may run on it: the copy
// is a reader like any other. When Backup returns, the copy is on the disk and has been checked; until then nothing
// stands under its name. With force it replaces a file that is there.
func Backup(ctx context.Context, path, to string, force bool, p Progress) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up the store %s to %s: %w", path, to, explain(err))
		}
	}()
	switch st, err := os.Stat(to); {
	case err == nil && st.IsDir():
		return errors.New("it is a directory; name a file")
	case err == nil && sameFile(path, st):
		return errors.New("it is the store itself; name another file")
	case err == nil && !force:
		return errors.New("the file is there already; name another, or replace it with -force")
	}
	return copyStore(ctx, path, to, p)
}

func sameFile(path string, as fs.FileInfo) bool {
	st, err := os.Stat(path)
	return err == nil && os.SameFile(st, as)
}

// Restore puts the copy into the place of a store that is not there. The caller holds the directory: no host may
// start in it meanwhile.
func Restore(ctx context.Context, from, path string, p Progress) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore the store %s from %s: %w", path, from, explain(err))
		}
	}()
	for _, name := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already: a store is not written over; restore into another data_dir, or move %s and what is named after it away", name, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := whole(ctx, from); err != nil {
		return err
	}
	if err := copyStore(ctx, from, path, p); err != nil {
		return err
	}
	// What was acknowledged since the copy was made is given up, knowingly.
	for _, suffix := range []string{"-acked", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFile(filepath.Dir(path))
}

// copyStore copies a store beside its new place, checks the copy, and gives it its name.
func copyStore(ctx context.Context, from, to string, p Progress) error {
	look, err := openToRead(ctx, from)
	if err != nil {
		return err
	}
	look.Close()
	db := openDB(from, "mode=ro", usual.busy)
	defer db.Close()
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.Remove(part)
	if err := makePrivate(part); err != nil {
		return err
	}
	var pages, size int64
	if err := db.QueryRowContext(ctx, `SELECT page_count, page_size FROM pragma_page_count, pragma_page_size`).Scan(&pages, &size); err != nil {
		return err
	}
	stop := watch(part, pages*size, p)
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, part)
	stop()
	if err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := whole(ctx, part); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return syncFile(filepath.Dir(to))
}

// whole fails when there is something wrong with a file.
func whole(ctx context.Context, path string) error {
	wrong, err := Check(ctx, path)
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s is damaged: %s", path, strings.Join(wrong, "; "))
	}
	return nil
}

// watchEvery is how often the growth of a copy is looked at.
const watchEvery = 200 * time.Millisecond

// watch tells p how a file grows, until it is stopped.
func watch(path string, about int64, p Progress) (stop func()) {
	if p == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if st, err := os.Stat(path); err == nil {
					p(min(st.Size(), about), about)
				}
			case <-end:
				p(about, about)
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
