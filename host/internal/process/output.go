package process

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	tailLines = 20
	tailWidth = 512      // bytes of each line of the tail
	maxPanic  = 64 << 10 // bytes of a crash's text

	// overPace is the pause after each chunk that is read beyond the limit: it holds the
	// host's work for a flood at some 30 MB/s, and the plugin is slowed, never stopped.
	overPace = time.Millisecond
)

// output takes what one process writes, from both pipes, and passes it on as log lines.
// It is safe for concurrent use by the two readers.
type output struct {
	mu     sync.Mutex
	main   *channel            // takes what names no task
	joined []*channel          // of the tasks that share the process, in the order in which they came
	byTask map[string]*channel // the same
	wet    *channel            // the one that was written to last
	tail   []string            // last lines of stderr
	crash  crash
}

// channel is where the lines of one task go. Each has a flood limit of its own, so that a
// task that writes without end drowns itself alone.
type channel struct {
	task   string
	sink   task.LogSink
	bucket bucket
}

func newOutput(sink task.LogSink) *output {
	main := &channel{sink: sink}
	return &output{main: main, wet: main}
}

// join gives a task that shares the process a channel of its own.
func (o *output) join(name string, sink task.LogSink) *channel {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &channel{task: name, sink: sink}
	if o.byTask == nil {
		o.byTask = map[string]*channel{}
	}
	o.byTask[name] = c
	o.joined = append(o.joined, c)
	return c
}

// leave forgets a channel.
func (o *output) leave(c *channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.joined = slices.DeleteFunc(o.joined, func(other *channel) bool { return other == c })
	if o.byTask[c.task] == c {
		delete(o.byTask, c.task)
	}
	c.report(c.bucket.close())
}

// channel finds where a line goes: to the task that it names, otherwise to the one that joined
// first, so that the line stands in one place, which can be found.
func (o *output) channel(name string) *channel {
	o.wet = o.byTask[name]
	if o.wet == nil {
		o.wet = o.main
		if len(o.joined) > 0 {
			o.main.sink = o.joined[0].sink
		}
	}
	return o.wet
}

// crash collects the text of a Go panic.
type crash struct {
	text  strings.Builder
	open  bool
	stale bool // a structured record came after it: the process has lived on
}

// stderr passes a line of stderr on.
func (o *output) stderr(line []byte, cut int) {
	rec, name, structured := parseStderr(line, cut, time.Now())
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remember(rec, structured, line)
	o.channel(name).pass(rec, len(line))
}

// stdout passes a line of stdout on.
func (o *output) stdout(line []byte, cut int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.channel("").pass(task.LogLine{At: time.Now(), Level: "info", Stream: streamStdout, Message: plainText(line, cut)}, len(line))
}

// host logs a line of the host's own about the task.
func (c *channel) host(level, message string) {
	c.sink.Line(task.LogLine{At: time.Now(), Level: level, Stream: streamHost, Message: message})
}

// pass applies the flood limit. The output's lock is held while the sink takes the line, so
// that the order of the log is the order of arrival.
func (c *channel) pass(rec task.LogLine, size int) {
	ok, missed := c.bucket.take(size, rec.At)
	c.report(missed)
	if ok {
		c.sink.Line(rec)
	}
}

func (c *channel) report(missed gap) {
	if missed.lines == 0 {
		return
	}
	c.sink.Line(task.LogLine{
		At: time.Now(), Level: "warn", Stream: streamHost,
		Message: fmt.Sprintf("%d lines (%d bytes) dropped: the process writes faster than %d MiB/s", missed.lines, missed.bytes, floodRate>>20),
		Fields:  fmt.Appendf(nil, `{"dropped_lines":%d,"dropped_bytes":%d}`, missed.lines, missed.bytes),
	})
}

// flooded tells whether lines are being dropped.
func (o *output) flooded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wet.bucket.dry
}

// finish reports what is still to be told when both pipes have ended.
func (o *output) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range slices.Concat(o.joined, []*channel{o.main}) {
		c.report(c.bucket.close())
	}
}

func (o *output) remember(rec task.LogLine, structured bool, line []byte) {
	text := rec.Message
	if structured {
		text = "[" + strings.ToUpper(rec.Level) + "] " + text
	}
	if len(text) > tailWidth {
		text = strings.ToValidUTF8(text[:tailWidth], "") + "…"
	}
	if len(o.tail) == tailLines {
		copy(o.tail, o.tail[1:])
		o.tail = o.tail[:tailLines-1]
	}
	o.tail = append(o.tail, strings.Clone(text))
	o.crash.take(rec, structured, line)
}

func (c *crash) take(rec task.LogLine, structured bool, line []byte) {
	if structured {
		c.stale = c.open
		return
	}
	if crashHeader(line) && (!c.open || c.stale) {
		c.text.Reset()
		c.open, c.stale = true, false
	}
	if c.open && !c.stale && c.text.Len()+len(rec.Message) < maxPanic {
		c.text.WriteString(rec.Message)
		c.text.WriteByte('\n')
	}
}

// last returns the tail of stderr and the text of a crash.
func (o *output) last() (tail []string, crash string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.tail...), strings.TrimRight(o.crash.text.String(), "\n")
}
