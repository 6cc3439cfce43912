// Command actor is a well-behaved plugin whose runs do what their input or their config says: the
// whole-program tests of scheduling, supervision and verbs direct it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config says what every run does.
type Config struct {
	Work    time.Duration `task:"work,optional" default:"0s" doc:"how long a run works"`
	Until   string        `task:"until,optional" default:"cancel" doc:"which stage of a stop ends the work early: drain, cancel, kill"`
	Fail    string        `task:"fail,optional" doc:"how an attempt ends: error, permanent, retry, unhealthy, skip, panic"`
	Fails   int           `task:"fails,optional" default:"1000000" doc:"only so many attempts of a run fail"`
	Extend  time.Duration `task:"extend,optional" default:"0s" doc:"more time that a run asks for"`
	Cursor  bool          `task:"cursor,optional" doc:"the run saves values of its own"`
	Say     string        `task:"say,optional" doc:"line of each run in the log"`
	Journal string        `task:"journal,optional" doc:"file that gets a line at the beginning and the end of each run"`
	Ready   bool          `task:"ready,optional" default:"true" doc:"a continuous run becomes ready"`
	Beat    time.Duration `task:"beat,optional" default:"0s" doc:"a continuous run gives a sign of life so often"`
}

// Input directs one run; what it leaves out is as config says.
type Input struct {
	Work string `json:"work,omitempty"`
	Fail string `json:"fail,omitempty"`
	Text string `json:"text,omitempty"`
}

// Result is what a run has seen.
type Result struct {
	Text     string    `json:"text,omitempty"`
	Trigger  string    `json:"trigger"`
	Slot     time.Time `json:"slot"`
	Previous time.Time `json:"previous"`
	Attempt  int       `json:"attempt"`
	PID      int       `json:"pid"`
	Born     time.Time `json:"born"` // when the process began
	Entered  time.Time `json:"entered"`
	Resumed  bool      `json:"resumed"`
}

var born = time.Now()

func main() {
	task.Serve(task.Plugin{Name: "actor", Version: "1.2.3", Types: []task.Type{
		task.Job("work", work, task.Doc("works as it is told")),
		task.OpenContinuous("live", open, task.Doc("lives as it is told"),
			task.Method("echo", echo, "says what it hears"),
			task.Method("slow", slow, "answers when the caller has lost patience"),
		),
		task.Consumer("handle", handle, task.Doc("does what its messages say"), task.Output[Parcel]("out", "what was handled")),
		task.BatchConsumer("gather", gather, task.Doc("notes which messages come together")),
	}})
}

func work(ctx context.Context, h *task.Host, c Config, in Input) (Result, error) {
	info := h.Info()
	r := Result{Text: in.Text, Trigger: info.Trigger, Slot: info.Slot, Previous: info.PreviousSlot, Attempt: info.Attempt, PID: os.Getpid(), Born: born, Entered: time.Now()}
	if err := journal(c.Journal, "begin", info.Task, info.Run, r.PID); err != nil {
		return r, err
	}
	defer journal(c.Journal, "end", info.Task, info.Run, r.PID)
	_, resumed, err := task.LoadRun[int](ctx, h, "cursor")
	if err != nil {
		return r, err
	}
	if r.Resumed = resumed; resumed {
		return r, nil
	}
	if c.Cursor {
		if err := h.Commit(ctx, task.SaveRun("cursor", 1)); err != nil {
			return r, err
		}
	}
	if c.Say != "" {
		h.Log().Info(c.Say)
	}
	h.Progress(1, 2, "half way")
	if c.Extend > 0 {
		if err := h.Publish("extended", h.Extend(c.Extend)); err != nil {
			return r, err
		}
	}
	d := c.Work
	if in.Work != "" {
		if d, err = time.ParseDuration(in.Work); err != nil {
			return r, task.Permanent(err)
		}
	}
	if err := spend(ctx, h, d, c.Until); err != nil {
		return r, err
	}
	if in.Fail != "" {
		c.Fail = in.Fail
	}
	if info.Attempt > c.Fails {
		return r, nil
	}
	return r, fail(c.Fail)
}

// spend works for d, or until the given stage of a stop ends it.
func spend(ctx context.Context, h *task.Host, d time.Duration, until string) error {
	over := time.After(d)
	drain, cancel := h.Stopping(), ctx.Done()
	if until != "drain" {
		drain = nil
	}
	if until == "kill" {
		cancel = nil
	}
	select {
	case <-over:
		return nil
	case <-drain:
		return task.Interrupted("drained half way")
	case <-cancel:
		return context.Cause(ctx)
	}
}

func fail(how string) error {
	err := errors.New("told to fail")
	switch how {
	case "":
		return nil
	case "permanent":
		return task.Permanent(err)
	case "retry":
		return task.RetryAfter(50*time.Millisecond, err)
	case "unhealthy":
		return task.Unhealthy("told to be unwell")
	case "skip":
		return task.Skip("told to skip")
	case "panic":
		panic("told to panic")
	}
	return err
}

// life is the object of a continuous task.
type life struct{ config Config }

func open(_ context.Context, _ *task.Host, c Config) (*life, error) { return &life{c}, nil }

func (l *life) Run(ctx context.Context, h *task.Host) error {
	c, info := l.config, h.Info()
	if err := journal(c.Journal, "begin", info.Task, info.Run, os.Getpid()); err != nil {
		return err
	}
	defer journal(c.Journal, "end", info.Task, info.Run, os.Getpid())
	if c.Ready {
		h.Ready("at work")
	}
	if c.Beat > 0 {
		go beat(ctx, h, c.Beat)
	}
	if c.Work > 0 || c.Fail != "" {
		if err := spend(ctx, h, c.Work, c.Until); err != nil {
			return err
		}
		return fail(c.Fail)
	}
	switch c.Until {
	case "drain":
		<-h.Stopping()
		return nil
	case "kill":
		select {}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func beat(ctx context.Context, h *task.Host, every time.Duration) {
	for h.Wait(ctx, every) == nil {
		h.Beat("alive")
	}
}

func echo(_ context.Context, _ *life, in Input) (Input, error) { return in, fail(in.Fail) }

func slow(ctx context.Context, _ *life, _ struct{}) (struct{}, error) {
	<-ctx.Done()
	return struct{}{}, context.Cause(ctx)
}

// journal appends a line to the file, "" is none.
func journal(file, what, name, run string, pid int) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, what, name, run, pid)
	return err
}
