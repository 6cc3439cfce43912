package logs

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Rename gives the log of a task to another name, under which nothing has been logged yet. Nothing of the old name may
// be at work. It does nothing when there is no log.
func (l *Logs) Rename(from, to string) error {
	if !task.ValidTask(from) {
		return noTask(from)
	}
	if !task.ValidTask(to) {
		return noTask(to)
	}
	old, heir := l.book(from), l.book(to)
	old.disk.Lock()
	defer old.disk.Unlock()
	heir.disk.Lock()
	defer heir.disk.Unlock()
	if err := old.flush(); err != nil {
		return fmt.Errorf("write the log of task %q: %w", from, err)
	}
	old.files.close()
	heir.files.close()
	if _, err := l.root.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := l.root.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // only an empty one can be removed
		return fmt.Errorf("rename the log of task %q: task %q has one of its own", from, to)
	}
	if err := l.root.Rename(from, to); err != nil {
		return fmt.Errorf("rename the log of task %q: %w", from, err)
	}
	return nil
}
