package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	syncDelay  = time.Second // until what was written is on the disk
	repeatTime = time.Minute // in which like records are counted
	maxRepeats = 4096        // records that are counted at a time
)

// Options of a Log.
type Options struct {
	MaxSize int64 // of one file
	Keep    int   // older files beside it
	Now     func() time.Time
	Log     hclog.Logger
}

// Log is the audit log of a host. It is safe for concurrent use.
type Log struct {
	path string
	Options

	mu      sync.Mutex
	file    *os.File // nil when it could not be opened
	size    int64
	seq     uint64 // of the last record
	err     error  // of the last write
	lost    int    // records since the last one that was written
	closed  bool
	dirty   bool
	syncer  *time.Timer
	repeats map[string]*repeat
	teller  *time.Timer // writes the repeats
}

// repeat counts records that are alike.
type repeat struct {
	last  Record
	count int
}

// Open opens the log at path, or makes it. Files from before it grew too large stand beside it, with .1
// (the newest) and so on behind their name.
func Open(path string, o Options) (*Log, error) {
	l := &Log{path: path, Options: o, repeats: map[string]*repeat{}}
	if l.Now == nil {
		l.Now = time.Now
	}
	if l.Options.Log == nil {
		l.Options.Log = hclog.NewNullLogger()
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open the audit log: %w; change host.audit.path", err)
	}
	seq, err := lastSeq(path, o.Keep)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the audit log: %w", err), l.file.Close())
	}
	l.seq = seq
	l.syncer = time.AfterFunc(syncDelay, l.sync)
	l.syncer.Stop()
	l.teller = time.AfterFunc(repeatTime, l.tell)
	l.teller.Stop()
	return l, nil
}

// open opens the file, and ends a line that a crash has cut. The lock is held, or nobody else has l yet.
func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file", l.path)
	case info.Mode().Perm()&0o022 != 0:
		err = fmt.Errorf("%s can be written by others (mode %#o), so what it says proves nothing; run: chmod go-w %s", l.path, info.Mode().Perm(), l.path)
	}
	if err == nil {
		l.size, err = endLine(f, info.Size())
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file = f
	return nil
}

// endLine ends the last line of a file, if it has no end, and returns the file's size.
func endLine(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return size, err
	}
	n, err := f.Write([]byte{'\n'})
	return size + int64(n), err
}

// Write appends a record, with the next number and the time. It never blocks its caller for the disk and
// never fails: see Err.
func (l *Log) Write(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(r)
}

// Repeated is Write for records that may come thick and fast: of those with one key in a minute the first
// is written, the others become one more record with their number.
func (l *Log) Repeated(key string, r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.repeats[key]; ok {
		p.last = r
		p.count++
		return
	}
	if len(l.repeats) >= maxRepeats {
		l.tellAll()
	}
	if len(l.repeats) == 0 {
		l.teller.Reset(repeatTime)
	}
	l.repeats[key] = &repeat{}
	l.write(r)
}

func (l *Log) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellAll()
}

// tellAll writes what was counted, and counts anew. The lock is held.
func (l *Log) tellAll() {
	for _, p := range l.repeats {
		if p.count > 0 {
			p.last.Count = p.count
			l.write(p.last)
		}
	}
	clear(l.repeats)
}

// write appends one record. The lock is held.
func (l *Log) write(r Record) {
	if l.closed {
		return
	}
	r.Seq, r.At, r.Lost = l.seq+1, l.Now().UTC(), l.lost
	err := l.append(r)
	if err != nil {
		l.lost++
		if l.err == nil { // once, until it works again
			l.Options.Log.Error("the audit log cannot be written; records are lost until it can", "path", l.path, "err", err)
		}
	} else if l.err != nil {
		l.Options.Log.Warn("the audit log is written again", "path", l.path, "lost", l.lost)
	}
	if l.err = err; err != nil {
		return
	}
	l.seq, l.lost = r.Seq, 0
	if !l.dirty {
		l.dirty = true
		l.syncer.Reset(syncDelay)
	}
}

func (l *Log) append(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if err := l.ensure(int64(len(line))); err != nil {
		return err
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if err != nil { // a part of a line may be there: the next one begins on a line of its own
		l.file.Close()
		l.file = nil
	}
	return err
}

// ensure makes the file the one that is at path, with room for so many bytes.
func (l *Log) ensure(room int64) error {
	if l.file != nil && !l.inPlace() {
		l.file.Close()
		l.file = nil
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size == 0 || l.size+room <= l.MaxSize {
		return nil
	}
	if err := l.rotate(); err != nil {
		return fmt.Errorf("begin a new file: %w", err)
	}
	return l.open()
}

// inPlace reports whether nobody has moved the file away.
func (l *Log) inPlace() bool {
	there, err := os.Stat(l.path)
	if err != nil {
		return false
	}
	open, err := l.file.Stat()
	return err == nil && os.SameFile(there, open)
}

// rotate moves every file one number up; the oldest goes.
func (l *Log) rotate() error {
	err := errors.Join(l.file.Sync(), l.file.Close())
	l.file = nil
	if err != nil {
		return err
	}
	for i := l.Keep; i > 0; i-- {
		if err := os.Rename(numbered(l.path, i-1), numbered(l.path, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if l.Keep == 0 {
		return os.Remove(l.path)
	}
	return nil
}

// numbered is the name of the file n before the one that is written.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// sync brings to the disk what was written. Writers do not wait for it.
func (l *Log) sync() {
	l.mu.Lock()
	f := l.file
	l.dirty = false
	l.mu.Unlock()
	if f == nil {
		return
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		l.Options.Log.Error("the audit log may not be on the disk", "path", l.path, "err", err)
	}
}

// Err says why records are lost at present; nil is well.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return nil
	}
	return fmt.Errorf("the audit log cannot be written: %w", l.err)
}

// Close writes what was counted and ends the log. Later records are dropped.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.tellAll()
	l.closed = true
	l.teller.Stop()
	l.syncer.Stop()
	if l.file == nil {
		return nil
	}
	return errors.Join(l.file.Sync(), l.file.Close())
}
