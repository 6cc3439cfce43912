package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// header is the first line of a file.
type header struct {
	Task string `json:"task"`
	PID  int    `json:"pid"`
}

const suffix = ".journal"

// A Writer writes the journal of this process. It is safe for concurrent use.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	stop chan struct{}
	done chan struct{}
}

// Create makes the journal of this process, which works for the task, in dir, and says there from time to time that
// the process is alive.
func Create(dir, task string) (*Writer, error) {
	name := fmt.Sprintf("%s.%d.%d%s", task, os.Getpid(), Now(), suffix)
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the journal: %w", err)
	}
	w := &Writer{file: f, stop: make(chan struct{}), done: make(chan struct{})}
	if err := w.line(header{task, os.Getpid()}, true); err != nil {
		f.Close()
		return nil, err
	}
	if err := w.Write(Entry{Kind: Open}); err != nil {
		f.Close()
		return nil, err
	}
	go w.live()
	return w, nil
}

// pulse is how often a process says that it is alive: what two of them did at a time is known to this much.
const pulse = 20 * time.Millisecond

func (w *Writer) live() {
	defer close(w.done)
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			if w.line(Entry{Kind: Alive}, false) != nil {
				return
			}
		}
	}
}

// Write adds an entry with the time of now. It is on the disk when Write returns.
func (w *Writer) Write(e Entry) error { return w.line(e, true) }

// Close writes the last entry.
func (w *Writer) Close() error {
	close(w.stop)
	<-w.done
	return errors.Join(w.Write(Entry{Kind: Close}), w.file.Close())
}

func (w *Writer) line(v any, sync bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := v.(Entry); ok { // under the lock, so that the lines of a file are in the order of their times
		e.At = Now()
		v = e
	}
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.file.Write(append(text, '\n'))
	}
	if err == nil && sync {
		err = w.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// Read reads all journals in dir. The last line of a file may be torn, where its process was killed; any other that
// cannot be read is an error.
func Read(dir string) ([]Process, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, err
	}
	var all []Process
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p, ok, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parse reads one journal; ok is false when its process was killed before it had said whose it is.
func parse(data []byte) (p Process, ok bool, err error) {
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			return p, n > 1, nil
		}
		if n == 1 {
			var h header
			err = json.Unmarshal(line, &h)
			p.Task, p.PID = h.Task, h.PID
		} else {
			var e Entry
			err = json.Unmarshal(line, &e)
			p.Entries = append(p.Entries, e)
		}
		if err != nil {
			return p, false, fmt.Errorf("line %d: %w", n, err)
		}
		data = rest
	}
}
