package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// book is the log of one task: a bounded queue that Line fills and a flush empties into
// the task's files.
type book struct {
	logs *Logs
	task string

	mu      sync.Mutex // guards the queue; held for short moments, never during I/O
	queue   []byte     // encoded lines without positions
	lines   int64      // in queue
	dropped map[string]int64
	lost    int64       // lines in all, since the start of the host
	timer   *time.Timer // of the next flush; nil when none is on its way
	changed chan struct{}
	closed  bool

	disk  sync.Mutex // guards the files; taken before mu
	files files
	quota int64
	spare []byte // for the next queue
	ill   bool   // the last flush failed, and that was said
}

// retryDelay is how long a flush waits after one that failed.
const retryDelay = time.Second

// Line puts one line in the queue, or counts it when the queue is full.
func (b *book) Line(l task.LogLine) {
	if b.full(l.Run) {
		return // no work for what is dropped anyway: this is how a flood stays cheap
	}
	line := encode(l)
	b.mu.Lock()
	defer b.mu.Unlock()
	// After the first loss everything is dropped until the next flush, so that one gap
	// stands in the place of all of them.
	if b.closed || len(b.dropped) > 0 || len(b.queue)+len(line) > b.logs.opts.Queue {
		b.drop(l.Run)
	} else {
		b.queue = append(b.queue, line...)
		b.lines++
	}
	switch {
	case b.closed:
	case b.timer == nil:
		b.schedule(b.logs.opts.Delay)
	case len(b.queue) > b.logs.opts.Queue/4 && b.timer.Stop():
		b.timer.Reset(0)
	}
}

func (b *book) full(run string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.dropped) == 0 {
		return false
	}
	b.drop(run)
	return true
}

// drop counts by run, in bounded memory. The lock is held.
func (b *book) drop(run string) {
	if _, known := b.dropped[run]; !known && len(b.dropped) >= 16 {
		run = ""
	}
	b.dropped[run]++
	b.lost++
}

// schedule plans a flush. mu is held and no flush is on its way.
func (b *book) schedule(after time.Duration) {
	b.logs.timers.Add(1)
	b.timer = time.AfterFunc(after, func() {
		defer b.logs.timers.Done()
		b.disk.Lock()
		defer b.disk.Unlock()
		err := b.flush()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.timer = nil
		switch {
		case b.closed || b.lines == 0 && len(b.dropped) == 0:
		case err != nil:
			b.schedule(retryDelay)
		default:
			b.schedule(b.logs.opts.Delay)
		}
	})
}

// flush writes what waits. What cannot be written is counted as a gap. disk is held.
func (b *book) flush() error {
	b.mu.Lock()
	queue, lines, dropped := b.queue, b.lines, b.dropped
	if lines == 0 && len(dropped) == 0 {
		b.mu.Unlock()
		return nil
	}
	b.queue, b.lines, b.spare, b.dropped = b.spare[:0], 0, nil, map[string]int64{}
	b.mu.Unlock()

	written, err := b.write(queue, dropped)
	if cap(queue) <= 64<<10 {
		b.spare = queue // a task that was loud once does not keep the room
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		for run, n := range dropped {
			b.dropped[run] += n
		}
		if lost := lines - written; lost > 0 {
			b.dropped[""] += lost
			b.lost += lost
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
	b.report(err)
	return err
}

func (b *book) report(err error) {
	switch {
	case err != nil && !b.ill:
		b.logs.opts.Log.Error("cannot write a task's log, its lines are dropped and counted", "task", b.task, "err", err)
	case err == nil && b.ill:
		b.logs.opts.Log.Info("writing a task's log again", "task", b.task)
	}
	b.ill = err != nil
}

// write appends the lines, and a gap record per run that lost some, to the files. It
// returns how many of the lines are in a file.
func (b *book) write(queue []byte, dropped map[string]int64) (int64, error) {
	if err := b.files.ready(b); err != nil {
		return 0, err
	}
	w := writer{files: &b.files, book: b, limit: b.fileLimit()}
	defer w.free()
	for len(queue) > 0 {
		end := bytes.IndexByte(queue, '\n') + 1
		if err := w.add(queue[:end]); err != nil {
			return w.written, err
		}
		queue = queue[end:]
	}
	for run, n := range dropped {
		if err := w.add(encodeGap(b.logs.opts.Now(), run, n)); err != nil {
			return w.written, err
		}
		if err := w.flush(); err != nil {
			return w.written, err
		}
		delete(dropped, run)
	}
	return w.written, w.flush()
}

func encodeGap(at time.Time, run string, n int64) []byte {
	line := encode(task.LogLine{At: at, Level: "warn", Stream: "host", Run: run, Message: fmt.Sprintf("%d lines dropped: they came faster than they could be written", n)})
	return append(fmt.Appendf(nil, `{"gap":%d,`, n), line[1:]...)
}

func (b *book) fileLimit() int64 {
	if b.quota <= 0 {
		return b.logs.opts.File
	}
	return max(min(b.logs.opts.File, b.quota/4), 1)
}

func (b *book) setQuota(bytes int64) {
	b.disk.Lock()
	defer b.disk.Unlock()
	if b.quota == bytes {
		return
	}
	b.quota = bytes
	if b.files.open == nil { // nothing was logged in this life
		b.files.task = b.task
		if b.files.list(b.logs.root) != nil {
			return // there is no log
		}
	}
	b.files.trim(b)
}

func (b *book) remove() error {
	b.disk.Lock()
	defer b.disk.Unlock()
	b.files.close()
	if err := b.logs.root.RemoveAll(b.task); err != nil {
		return fmt.Errorf("remove the log of task %q: %w", b.task, err)
	}
	return nil
}

func (b *book) close() error {
	b.disk.Lock()
	defer b.disk.Unlock()
	err := b.flush()
	b.files.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil && b.timer.Stop() {
		b.timer = nil
		b.logs.timers.Done()
	}
	close(b.changed) // nobody waits for more
	b.changed = make(chan struct{})
	if err != nil {
		return fmt.Errorf("write the log of task %q: %w", b.task, err)
	}
	return nil
}

// watch returns a channel that closes at the next flush, and whether one can come.
func (b *book) watch() (<-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed, !b.closed
}

// view opens what can be read now. With fresh, what waits in the queue is written first.
func (b *book) view(fresh bool) (*view, error) {
	b.disk.Lock()
	defer b.disk.Unlock()
	if _, open := b.watch(); !open {
		return nil, errClosed
	}
	if fresh {
		_ = b.flush() // the loss is counted and reported; what is there can still be read
	}
	if b.files.open == nil {
		if _, err := b.logs.root.Stat(b.task); os.IsNotExist(err) {
			return &view{}, nil
		}
	}
	if err := b.files.ready(b); err != nil {
		return nil, err
	}
	current, err := b.logs.root.Open(b.files.path(currentName))
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	info, err := current.Stat()
	if err != nil {
		current.Close()
		return nil, fmt.Errorf("look at the log: %w", err)
	}
	return &view{
		root:    b.logs.root,
		task:    b.task,
		rotated: append([]uint64(nil), b.files.rotated...),
		first:   b.files.first,
		next:    b.files.next,
		current: io.NewSectionReader(current, 0, info.Size()),
		closer:  current,
	}, nil
}
