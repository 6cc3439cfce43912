package task

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// maxLine bounds a line of messages, in bytes: more than a host takes for one.
const maxLine = wire.DefaultMaxFrame

// feed gives a consumer that runs without a host the messages that stand on stdin, one JSON value per line, and prints
// what it emits in the same form.
type feed struct {
	typ         *session.Type
	in          io.Reader
	out, err    io.Writer
	concurrency int
	batch       int // 0 of a type that takes one at a time
	queue       *solo.Queue
	done        chan struct{} // closed when all messages are handled
	refused     int           // lines that are no message; valid when done is closed
}

func (c *command) newFeed(typ *session.Type, concurrency, batch int) (*feed, error) {
	if file, ok := c.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return nil, fmt.Errorf("type %q handles messages: give them on stdin, one JSON value per line, as in `… run -c FILE < messages.jsonl`", typ.Description.Name)
	}
	if concurrency < 1 || batch < 1 {
		return nil, fmt.Errorf("-concurrency and -batch are at least 1")
	}
	f := &feed{typ: typ, in: c.in, out: c.out, err: c.err, concurrency: concurrency, done: make(chan struct{})}
	if typ.Description.Batch {
		f.batch = batch
	}
	f.queue = solo.NewQueue(solo.QueueConfig{Name: "stdin", MaxDeliveries: 1, Batch: typ.Description.Batch, Buried: f.report})
	return f, nil
}

// consume says how the run consumes. A batch waits for no others than those that are there.
func (f *feed) consume(timeout time.Duration) *taskv1.Consume {
	return &taskv1.Consume{Concurrency: uint32(f.concurrency), BatchSize: uint32(f.batch), Timeout: int64(timeout)}
}

// run reads until the end of stdin and waits until everything is handled. Few messages are held at a time.
func (f *feed) run() {
	defer close(f.done)
	lines := bufio.NewScanner(f.in)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		id := fmt.Sprint("line", number)
		if err := f.check(text); err != nil {
			f.refuse(id, err)
			continue
		}
		f.wait(4 * f.concurrency * max(f.batch, 1))
		f.queue.Put(solo.Queued{ID: id, Value: bytes.Clone(text), Posted: time.Now()})
	}
	if err := lines.Err(); err != nil {
		f.refuse(fmt.Sprint("line", number+1), fmt.Errorf("cannot be read, nor what follows: %w", err))
	}
	f.wait(1)
}

// check refuses what a host would refuse at the door.
func (f *feed) check(text []byte) error {
	if !json.Valid(text) {
		return fmt.Errorf("this is no JSON: %.100q", text)
	}
	var texts []string
	for _, p := range f.typ.Description.Message.Check(text) {
		texts = append(texts, p.String())
	}
	if len(texts) > 0 {
		return fmt.Errorf("%s", strings.Join(texts, "; "))
	}
	return nil
}

func (f *feed) refuse(id string, err error) {
	f.refused++
	fmt.Fprintf(f.err, "%s: %v\n", id, err)
}

// wait returns when fewer than n messages are in the queue.
func (f *feed) wait(n int) {
	for {
		have, changed := f.queue.Len()
		if have < n {
			return
		}
		<-changed
	}
}

// report says of a message that it failed: there is no other try here.
func (f *feed) report(d solo.Dead) {
	fmt.Fprintf(f.err, "%s: %s: %s\n", d.ID, d.Reason, d.Error)
}

// print writes an emitted message.
func (f *feed) print(m solo.Message) {
	text, err := json.Marshal(onceMessage{m.Output, m.ID, m.Key, m.Value})
	if err == nil {
		_, err = fmt.Fprintf(f.out, "%s\n", text)
	}
	if err != nil {
		fmt.Fprintf(f.err, "cannot print a message: %v\n", err)
	}
}

// summary says what became of all, and is the exit code.
func (f *feed) summary(report onceReport) int {
	handled, skipped := f.queue.Acknowledged()
	failed := len(f.queue.Dead())
	select {
	case <-f.done:
		failed += f.refused
	default: // it was stopped before
	}
	left, _ := f.queue.Len()
	fmt.Fprintf(f.err, "%s: %d handled, %d skipped, %d failed", report.Outcome, len(handled)-skipped, skipped, failed)
	if left > 0 {
		fmt.Fprintf(f.err, ", %d not handled", left)
	}
	if report.Message != "" {
		fmt.Fprintf(f.err, ": %s", report.Message)
	}
	fmt.Fprintln(f.err)
	if failed > 0 {
		return exitFailed
	}
	return codeOf(report.Outcome)
}
