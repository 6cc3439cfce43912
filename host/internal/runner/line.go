package runner

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// line adds a line of the host's own to the task's log.
func (a *actor) line(level, message string, fields map[string]any) {
	l := task.LogLine{At: time.Now(), Level: level, Stream: "host", Message: message}
	if at := a.current(); at != nil {
		l.Run = at.run
	}
	if len(fields) > 0 {
		if text, err := json.Marshal(fields); err == nil { // plain strings and numbers
			l.Fields = text
		}
	}
	a.sink.Line(l)
}

// exitLine says how the process ended, and with the whole text of a panic. An end that
// the host brought about, or a clean one without a run, is nothing to worry about.
func (a *actor) exitLine(pid int, run string, exit task.ExitCause) {
	if exit.Left {
		a.line("info", fmt.Sprintf("left process %d, which others share", pid), nil)
		return
	}
	level, text := "error", exit.Text()
	if exit.ByHost || exit.Code == 0 && run == "" {
		level = "info"
	}
	if exit.Neighbour != "" {
		level = "warn"
	} else if exit.ByHost {
		text += " (by the host)"
	}
	fields := map[string]any{"pid": pid}
	if exit.Panic != "" {
		fields["panic"] = exit.Panic
	}
	a.line(level, fmt.Sprintf("process %d ended: %s", pid, text), fields)
	if len(exit.Survivors) > 0 {
		a.line("error", fmt.Sprintf("%d processes of its tree outlived the kill", len(exit.Survivors)), map[string]any{"pids": exit.Survivors})
	}
}

func pluginText(name, version string) string {
	if version == "" {
		return strconv.Quote(name)
	}
	return strconv.Quote(name) + " " + version
}
