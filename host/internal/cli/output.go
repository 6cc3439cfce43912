package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/admin"
)

// sureWriter remembers the first write that failed: what was to be read is not there.
type sureWriter struct {
	io.Writer
	first atomic.Pointer[error]
}

func (w *sureWriter) Write(data []byte) (int, error) {
	n, err := w.Writer.Write(data)
	if err != nil {
		err = fmt.Errorf("write the output: %w", err)
		w.first.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (w *sureWriter) err() error {
	if err := w.first.Load(); err != nil {
		return *err
	}
	return nil
}

// line writes one line of data.
func (a *app) line(format string, args ...any) {
	fmt.Fprintln(a.Out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// say writes one line to the person, not to a pipe that reads the data.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.Err, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// emit writes one value: as JSON, or as human does.
func (a *app) emit(v any, human func()) error {
	if !a.json {
		human()
		return a.out.err()
	}
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// emitAll writes a list: one JSON value a line, the names alone, or as human does.
func emitAll[T any](a *app, items []T, name func(T) string, human func()) error {
	if a.json {
		for _, item := range items {
			if err := a.emit(item, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if a.quiet {
		for _, item := range items {
			a.line("%s", name(item))
		}
		return nil
	}
	human()
	return nil
}

// printableLines makes text of several lines safe to show.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = admin.Printable(l)
	}
	return strings.Join(lines, "\n")
}

// A table aligns cells under their headings. What others wrote cannot reach the terminal as a
// control sequence.
type table struct {
	rows   [][]string
	colors []func(cell string) string // by column; nil is none
}

func newTable(heads ...string) *table {
	return &table{rows: [][]string{heads}, colors: make([]func(string) string, len(heads))}
}

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = admin.Printable(c)
		if cells[i] == "" && i < len(t.rows[0])-1 {
			cells[i] = "–"
		}
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(a *app) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for n, row := range t.rows {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2)
			switch {
			case n == 0:
				c = a.dim(c)
			case t.colors[i] != nil && a.colored():
				c = t.colors[i](c)
			}
			b.WriteString(c)
			if i < len(row)-1 {
				b.WriteString(pad)
			}
		}
		a.line("%s", b.String())
	}
}

func (a *app) colored() bool { return a.TTY && !a.noColor && a.Env("NO_COLOR") == "" }

func (a *app) dim(text string) string {
	if !a.colored() {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}

// stateColor colours a state or an outcome by what it means to a person.
func stateColor(text string) string {
	word, _, _ := strings.Cut(text, " ")
	code := ""
	switch word {
	case "running", "succeeded", "ok", "ready":
		code = "32"
	case "failed", "crash_loop", "lost", "timed_out", "degraded":
		code = "31"
	case "backoff", "stopping", "starting", "cancelled", "interrupted", "paused", "draining":
		code = "33"
	default:
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// confirm asks a person; without a terminal there is nobody to ask, and the command was meant.
func (a *app) confirm(yes bool, format string, args ...any) error {
	if yes || !a.TTY {
		return nil
	}
	fmt.Fprintf(a.Err, format+" [y/N] ", args...)
	text, err := a.readLine()
	if err != nil {
		return err
	}
	switch strings.ToLower(text) {
	case "y", "yes":
		return nil
	}
	a.say("nothing was done")
	return &Silent{ExitFailed}
}

// readLine is what the person types.
func (a *app) readLine() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(a.In, 1<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimSpace(text), nil
}

type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Commit   string `json:"commit,omitempty"`
}

func buildInfo(version string) versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}
