package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Record is one line of a task's log, or the mark of a gap.
type Record struct {
	Pos uint64 `json:"pos"`
	task.LogLine
	// Gap is how many lines are missing here: dropped in a flood, or rotated away.
	Gap int64 `json:"gap,omitempty"`
}

const (
	maxText   = 64 << 10 // bytes of a message, and of a line's fields
	maxWord   = 64       // bytes of a run id, a level, a stream
	maxLine   = 1 << 20  // bytes of an encoded line; more is not read back
	posPrefix = `{"pos":`
	maxPos    = 1 << 53 // a log whose last line claims more is damaged; JSON readers are exact up to here
)

// encode renders a line without its position: one JSON object and a newline, whatever the
// plugin wrote. Bytes that are not UTF-8 become U+FFFD, what is too long is cut and says so.
func encode(l task.LogLine) []byte {
	l.At = l.At.UTC()
	l.Run, l.Level, l.Stream = cut(l.Run, maxWord), cut(l.Level, maxWord), cut(l.Stream, maxWord)
	if n := len(l.Message) - maxText; n > 0 {
		l.Message = fmt.Sprintf("%s… (%d bytes cut)", cut(l.Message, maxText), n)
	}
	switch {
	case len(l.Fields) > maxText:
		l.Fields = fmt.Appendf(nil, `{"cut_bytes":%d}`, len(l.Fields))
	case !json.Valid(l.Fields):
		l.Fields = wrapField(l.Fields)
	case !utf8.Valid(l.Fields):
		l.Fields = bytes.ToValidUTF8(l.Fields, []byte("\uFFFD"))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil { // a year that JSON cannot say
		return fmt.Appendf(nil, "{\"level\":\"error\",\"stream\":\"host\",\"message\":%q}\n", "a log line could not be written")
	}
	return b.Bytes()
}

// wrapField keeps fields that are no JSON as text.
func wrapField(fields json.RawMessage) json.RawMessage {
	if len(fields) == 0 {
		return nil
	}
	text, err := json.Marshal(map[string]string{"invalid": string(fields)})
	if err != nil {
		return nil
	}
	return text
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendLine appends an encoded line with its position.
func appendLine(to []byte, pos uint64, line []byte) []byte {
	to = append(to, posPrefix...)
	to = strconv.AppendUint(to, pos, 10)
	if line[1] != '}' {
		to = append(to, ',')
	}
	return append(to, line[1:]...)
}

// posOf reads the position of a line in a file; false for a line that is no record.
func posOf(line []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(posPrefix))
	if !ok {
		return 0, false
	}
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return 0, false
	}
	pos, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	if err != nil || pos == 0 || pos > 2*maxPos {
		return 0, false
	}
	return pos, true
}

// filter is the part of a query that is asked of single records.
type filter struct {
	q       Query
	runMark []byte
	level   int
	text    *regexp.Regexp
}

var levels = map[string]int{"trace": 0, "debug": 1, "info": 2, "warn": 3, "error": 4}

func rank(level string) int {
	if n, ok := levels[level]; ok {
		return n
	}
	return levels["info"]
}

func newFilter(q Query) (filter, error) {
	f := filter{q: q}
	if q.Grep != "" {
		var err error
		if f.text, err = regexp.Compile("(?i)" + q.Grep); err != nil {
			return filter{}, invalid(fmt.Sprintf("%.40q is no regular expression", q.Grep), "put a backslash before what is to stand for itself")
		}
	}
	if q.Run != "" {
		f.runMark = fmt.Appendf(nil, `"run":%q`, q.Run)
	}
	if q.Level != "" {
		n, ok := levels[q.Level]
		if !ok {
			return filter{}, &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("unknown level %q", q.Level), Remedy: "use trace, debug, info, warn or error"}
		}
		f.level = n
	}
	return f, nil
}

// record decodes a line that the filter wants; false for any other.
func (f *filter) record(line []byte) (Record, bool) {
	if f.runMark != nil && !bytes.Contains(line, f.runMark) {
		return Record{}, false
	}
	var r Record
	if json.Unmarshal(line, &r) != nil || r.Pos == 0 {
		return Record{}, false
	}
	if f.q.Run != "" && r.Run != f.q.Run || r.At.Before(f.q.Since) {
		return Record{}, false
	}
	if r.Gap > 0 {
		return r, true // it may hide what is looked for
	}
	if rank(r.Level) < f.level {
		return Record{}, false
	}
	if f.text != nil && !f.text.MatchString(r.Message) && !f.text.Match(r.Fields) {
		return Record{}, false
	}
	return r, true
}
