package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/internal/configfile"
	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// once is what `PLUGIN run` was asked to do.
type once struct {
	typ     *session.Type
	mode    string
	config  []byte
	input   json.RawMessage
	timeout time.Duration
	pause   time.Duration
	level   string
	feed    *feed // of a type that handles messages
}

// onceReport is what `PLUGIN run` prints when the run has ended.
type onceReport struct {
	Outcome    string                     `json:"outcome"`
	Message    string                     `json:"message,omitempty"`
	Result     json.RawMessage            `json:"result,omitempty"`
	State      map[string]json.RawMessage `json:"state,omitempty"`
	Checkpoint map[string]json.RawMessage `json:"checkpoint,omitempty"`
	Messages   []onceMessage              `json:"messages,omitempty"`
}

type onceMessage struct {
	Output string          `json:"output"`
	ID     string          `json:"id,omitempty"`
	Key    string          `json:"key,omitempty"`
	Value  json.RawMessage `json:"value"`
}

// runOnce runs one type in this process, with its log on the terminal.
func (c *command) runOnce(args []string) int {
	q, ok := c.parseOnce(args)
	if !ok {
		return exitUsage
	}
	if q.config == nil {
		return exitFailed // load has said why
	}
	report, err := c.drive(q)
	if err != nil {
		return c.fail(fmt.Errorf("cannot run type %q: %w", q.typ.Description.Name, err))
	}
	if q.feed != nil {
		return q.feed.summary(report)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return c.fail(fmt.Errorf("cannot print the report: %w", err))
	}
	fmt.Fprintf(c.out, "%s\n", text)
	return codeOf(report.Outcome)
}

// codeOf is the exit code of a run that ended so.
func codeOf(outcome string) int {
	switch outcome {
	case "succeeded", "skipped", "interrupted":
		return exitOK
	}
	return exitFailed
}

func (c *command) parseOnce(args []string) (q once, ok bool) {
	f := c.flags("run")
	f.Bool("once", true, "run it once and exit; there is no other way without a host")
	file := f.String("c", "", "`file` with the content of a task's config block")
	typ := f.String("type", "", "task `type`; may be left out when there is one")
	input := f.String("input", "", "the input of a job, as `JSON`")
	timeout := f.String("timeout", "", "cancel the run, or each call of a handler, after this `duration`")
	pause := f.String("pause", "", "`duration` between the steps of a loop")
	concurrency := f.Int("concurrency", 1, "handlers at work at a `time`, of a type that handles messages")
	batch := f.Int("batch", 100, "most `messages` of one call, of a type that takes several at once")
	level := f.String("level", "info", "log `level`: trace, debug, info, warn or error")
	if !c.parse(f, args) {
		return q, false
	}
	if q.typ, ok = c.pick(*typ); !ok {
		return q, false
	}
	usage := func(err error) (once, bool) {
		fmt.Fprintf(c.err, "run: %v\n", err)
		return q, false
	}
	var err error
	if q.timeout, err = optionalDuration(*timeout); err != nil {
		return usage(fmt.Errorf("-timeout: %w", err))
	}
	if q.pause, err = optionalDuration(*pause); err != nil {
		return usage(fmt.Errorf("-pause: %w", err))
	}
	if *input != "" {
		if q.typ.Description.Input == nil {
			return usage(fmt.Errorf("-input: type %q takes no input", q.typ.Description.Name))
		}
		if problems := q.typ.Description.Input.Check(json.RawMessage(*input)); len(problems) > 0 {
			texts := make([]string, len(problems))
			for i, p := range problems {
				texts[i] = p.String()
			}
			return usage(fmt.Errorf("-input: %s", strings.Join(texts, "; ")))
		}
		q.input = json.RawMessage(*input)
	}
	if q.typ.Description.Message != nil {
		if q.feed, err = c.newFeed(q.typ, *concurrency, *batch); err != nil {
			return usage(err)
		}
	}
	q.level, q.mode = *level, q.typ.Description.Modes[0]
	if *file == "" {
		return usage(errors.New("name a file with -c"))
	}
	config := configfile.Load(q.typ.Description.Config, q.typ.Problems, *file, c.environment)
	config.Print(c.err)
	q.config = config.Msgpack
	return q, true
}

func optionalDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return schema.ParseDuration(text)
}

// drive is the run itself: a first signal drains it, a second cancels it, a third ends the process as any other.
func (c *command) drive(q once) (onceReport, error) {
	server, err := session.New(c.description, c.types, session.Log{Output: c.err, Text: true})
	if err != nil {
		return onceReport{}, err
	}
	memory, err := solo.Serve(server)
	if err != nil {
		return onceReport{}, err
	}
	defer memory.Close()
	ctx := context.Background()
	name, store := q.typ.Description.Name, &solo.Store{}
	store.Wire()
	config := solo.Config{Task: name, Type: name, Mode: q.mode, Config: q.config, LogLevel: q.level, Pause: q.pause}
	start := &taskv1.RunStart{Run: "once", Attempt: 1, Trigger: "manual", Slot: time.Now().UnixNano(), Input: q.input}
	var fed <-chan struct{}
	if q.feed != nil {
		store.OnEmit(q.feed.print)
		config.Queue, fed = q.feed.queue, q.feed.done
		start.Consume = q.feed.consume(q.timeout)
	}
	host, err := solo.Open(ctx, memory.Conn, store, config)
	if err != nil {
		return onceReport{}, err
	}
	// Not before: nothing can be drained while it opens, so a signal just ends it.
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	var timeout <-chan time.Time
	if q.timeout > 0 && q.feed == nil {
		timer := time.NewTimer(q.timeout)
		defer timer.Stop()
		timeout = timer.C
		start.Deadline = time.Now().Add(q.timeout).UnixNano()
	}
	_, ended, err := host.Start(start)
	if err != nil {
		return onceReport{}, err
	}
	if q.feed != nil {
		go q.feed.run()
	}
	var stop solo.Stop
	for stops := 0; ; {
		select {
		case <-fed:
			fed = nil
			stop.Ask(solo.Stopped)
			err = host.Stop(ctx, start.Run, 0, "all messages are handled")
		case r := <-ended:
			signal.Stop(interrupts) // a Close that hangs is ended by one
			return closeOnce(ctx, host, store, r.GetResult(), stop.Judge(r, q.mode == string(ModeContinuous)))
		case <-host.Done():
			return onceReport{}, host.Err()
		case <-timeout:
			stop.Ask(solo.TimedOut)
			err = host.Cancel(ctx, start.Run, taskv1.Cause_CAUSE_TIMEOUT, 0)
		case <-interrupts:
			if stops++; stops == 1 {
				fmt.Fprintln(c.err, "draining; once more to cancel")
				timeout = nil // what bounds it now is the patience of who waits
				stop.Ask(solo.Stopped)
				err = host.Stop(ctx, start.Run, 0, "signal")
			} else {
				signal.Stop(interrupts)
				fmt.Fprintln(c.err, "cancelling; once more to end it here and now")
				stop.Ask(solo.Cancelled)
				err = host.Cancel(ctx, start.Run, taskv1.Cause_CAUSE_CANCELLED, 0)
			}
		}
		if err != nil {
			return onceReport{}, err
		}
	}
}

// closeOnce closes the instance and collects what it left.
func closeOnce(ctx context.Context, host *solo.Host, store *solo.Store, result []byte, v solo.Verdict) (onceReport, error) {
	if err := host.Stop(ctx, "", 0, "the run has ended"); err != nil {
		return onceReport{}, err
	}
	<-host.Done()
	report := onceReport{
		Outcome: v.Outcome, Message: v.Message, Result: result,
		State: host.State(), Checkpoint: store.Checkpoint(),
	}
	for _, m := range store.Messages() {
		report.Messages = append(report.Messages, onceMessage{m.Output, m.ID, m.Key, m.Value})
	}
	return report, nil
}
