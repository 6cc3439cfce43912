package process

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// oomWatch tells whether the kernel has killed a process of the host's cgroup for want
// of memory since it was last asked. The counter is the cgroup's, so of two processes
// that are killed at the same moment, one by memory and one by a stranger's SIGKILL, the
// first that is asked for gets the blame.
type oomWatch struct {
	file string // "" when there is no counter
	mu   sync.Mutex
	last int
}

func watchOOM() *oomWatch {
	w := &oomWatch{file: oomFile()}
	w.last = w.count()
	return w
}

func (w *oomWatch) happened() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.count()
	more := n > w.last
	w.last = n
	return more
}

func (w *oomWatch) count() int {
	if w.file == "" {
		return 0
	}
	text, err := os.ReadFile(w.file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			count, _ := strconv.Atoi(strings.TrimSpace(n))
			return count
		}
	}
	return 0
}

// oomFile finds the file with the counter, for the unified hierarchy and for the old one.
func oomFile() string {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for scan := bufio.NewScanner(bytes.NewReader(groups)); scan.Scan(); {
		parts := strings.SplitN(scan.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		file := ""
		switch parts[1] {
		case "":
			file = filepath.Join("/sys/fs/cgroup", parts[2], "memory.events")
		case "memory":
			file = filepath.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control")
		}
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}
