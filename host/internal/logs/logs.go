package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Options of logs. The zero value of a field is its default.
type Options struct {
	Quota int64            // bytes kept per task without SetQuota; 16 MiB
	File  int64            // bytes of one file; 4 MiB, at most a quarter of the quota
	Queue int              // bytes of a task that wait for the disk; 1 MiB. More are dropped and counted
	Delay time.Duration    // from a line to its file; 50 ms
	Log   hclog.Logger     // takes what goes wrong with the disk
	Now   func() time.Time // time.Now
}

func (o Options) withDefaults() Options {
	if o.Quota <= 0 {
		o.Quota = 16 << 20
	}
	if o.File <= 0 {
		o.File = 4 << 20
	}
	if o.Queue <= 0 {
		o.Queue = 1 << 20
	}
	if o.Delay <= 0 {
		o.Delay = 50 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Logs are the logs of all tasks under one directory. It is safe for concurrent use.
type Logs struct {
	opts   Options
	root   *os.Root
	timers sync.WaitGroup // flushes that are on their way

	mu     sync.Mutex
	books  map[string]*book
	closed bool
}

// Open opens the directory, which is made if need be (0700).
func Open(dir string, o Options) (*Logs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the log directory: %w", err)
	}
	return &Logs{opts: o.withDefaults(), root: root, books: map[string]*book{}}, nil
}

var errClosed = errors.New("the logs are closed")

// Close writes what waits and closes every file. Lines that come later are dropped.
func (l *Logs) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	books := make([]*book, 0, len(l.books))
	for _, b := range l.books {
		books = append(books, b)
	}
	l.mu.Unlock()
	var errs []error
	for _, b := range books {
		errs = append(errs, b.close())
	}
	l.timers.Wait()
	return errors.Join(append(errs, l.root.Close())...)
}

// Sink takes the lines of a task. It does no I/O and never waits for the disk.
func (l *Logs) Sink(name string) task.LogSink {
	if !task.ValidTask(name) {
		l.opts.Log.Error("log lines have no place", "task", name, "err", "not a task's name")
		return nowhere{}
	}
	return l.book(name)
}

// nowhere takes the lines of what cannot be a task.
type nowhere struct{}

func (nowhere) Line(task.LogLine) {}

// SetQuota bounds the bytes kept of a task's log from now on; 0 is no bound.
func (l *Logs) SetQuota(name string, bytes int64) {
	if task.ValidTask(name) {
		l.book(name).setQuota(bytes)
	}
}

// Remove deletes the log of a task. A task that still writes begins a new one.
func (l *Logs) Remove(name string) error {
	if !task.ValidTask(name) {
		return noTask(name)
	}
	return l.book(name).remove()
}

// Forget deletes the logs of tasks that are not declared and have logged nothing since before.
func (l *Logs) Forget(declared func(task string) bool, before time.Time) error {
	entries, err := fs.ReadDir(l.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list the logs: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && task.ValidTask(name) && !declared(name) && l.quietSince(name, before) {
			errs = append(errs, l.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// quietSince reports whether no file of a log was written to since then.
func (l *Logs) quietSince(name string, then time.Time) bool {
	files, err := fs.ReadDir(l.root.FS(), name)
	return err == nil && !slices.ContainsFunc(files, func(e fs.DirEntry) bool {
		info, err := e.Info()
		return err != nil || !info.ModTime().Before(then)
	})
}

func noTask(name string) error {
	return &task.Error{Code: task.CodeTaskUnknown, Detail: fmt.Sprintf("%.80q cannot be the name of a task", name)}
}

// book returns the log of a task; nothing is read or made on disk for it.
func (l *Logs) book(name string) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[name]
	if b == nil {
		b = &book{logs: l, task: name, quota: l.opts.Quota, dropped: map[string]int64{}, changed: make(chan struct{}), closed: l.closed}
		l.books[name] = b
	}
	return b
}

// Dropped is how many lines of a task found no room on their way to the disk since the start of the host.
func (l *Logs) Dropped(name string) int64 {
	l.mu.Lock()
	b := l.books[name]
	l.mu.Unlock()
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// existing returns the log of a task that has one, in memory or on disk.
func (l *Logs) existing(name string) (*book, bool) {
	l.mu.Lock()
	b := l.books[name]
	l.mu.Unlock()
	if b != nil {
		return b, true
	}
	if _, err := l.root.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	return l.book(name), true
}
