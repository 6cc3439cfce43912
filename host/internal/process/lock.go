package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A task's processes live in slots. Slot n of a task has a lock file, n.lock, in the
// task's directory. The whole process tree inherits its lock, and its content says who was
// started there. As long as anything of the tree lives, the lock is held: that is how
// survivors are known, and how a new host finds and waits for what an earlier one left.
// The file of a free slot is empty, and stays for the next process.

// cleanBound is how long the launch of a task waits for what an earlier process left.
const cleanBound = 10 * time.Second

// record says who was started in a slot.
type record struct {
	Task  string    `json:"task"`
	PID   int       `json:"pid"`   // also the number of its session and group
	Start uint64    `json:"start"` // clock ticks after boot
	Boot  string    `json:"boot"`
	Mark  string    `json:"mark"` // the word in its environment
	At    time.Time `json:"at"`
}

// errHeld says that something of an earlier process still lives.
var errHeld = errors.New("an earlier process still lives")

// slots gives out the slots of all tasks.
type slots struct {
	dir   string
	mu    sync.Mutex
	tasks map[string]*taskSlots // by the name of their directory
}

type taskSlots struct {
	mu    sync.Mutex // held during a sweep, so that the first launches of a task wait for it
	swept bool
	used  map[int]bool
}

// slot is one claimed place for a process of a task. The claim holds until release.
type slot struct {
	owner *taskSlots
	task  string
	dir   string
	n     int
	lock  *os.File // locked; to be inherited, and closed after the start
}

// claim takes the lowest free slot of a task. The first claim of a task ends what an
// earlier host left of it. It fails with errHeld when that does not go away.
func (s *slots) claim(ctx context.Context, task string) (*slot, error) {
	sl := &slot{owner: s.of(fileName(task)), task: task, dir: filepath.Join(s.dir, fileName(task))}
	if err := sl.take(ctx); err != nil {
		return nil, err
	}
	// A process of this host that left survivors has left its lock held.
	lock, err := clean(ctx, sl.path())
	if err != nil {
		sl.give()
		return nil, err
	}
	sl.lock = lock
	return sl, nil
}

// take chooses the number of the slot.
func (sl *slot) take(ctx context.Context) error {
	ts := sl.owner
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err := ts.sweep(ctx, sl.dir); err != nil {
		return err
	}
	for ts.used[sl.n] {
		sl.n++
	}
	ts.used[sl.n] = true
	return nil
}

// give makes the number free for another.
func (sl *slot) give() {
	sl.owner.mu.Lock()
	defer sl.owner.mu.Unlock()
	delete(sl.owner.used, sl.n)
}

func (s *slots) of(dir string) *taskSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts := s.tasks[dir]
	if ts == nil {
		ts = &taskSlots{used: map[int]bool{}}
		s.tasks[dir] = ts
	}
	return ts
}

// sweep ends what an earlier host has left of the task, once in the life of this host.
// ts.mu must be held.
func (ts *taskSlots) sweep(ctx context.Context, dir string) error {
	if ts.swept {
		return nil
	}
	if err := sweepTask(ctx, dir); err != nil {
		return err
	}
	ts.swept = true
	return nil
}

func (sl *slot) path() string { return lockPath(sl.dir, sl.n) }

func lockPath(dir string, n int) string { return filepath.Join(dir, strconv.Itoa(n)+lockSuffix) }

const lockSuffix = ".lock"

// started records the process and gives up the host's own hold on the lock, which is the
// process's from now on.
func (sl *slot) started(c *child, mark string) error {
	text, err := json.Marshal(record{
		Task: sl.task, PID: c.pid, Start: c.start, Boot: bootID(), Mark: mark, At: time.Now(),
	})
	if err == nil {
		_, err = sl.lock.WriteAt(text, 0)
	}
	return errors.Join(err, sl.lock.Close())
}

// held tells whether anything still holds the lock.
func (sl *slot) held() bool {
	lock, free, err := tryLock(sl.path())
	if err != nil {
		return false
	}
	_ = lock.Close()
	return !free
}

// release gives the slot back. When something still holds the lock, the record stays, and
// the next launch in this slot deals with it; held reports that.
func (sl *slot) release() (held bool) {
	defer sl.give()
	_ = sl.lock.Close() // harmless when started has closed it
	lock, free, err := tryLock(sl.path())
	if err != nil {
		return false
	}
	defer lock.Close()
	if free {
		_ = lock.Truncate(0)
	}
	return !free
}

// tryLock opens a lock file and takes its lock when it is free.
func tryLock(path string) (f *os.File, free bool, err error) {
	f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) { // the first process of the task
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		}
	}
	if err != nil {
		return nil, false, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return f, true, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return f, false, nil
	}
	_ = f.Close()
	return nil, false, fmt.Errorf("lock %s: %w", path, err)
}

// sweepTask ends everything that earlier processes of one task have left, and removes
// their files.
func sweepTask(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(path, lockSuffix) {
			continue
		}
		lock, err := clean(ctx, path)
		if err != nil {
			return err
		}
		_ = os.Remove(path)
		_ = lock.Close()
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
	return nil
}

// clean kills what has been started under a lock until nothing is left, and returns the
// lock, taken, with its record erased. It fails with errHeld after cleanBound.
func clean(ctx context.Context, path string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, cleanBound)
	defer cancel()
	var left leftovers
	for round, wait := 0, time.Millisecond; ; round, wait = round+1, min(2*wait, 50*time.Millisecond) {
		lock, free, err := tryLock(path)
		if err != nil {
			return nil, err
		}
		if round == 0 {
			left.record, err = readRecord(lock)
			if free && err == io.EOF { // the slot was given back in order
				return lock, nil
			}
		}
		alive := left.kill(lock, !free && round > 0)
		if free && !alive {
			return lock, lock.Truncate(0)
		}
		_ = lock.Close()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for pid %d: %w", left.record.PID, errHeld)
		case <-time.After(wait):
		}
	}
}

// readRecord reads who was started under a lock. A torn record tells nothing, which is no
// harm: the lock still does.
func readRecord(lock *os.File) (r record, err error) {
	err = json.NewDecoder(io.NewSectionReader(lock, 0, 1<<16)).Decode(&r)
	if err != nil {
		r = record{}
	}
	return r, err
}

// fileName makes a file name of any text: the letters that every file system tells apart
// stay, everything else is written as %xx, and what is too long ends in its digest.
func fileName(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	const longest = 150
	if b.Len() <= longest {
		return b.String()
	}
	sum := sha256.Sum256([]byte(text))
	return b.String()[:100] + "~" + hex.EncodeToString(sum[:16])
}
