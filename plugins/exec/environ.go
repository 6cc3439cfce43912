package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
)

// markEnv names the variable that tells which command a process descends from.
const markEnv = "TASKHOST_COMMAND"

// environ is the whole environment of a command: the plugin's own, then env_from, env,
// what a run is about, and what is its own; what comes later wins.
func (c Program) environ(info task.Info, mark string, own []string) ([]string, error) {
	env := os.Environ()
	for _, file := range c.EnvFrom {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, task.Permanent(fmt.Errorf("read env_from: %w", err))
		}
		lines, err := parseEnv(string(text))
		if err != nil {
			return nil, task.Permanent(fmt.Errorf("read env_from %s: %w", file, err))
		}
		env = append(env, lines...)
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value)
	}
	for _, v := range []struct{ name, value string }{
		{"TASKHOST_TASK", info.Task},
		{"TASKHOST_RUN", info.Run},
		{"TASKHOST_ATTEMPT", strconv.Itoa(info.Attempt)},
		{"TASKHOST_TRIGGER", info.Trigger},
		{"TASKHOST_SLOT", stamp(info.Slot)},
		{"TASKHOST_PREVIOUS_SLOT", stamp(info.PreviousSlot)},
		{markEnv, mark},
	} {
		env = append(env, v.name+"="+v.value)
	}
	if info.Watchdog > 0 && info.Mode == task.ModeContinuous {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(info.Watchdog.Microseconds(), 10))
	}
	if info.TraceParent != "" {
		env = append(env, "TRACEPARENT="+info.TraceParent)
	}
	return withTaskhost(append(env, own...)), nil
}

// usualPath is where programs are looked for when nothing names a PATH.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// withTaskhost lets a script find the program taskhost of its host: the directory of it stands at the end of PATH, so that it hides
// nothing. TASKHOST_BIN names the program itself, whatever it is called.
func withTaskhost(env []string) []string {
	program, path := lookup(env, notify.ProgramEnv), lookup(env, "PATH")
	if program == "" || filepath.Base(program) != "taskhost" {
		return env
	}
	if path == "" {
		path = usualPath
	}
	dir := filepath.Dir(program)
	if strings.Contains(dir, ":") || slices.Contains(filepath.SplitList(path), dir) {
		return env
	}
	return append(env, "PATH="+path+":"+dir)
}

// lookup is the value that holds for a name, the last one.
func lookup(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// stamp is RFC 3339 in UTC, and empty for no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// parseEnv reads lines NAME=value. Empty lines and comments are passed over, a leading
// "export" and quotes around a whole value are taken off; nothing is expanded.
func parseEnv(text string) ([]string, error) {
	var env []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") || strings.Contains(line, "\x00") {
			return nil, fmt.Errorf("line %d is not NAME=value", n)
		}
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}
