package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

// console tells on the host's log what the tasks do: a line for every run that did not end well and for
// every change of state that somebody should know. Runs that end well are many with short periods: a
// task gets a line for them at most every calm, which counts those before it.
type console struct {
	host *host
	log  hclog.Logger
	done sync.WaitGroup
	well map[ending]*wellEnded
	told map[string]standing // by task
}

// ending is a way to end well.
type ending struct {
	task    string
	outcome task.Outcome
}

// wellEnded is what the console last said of a task's runs that ended so.
type wellEnded struct {
	said   time.Time
	unsaid int
}

// standing is a state that a task has come to. An event is told with the state of now, which several
// events may have led to.
type standing struct {
	state task.State
	since time.Time
}

const calm = 10 * time.Second

func (h *host) startConsole() *console {
	c := &console{host: h, log: h.log, well: map[ending]*wellEnded{}, told: map[string]standing{}}
	all := h.log.IsDebug()
	wanted := func(e task.Event) bool {
		return e.Topic == "run" && e.Kind != "progress" && (all || e.Kind != "started") || e.Topic == "task"
	}
	c.done.Go(func() {
		for {
			reader := h.feed.Subscribe(wanted, 4096)
			err := c.follow(reader)
			reader.Close()
			if !errors.Is(err, feed.ErrLagged) {
				c.tellRest()
				return
			}
			c.log.Warn("the log fell behind; some events have no line")
		}
	})
	return c
}

// close ends the feed and returns when all that it brought has been told.
func (c *console) close() {
	c.host.feed.Close()
	c.done.Wait()
}

func (c *console) follow(r *feed.Reader) error {
	for {
		e, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		c.tell(e)
	}
}

func (c *console) tell(e task.Event) {
	switch e.Topic + "." + e.Kind {
	case "run.ended":
		c.ended(e)
	case "run.started":
		c.log.Debug("run started", "task", e.Task, "run", e.Run)
	case "task.state":
		c.state(e)
	case "task.failed", "task.survivors", "run.stuck", "run.silent", "run.retry":
		c.log.Warn(e.Kind, "task", e.Task, "run", e.Run, "why", e.Text)
	default:
		c.log.Debug(e.Topic+" "+e.Kind, "task", e.Task, "run", e.Run, "text", e.Text)
	}
}

// state tells the states that last: a task that goes between idle and running says so by its runs.
func (c *console) state(e task.Event) {
	status, ok := c.host.store.Status(e.Task)
	now := standing{status.State, status.Since}
	if !ok || c.told[e.Task] == now {
		return
	}
	c.told[e.Task] = now
	say := c.log.Info
	switch status.State {
	case task.FailedState, task.CrashLoop:
		say = c.log.Warn
	case task.Stopped, task.CompletedState, task.Backoff:
	case task.Running:
		if d, ok := c.host.fleet.Definition(e.Task); !ok || d.Mode != task.Continuous {
			return
		}
	default:
		return
	}
	facts := []any{"task", e.Task, "state", string(status.State)}
	if status.Reason != nil {
		facts = append(facts, "why", status.Reason.Text)
	}
	if status.State == task.Running {
		facts = append(facts, "pid", pidOf(status))
	}
	say("task", facts...)
}

func pidOf(s task.Status) int {
	for _, p := range s.Processes {
		if p.Run != "" {
			return p.PID
		}
	}
	return 0
}

// ended looks up only those runs that get a line: a thousand good ends a second are a thousand questions to the disk.
func (c *console) ended(e task.Event) {
	outcome, before := task.Outcome(e.Text), 0
	if !outcome.Failure() {
		var due bool
		if before, due = c.due(ending{e.Task, outcome}, e.At); !due {
			return
		}
	}
	run, ok, err := c.host.store.Run(context.Background(), e.Run)
	if err != nil || !ok {
		return
	}
	facts := factsOf(&run)
	say := c.log.Info
	if outcome.Failure() {
		say = c.log.Warn
		if run.Error != nil {
			facts = append(facts, "error", run.Error.Message)
		}
	}
	if before > 0 {
		facts = append(facts, "before", before)
	}
	say(string(outcome), facts...)
}

// factsOf is what a line says of every run that has ended.
func factsOf(run *task.Run) []any {
	facts := []any{"task", run.Task, "run", run.ID}
	if !run.Slot.IsZero() {
		facts = append(facts, "slot", run.Slot.Local().Format("15:04:05"))
	}
	if !run.Started.IsZero() {
		facts = append(facts, "took", short(run.Ended.Sub(run.Started)))
	}
	if len(run.Attempts) > 1 {
		facts = append(facts, "attempts", len(run.Attempts))
	}
	if run.Note != "" {
		facts = append(facts, "note", run.Note)
	}
	return facts
}

// due reports whether a good end gets a line, and how many before it got none.
func (c *console) due(e ending, now time.Time) (before int, due bool) {
	w := c.well[e]
	if w == nil {
		w = &wellEnded{}
		c.well[e] = w
	}
	if now.Sub(w.said) < calm {
		w.unsaid++
		return 0, false
	}
	before, w.said, w.unsaid = w.unsaid, now, 0
	return before, true
}

// tellRest counts the good ends that got no line.
func (c *console) tellRest() {
	ends := slices.SortedFunc(maps.Keys(c.well), func(a, b ending) int {
		return cmp.Or(cmp.Compare(a.task, b.task), cmp.Compare(a.outcome, b.outcome))
	})
	for _, e := range ends {
		if n := c.well[e].unsaid; n > 0 {
			c.log.Info(string(e.outcome), "task", e.task, "more", n)
		}
	}
}

// short rounds a duration to what a person wants to read.
func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
