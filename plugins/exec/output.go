package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxPiece  = 8 << 10   // bytes of a log line; longer ones are split
	maxResult = 512 << 10 // bytes of a result line
	tailLines = 20
	tailWidth = 400 // bytes of a line in an error
)

// output takes what a command writes: every line goes to the log, the last ones are kept
// for the error, and the last of standard output may be the result. It is safe for
// concurrent use by the readers of both streams.
type output struct {
	log    func(stream, line string)
	result bool // keep the last line of stdout

	mu   sync.Mutex
	tail []string
	last []byte // of stdout; over maxResult means too long
}

// blocks are for what is read at once; many commands come and go.
var blocks = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// read takes one stream until it ends.
func (o *output) read(stream string, r io.Reader) {
	room := blocks.Get().(*[32 << 10]byte)
	defer blocks.Put(room)
	block := room[:]
	var line []byte  // a piece of a line whose end is still to come
	split := false   // earlier pieces of it are in the log
	var whole []byte // the whole line, while it may become the result
	keep := o.result && stream == "stdout"
	for {
		n, err := r.Read(block)
		for data := block[:n]; len(data) > 0; {
			piece, rest, ends := bytes.Cut(data, []byte("\n"))
			if room := maxPiece - len(line); len(piece) > room {
				piece, rest, ends = data[:room], data[room:], false
			}
			line = append(line, piece...)
			if keep && len(whole) <= maxResult {
				whole = append(whole, piece...)
			}
			data = rest
			if len(line) == maxPiece {
				n := wholeRunes(line)
				o.line(stream, line[:n])
				line, split = append(line[:0], line[n:]...), true
			}
			if ends && (len(line) > 0 || !split) {
				o.line(stream, line)
				line = line[:0]
			}
			if ends {
				whole, split = o.ended(whole, keep), false
			}
		}
		if err != nil {
			break
		}
	}
	if len(line) > 0 {
		o.line(stream, line)
	}
	o.ended(whole, keep)
}

// wholeRunes is the length of text without a character at its end that is still incomplete.
func wholeRunes(text []byte) int {
	for n := len(text) - 1; n >= max(len(text)-utf8.UTFMax, 0); n-- {
		if !utf8.RuneStart(text[n]) {
			continue
		}
		if !utf8.FullRune(text[n:]) {
			return n
		}
		break
	}
	return len(text)
}

func (o *output) line(stream string, line []byte) {
	text := strings.TrimSuffix(string(line), "\r")
	o.log(stream, text)
	if len(text) > tailWidth {
		text = text[:tailWidth] + "…"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.tail) == tailLines {
		o.tail = append(o.tail[:0], o.tail[1:]...)
	}
	o.tail = append(o.tail, text)
}

// ended notes a whole line as the result so far, and returns room for the next.
func (o *output) ended(whole []byte, keep bool) []byte {
	if !keep || len(bytes.TrimSpace(whole)) == 0 {
		return whole[:0]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last[:0], whole...)
	return whole[:0]
}

// resultLine is the result that the command printed.
func (o *output) resultLine() (json.RawMessage, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.result:
		return nil, nil
	case len(o.last) == 0:
		return nil, errors.New("the command printed no result: its last line of standard output must be JSON")
	case len(o.last) > maxResult:
		return nil, fmt.Errorf("the result has more than %d bytes", maxResult)
	case !json.Valid(o.last):
		return nil, errors.New("the last line of standard output is not JSON")
	}
	return append(json.RawMessage(nil), o.last...), nil
}

// lastLines is the end of the output for an error, "" for none.
func (o *output) lastLines() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.tail) == 0 {
		return ""
	}
	return "; it wrote last:\n  " + strings.ToValidUTF8(strings.Join(o.tail, "\n  "), "\uFFFD")
}
