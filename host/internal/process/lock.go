package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A task's processes live in slots. Slot n of a task has, in the task's directory, a lock
// file n.lock, whose lock the whole process tree inherits, and a sidecar n.json, which
// says who was started there. As long as anything of the tree lives, the lock is held:
// that is how survivors are known, and how a new host finds and waits for what an
// earlier one left.

// cleanBound is how long the launch of a task waits for what an earlier process left.
const cleanBound = 10 * time.Second

// sidecar says who was started in a slot.
type sidecar struct {
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
	dir := filepath.Join(s.dir, fileName(task))
	ts := s.of(fileName(task))
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err := ts.sweep(ctx, dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := 0
	for ts.used[n] {
		n++
	}
	sl := &slot{owner: ts, task: task, dir: dir, n: n}
	// A process of this host that left survivors has left its lock held.
	if err := clean(ctx, sl.path(".lock"), sl.path(".json")); err != nil {
		return nil, err
	}
	lock, free, err := tryLock(sl.path(".lock"))
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, errHeld
	}
	sl.lock = lock
	ts.used[n] = true
	return sl, nil
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

func (sl *slot) path(suffix string) string {
	return filepath.Join(sl.dir, strconv.Itoa(sl.n)+suffix)
}

// started records the process and gives up the host's own hold on the lock, which is the
// process's from now on.
func (sl *slot) started(c *child, mark string) error {
	text, err := json.Marshal(sidecar{
		Task: sl.task, PID: c.pid, Start: c.start, Boot: bootID(), Mark: mark, At: time.Now(),
	})
	if err == nil {
		err = os.WriteFile(sl.path(".json"), text, 0o600)
	}
	return errors.Join(err, sl.lock.Close())
}

// release gives the slot back. When something still holds the lock, the files stay, and
// the next launch in this slot deals with it; held reports that.
func (sl *slot) release() (held bool) {
	sl.owner.mu.Lock()
	defer sl.owner.mu.Unlock()
	_ = sl.lock.Close() // harmless when started has closed it
	lock, free, err := tryLock(sl.path(".lock"))
	if err == nil {
		if free {
			_ = os.Remove(sl.path(".json"))
			_ = os.Remove(sl.path(".lock"))
		}
		_ = lock.Close()
	}
	delete(sl.owner.used, sl.n)
	if len(sl.owner.used) == 0 {
		_ = os.Remove(sl.dir) // only when it is empty
	}
	return err == nil && !free
}

// tryLock opens a lock file and takes its lock when it is free.
func tryLock(path string) (f *os.File, free bool, err error) {
	f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
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
		if base, ok := strings.CutSuffix(e.Name(), ".lock"); ok {
			path := filepath.Join(dir, base)
			if err := clean(ctx, path+".lock", path+".json"); err != nil {
				return err
			}
		}
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
	return nil
}

// clean kills what has been started under a lock until nothing is left and the lock is
// free, and removes the files. It fails with errHeld after cleanBound.
func clean(ctx context.Context, lockPath, sidecarPath string) error {
	if _, err := os.Stat(lockPath); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanBound)
	defer cancel()
	var left leftovers
	if text, err := os.ReadFile(sidecarPath); err == nil {
		// A torn sidecar tells nothing; the lock still does.
		_ = json.Unmarshal(text, &left.record)
	}
	for round, wait := 0, time.Millisecond; ; round, wait = round+1, min(2*wait, 50*time.Millisecond) {
		lock, free, err := tryLock(lockPath)
		if err != nil {
			return err
		}
		alive := left.kill(lock, !free && round > 0)
		if free && !alive {
			_ = os.Remove(sidecarPath)
			_ = os.Remove(lockPath)
			_ = lock.Close()
			return nil
		}
		_ = lock.Close()
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for pid %d: %w", left.record.PID, errHeld)
		case <-time.After(wait):
		}
	}
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
