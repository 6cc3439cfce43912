package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/sdk/schema"
)

// postFlags are the flags of queue post.
type postFlags struct {
	id, key string
	lines   bool
	wait    length
}

func (a *app) queuePost() *cobra.Command {
	var f postFlags
	c := &cobra.Command{
		Use: "post QUEUE [VALUE|-]", Short: "Post a message, or with -lines each line of stdin as one", Args: between(1, "a queue's name", "a message"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			text := "-"
			if len(args) == 2 {
				text = args[1]
			}
			if f.lines && text != "-" {
				return usagef("-lines reads messages from stdin; leave %q out", text)
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			if f.lines {
				p := poster{a: a, api: api, queue: args[0], flags: f, end: a.deadline(f.wait.d)}
				return p.run(c.Context())
			}
			value, err := a.jsonValue("the message", text)
			if err != nil {
				return err
			}
			if len(value) == 0 {
				return usagef("the message is empty; null is a message, too")
			}
			posted, err := a.postOne(c.Context(), api, args[0], value, f)
			if err != nil {
				return err
			}
			return a.emit(posted, func() { a.sayPosted(args[0], posted) })
		},
	}
	c.Flags().StringVar(&f.id, "id", "", "the message's id: the same id with the same message is one message; with -lines ID-1, ID-2, …")
	c.Flags().StringVar(&f.key, "key", "", "the message's key; messages with one key can be handled in their order")
	c.Flags().BoolVar(&f.lines, "lines", false, "one message a line, sent in batches")
	c.Flags().Var(&f.wait, "wait", "try again so long while the queue is full; "+bareWait+" without a time")
	c.Flags().Lookup("wait").NoOptDefVal = bareWait
	return c
}

func (a *app) sayPosted(queue string, p admin.Posted) {
	switch {
	case a.quiet:
		a.line("%s", p.ID)
	case p.Duplicate:
		a.line("%s  %s  was there already", queue, p.ID)
	default:
		a.line("%s  %s", queue, p.ID)
	}
}

// postOne posts one message, again and again while the queue is full and the wait lasts.
func (a *app) postOne(ctx context.Context, api *admin.Client, queue string, value json.RawMessage, f postFlags) (admin.Posted, error) {
	end := a.deadline(f.wait.d)
	for {
		o := admin.PostOptions{ID: f.id, Key: f.key}
		if !end.IsZero() {
			o.Wait = part(end)
		}
		posted, err := api.Post(ctx, queue, value, o)
		if !isFull(err) || end.IsZero() || over(end) {
			return posted, err
		}
		if err := rest(ctx); err != nil {
			return posted, err
		}
	}
}

// rest is the time between two attempts at a full queue.
func rest(ctx context.Context) error {
	select {
	case <-time.After(fullRest):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	fullRest   = 250 * time.Millisecond
	batchLines = 1000
	batchBytes = 4 << 20
)

// line is one message of stdin with its place there.
type line struct {
	number int
	admin.NewMessage
}

// poster posts lines in batches and counts what becomes of them.
type poster struct {
	a     *app
	api   *admin.Client
	queue string
	flags postFlags
	end   time.Time

	lines                       int // that were read
	posted, duplicates, refused int
	first                       *admin.Problem // of the refusals
}

// postedLine is what became of a line, for programs.
type postedLine struct {
	Line int `json:"line"`
	admin.BatchItem
}

func (p *poster) run(ctx context.Context) error {
	in := bufio.NewReaderSize(p.a.In, 64<<10)
	for {
		batch, err := p.read(in)
		if failed := p.send(ctx, batch); failed != nil { // what comes before a line that cannot be read is posted
			err = failed
		}
		if errors.Is(err, io.EOF) {
			return p.finish()
		}
		if err != nil {
			p.a.say("%s", p.summary())
			return err
		}
	}
}

// read is the next batch of lines; with io.EOF it is the last.
func (p *poster) read(in *bufio.Reader) (batch []line, err error) {
	for size := 0; len(batch) < batchLines && size < batchBytes; {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return batch, err
		}
		if p.lines++; err != nil {
			return batch, fmt.Errorf("read line %d: %w", p.lines, err)
		}
		if len(text) == 0 {
			continue
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			p.refuse(p.lines, admin.BatchItem{Status: 400, Error: &admin.Problem{
				Status: 400, Code: "body_invalid", Detail: "the line is no JSON", Remedy: "write one JSON value a line",
			}})
			continue
		}
		l := line{p.lines, admin.NewMessage{Key: p.flags.key, Value: text}}
		if p.flags.id != "" {
			l.ID = p.flags.id + "-" + strconv.Itoa(p.lines)
		}
		batch, size = append(batch, l), size+len(text)
	}
	return batch, nil
}

// readLine is the next line without the space around it; one that is too long is an error.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > maxInput:
			return nil, usagef("it has more than %s", schema.FormatBytes(maxInput))
		case err == nil || errors.Is(err, io.EOF) && len(text) > 0:
			return bytes.TrimSpace(text), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// send posts a batch; what a full queue refused is sent again while the wait lasts.
func (p *poster) send(ctx context.Context, batch []line) error {
	for len(batch) > 0 {
		messages := make([]admin.NewMessage, len(batch))
		for i, l := range batch {
			messages[i] = l.NewMessage
		}
		wait := time.Duration(0)
		if !p.end.IsZero() {
			wait = part(p.end)
		}
		result, err := p.api.PostBatch(ctx, p.queue, messages, wait)
		if err != nil {
			return err
		}
		if len(result.Items) != len(batch) {
			return fmt.Errorf("the host answered %d of %d messages", len(result.Items), len(batch))
		}
		again := batch[:0:0]
		for i, item := range result.Items {
			if item.Error != nil && isFull(item.Error) && !p.end.IsZero() && !over(p.end) {
				again = append(again, batch[i])
				continue
			}
			p.count(batch[i].number, item)
		}
		p.progress()
		if batch = again; len(batch) > 0 {
			if err := rest(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *poster) count(number int, item admin.BatchItem) {
	switch {
	case item.Error != nil:
		p.refuse(number, item)
		return
	case item.Duplicate:
		p.duplicates++
	default:
		p.posted++
	}
	if p.a.json {
		p.a.emit(postedLine{number, item}, nil)
	} else if p.a.quiet {
		p.a.line("%s", item.ID)
	}
}

func (p *poster) refuse(number int, item admin.BatchItem) {
	p.refused++
	if p.first == nil {
		p.first = item.Error
	}
	if p.a.json {
		p.a.emit(postedLine{number, item}, nil)
		return
	}
	if p.a.TTY {
		fmt.Fprint(p.a.Err, "\r\x1b[K")
	}
	p.a.say("line %d: %s", number, printableLines(item.Error.Error()))
}

// progress shows a person how far it has come.
func (p *poster) progress() {
	if p.a.TTY && !p.a.json && !p.a.quiet {
		fmt.Fprintf(p.a.Err, "\r\x1b[K%s", p.summary())
	}
}

func (p *poster) summary() string {
	text := fmt.Sprintf("%s  %d posted", p.queue, p.posted)
	if p.duplicates > 0 {
		text += fmt.Sprintf(", %d there already", p.duplicates)
	}
	if p.refused > 0 {
		text += fmt.Sprintf(", %d refused", p.refused)
	}
	return text
}

// finish ends as the first refusal does.
func (p *poster) finish() error {
	if p.a.TTY && !p.a.json && !p.a.quiet {
		fmt.Fprint(p.a.Err, "\r\x1b[K")
	}
	if !p.a.json && !p.a.quiet {
		p.a.line("%s", p.summary())
	}
	if p.first != nil {
		return &Silent{exitCode(p.first)}
	}
	return nil
}
