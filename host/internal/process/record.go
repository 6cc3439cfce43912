package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Streams of a log line.
const (
	streamLog    = "log"
	streamStderr = "stderr"
	streamStdout = "stdout"
	streamHost   = "host"
)

const hclogTime = "2006-01-02T15:04:05.000000Z07:00"

// parseStderr makes a log line of what a plugin has written to stderr: a record in
// hclog's JSON form, or text. A line that only looks like a record (a field of another
// type than hclog writes, broken JSON) is text; nothing that a plugin writes is an error.
// name is the task that a record of a shared process names.
// structured tells the two apart: a record may be a line of stdout or stderr of a command that the
// plugin runs, and then says so in its stream.
func parseStderr(line []byte, cut int, now time.Time) (rec task.LogLine, name string, structured bool) {
	if cut == 0 && len(line) > 1 && line[0] == '{' {
		if rec, name, ok := parseRecord(line, now); ok {
			return rec, name, true
		}
	}
	text := plainText(line, cut)
	level, message := inferLevel(text)
	return task.LogLine{At: now, Level: level, Stream: streamStderr, Message: message}, "", false
}

func parseRecord(line []byte, now time.Time) (rec task.LogLine, name string, ok bool) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return task.LogLine{}, "", false
	}
	taken := map[string]string{}
	for _, key := range []string{"@message", "@level", "@timestamp", wire.TaskKey} {
		raw, present := fields[key]
		if !present {
			continue
		}
		// null would pass as an empty string.
		var text string
		if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
			return task.LogLine{}, "", false
		}
		taken[key] = text
		delete(fields, key)
	}
	message, ok := taken["@message"]
	if !ok {
		return task.LogLine{}, "", false
	}
	rec = task.LogLine{At: now, Level: knownLevel(taken["@level"]), Stream: streamLog, Message: message}
	// A plugin's clock is the host's; a time far off is a mistake that would disorder the log.
	if at, err := time.Parse(hclogTime, taken["@timestamp"]); err == nil && now.Sub(at).Abs() < time.Minute {
		rec.At = at
	}
	if raw, ok := fields["run"]; ok && raw[0] == '"' && json.Unmarshal(raw, &rec.Run) == nil {
		delete(fields, "run")
	}
	switch string(fields["stream"]) {
	case `"stdout"`, `"stderr"`:
		rec.Stream = strings.Trim(string(fields["stream"]), `"`)
		delete(fields, "stream")
	}
	for _, key := range []string{"@module", "@caller"} {
		if raw, ok := fields[key]; ok {
			delete(fields, key)
			fields[key[1:]] = raw
		}
	}
	if len(fields) > 0 {
		rec.Fields, _ = json.Marshal(fields)
	}
	return rec, taken[wire.TaskKey], true
}

func knownLevel(level string) string {
	switch level {
	case "trace", "debug", "info", "warn", "error":
		return level
	}
	return "info"
}

// inferLevel takes a leading "[WARN]" or the like off a line of text.
func inferLevel(text string) (level, message string) {
	message = text
	if rest, ok := strings.CutPrefix(text, "["); ok {
		if word, after, ok := strings.Cut(rest, "]"); ok {
			switch strings.ToUpper(word) {
			case "TRACE":
				return "trace", strings.TrimLeft(after, " ")
			case "DEBUG":
				return "debug", strings.TrimLeft(after, " ")
			case "INFO":
				return "info", strings.TrimLeft(after, " ")
			case "WARN", "WARNING":
				return "warn", strings.TrimLeft(after, " ")
			case "ERR", "ERROR", "FATAL", "PANIC":
				return "error", strings.TrimLeft(after, " ")
			}
		}
	}
	if crashHeader([]byte(text)) {
		return "error", text
	}
	return "info", text
}

// plainText makes valid text of a line, with a mark where it was cut.
func plainText(line []byte, cut int) string {
	text := strings.ToValidUTF8(string(line), "\uFFFD")
	if cut > 0 {
		text += fmt.Sprintf(" … (%d bytes cut)", cut)
	}
	return text
}

// crashHeader tells whether a line begins what the Go runtime prints when it gives up.
func crashHeader(line []byte) bool {
	for _, head := range []string{"panic: ", "fatal error: ", "SIGSEGV", "SIGABRT", "SIGQUIT", "SIGBUS", "SIGFPE", "SIGILL"} {
		if bytes.HasPrefix(line, []byte(head)) {
			return true
		}
	}
	return false
}
