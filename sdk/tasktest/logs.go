package tasktest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// Line is one line of a task's log.
type Line struct {
	Level   string // trace, debug, info, warn or error; "" of a line that is no log record
	Message string
	Fields  map[string]any // as JSON has them: numbers are float64
}

// logs collects lines. It is safe for concurrent use.
type logs struct {
	mu   sync.Mutex
	rest []byte
	all  []Line
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.all = append(l.all, parseLine(l.rest[:i]))
		l.rest = l.rest[i+1:]
	}
}

// parseLine reads hclog's JSON; any other text is a message by itself.
func parseLine(text []byte) Line {
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return Line{Message: string(text)}
	}
	level, _ := fields["@level"].(string)
	message, ok := fields["@message"].(string)
	if !ok {
		return Line{Message: string(text)}
	}
	for key := range fields {
		if strings.HasPrefix(key, "@") {
			delete(fields, key)
		}
	}
	return Line{Level: level, Message: message, Fields: fields}
}

func (l *logs) lines() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line(nil), l.all...)
}
