package task

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// audit answers `describe -audit`: what is open although main has only just come to
// Serve. tasktest.NoSideEffects asks for it.
func (c *command) audit() int {
	report := struct {
		Descriptors []string `json:"descriptors"`
		Children    []string `json:"children"`
		Goroutines  []string `json:"goroutines"`
	}{openDescriptors(), children(), otherGoroutines()}
	if err := json.NewEncoder(c.out).Encode(report); err != nil {
		return c.fail(fmt.Errorf("cannot print the audit: %w", err))
	}
	return exitOK
}

// openDescriptors names what is open beside the three standard streams, what the Go
// runtime holds, and the directory that is read to find out.
func openDescriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= 2 {
			continue
		}
		target, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name()))
		if err != nil || ofRuntime(target) {
			continue
		}
		open = append(open, fmt.Sprintf("%d %s", fd, target))
	}
	return open
}

// ofRuntime recognises what is no author's: the directory being read, the runtime's
// poller, and its look at the processor limit of a cgroup.
func ofRuntime(target string) bool {
	return strings.HasSuffix(target, "/fd") || strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/sys/fs/cgroup/")
}

// children names the child processes that are still there.
func children() []string {
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// otherGoroutines are the stacks of all goroutines but this one and the runtime's.
func otherGoroutines() []string {
	buf := make([]byte, 64<<10)
	buf = buf[:runtime.Stack(buf, true)]
	stacks := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	return stacks[1:] // the first is this one
}
