package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	currentName = "current.jsonl"
	suffix      = ".jsonl"
)

// files are the files of one task. The book's disk lock guards them.
type files struct {
	task    string
	open    *os.File // current.jsonl
	size    int64    // of it
	first   uint64   // position of its first line, or of the line that comes next
	next    uint64   // position of the line that comes next
	rotated []uint64 // first positions of the rotated files, oldest first
	sizes   []int64  // of them
}

func (f *files) path(name string) string { return path.Join(f.task, name) }

func rotatedName(first uint64) string { return strconv.FormatUint(first, 10) + suffix }

// ready opens the current file unless it is open and still stands at its name: somebody
// may have deleted or moved it.
func (f *files) ready(b *book) error {
	f.task = b.task
	if f.open != nil {
		named, err := b.logs.root.Stat(f.path(currentName))
		mine, err2 := f.open.Stat()
		if err == nil && err2 == nil && os.SameFile(named, mine) {
			f.size = mine.Size()
			return nil
		}
		f.close()
	}
	return f.load(b)
}

// load reads from the directory where the log stands. A line that was torn when an
// earlier host died is cut off.
func (f *files) load(b *book) error {
	root, last := b.logs.root, f.next // what this life has given out is never given out again
	if err := root.MkdirAll(f.task, 0o700); err != nil {
		return fmt.Errorf("make the directory of the log: %w", err)
	}
	if err := f.list(root); err != nil {
		return err
	}
	open, err := root.OpenFile(f.path(currentName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	if err := f.repair(open); err != nil {
		open.Close()
		return err
	}
	first, newest := ends(open, f.size)
	for i := len(f.rotated) - 1; i >= 0 && newest == 0; i-- {
		newest = f.newestOf(root, f.rotated[i])
	}
	if newest == 0 && last == 0 || newest > maxPos {
		// A position from the clock cannot have been given out by a log that was deleted.
		newest = uint64(b.logs.opts.Now().UnixMicro())
	}
	f.next = max(newest+1, last)
	if f.first = first; first == 0 {
		f.first = f.next
	}
	f.open = open
	f.trim(b)
	return nil
}

// list looks for the files that there are.
func (f *files) list(root *os.Root) error {
	dir, err := root.Open(f.task)
	if err != nil {
		return fmt.Errorf("open the directory of the log: %w", err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("read the directory of the log: %w", err)
	}
	sizes := map[uint64]int64{}
	f.rotated, f.size = f.rotated[:0], 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		if e.Name() == currentName {
			f.size = info.Size()
		}
		first, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), suffix), 10, 64)
		if err == nil && e.Name() == rotatedName(first) {
			f.rotated = append(f.rotated, first)
			sizes[first] = info.Size()
		}
	}
	slices.Sort(f.rotated)
	f.sizes = f.sizes[:0]
	for _, first := range f.rotated {
		f.sizes = append(f.sizes, sizes[first])
	}
	return nil
}

// repair cuts off a last line that has no end.
func (f *files) repair(open *os.File) error {
	info, err := open.Stat()
	if err != nil {
		return fmt.Errorf("look at the log: %w", err)
	}
	f.size = info.Size()
	tail := make([]byte, min(f.size, maxLine))
	if _, err := open.ReadAt(tail, f.size-int64(len(tail))); err != nil && err != io.EOF {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	torn := len(tail) - 1 - bytes.LastIndexByte(tail, '\n')
	if torn == 0 {
		return nil
	}
	if err := open.Truncate(f.size - int64(torn)); err != nil {
		return fmt.Errorf("cut a torn line off the log: %w", err)
	}
	f.size -= int64(torn)
	return nil
}

// ends returns the positions of the first and the last record of a file, 0 without one.
func ends(r io.ReaderAt, size int64) (first, last uint64) {
	_ = forward(r, 0, size, func(_ int64, line []byte) bool {
		first, _ = posOf(line)
		return first == 0
	})
	_ = backward(r, size, func(line []byte) bool {
		last, _ = posOf(line)
		return last == 0
	})
	return first, last
}

func (f *files) newestOf(root *os.Root, first uint64) uint64 {
	file, err := root.Open(f.path(rotatedName(first)))
	if err != nil {
		return 0
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	_, last := ends(file, info.Size())
	return last
}

// rotate gives the current file its lasting name and begins another.
func (f *files) rotate(b *book) error {
	root := b.logs.root
	if err := root.Rename(f.path(currentName), f.path(rotatedName(f.first))); err != nil {
		return fmt.Errorf("rotate the log: %w", err)
	}
	f.rotated, f.sizes = append(f.rotated, f.first), append(f.sizes, f.size)
	f.close()
	open, err := root.OpenFile(f.path(currentName), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("begin a new log file: %w", err)
	}
	f.open, f.size, f.first = open, 0, f.next
	f.trim(b)
	return nil
}

// trim deletes the oldest files until the current one can grow to its limit within the quota.
func (f *files) trim(b *book) {
	if b.quota <= 0 {
		return
	}
	total := max(f.size, b.fileLimit())
	for _, size := range f.sizes {
		total += size
	}
	for len(f.rotated) > 0 && total > b.quota {
		err := b.logs.root.Remove(f.path(rotatedName(f.rotated[0])))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.logs.opts.Log.Error("cannot delete an old log file", "task", b.task, "err", err)
			return
		}
		total -= f.sizes[0]
		f.rotated, f.sizes = f.rotated[1:], f.sizes[1:]
	}
}

func (f *files) close() {
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}

// writer gathers lines into writes of a convenient size.
type writer struct {
	files   *files
	book    *book
	limit   int64 // of a file
	buf     *[]byte
	waiting int64 // lines in buf
	written int64
}

const writeSize = 64 << 10

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2*writeSize); return &b }}

func (w *writer) add(line []byte) error {
	if w.buf == nil {
		w.buf = writeBuffers.Get().(*[]byte)
	}
	used := w.files.size + int64(len(*w.buf))
	if used > 0 && used+int64(len(line)) > w.limit {
		if err := w.flush(); err != nil {
			return err
		}
		if err := w.files.rotate(w.book); err != nil {
			return err
		}
	}
	*w.buf = appendLine(*w.buf, w.files.next+uint64(w.waiting), line)
	w.waiting++
	if len(*w.buf) >= writeSize {
		return w.flush()
	}
	return nil
}

// flush writes whole lines or nothing: what a write left half is cut off.
func (w *writer) flush() error {
	if w.waiting == 0 {
		return nil
	}
	if _, err := w.files.open.Write(*w.buf); err != nil {
		_ = w.files.open.Truncate(w.files.size) // else load cuts the torn line, or takes whole ones as written
		w.files.close()
		return fmt.Errorf("write the log: %w", err)
	}
	w.files.size += int64(len(*w.buf))
	w.files.next += uint64(w.waiting)
	w.written += w.waiting
	w.waiting, *w.buf = 0, (*w.buf)[:0]
	return nil
}

func (w *writer) free() {
	if w.buf != nil && cap(*w.buf) <= 4*writeSize {
		*w.buf = (*w.buf)[:0]
		writeBuffers.Put(w.buf)
	}
	w.buf = nil
}
