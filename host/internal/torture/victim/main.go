// Command victim is the plugin that gets killed in the torture tests: its types do what plugins do and write down each
// step in a journal. Nobody else has a use for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
	"github.com/taskhost/taskhost/sdk/task"
)

// Config is that of all types.
type Config struct {
	Journal string        `task:"journal" doc:"directory of the journals"`
	Marks   string        `task:"marks" doc:"socket that hears of moments at which a kill is interesting"`
	Work    time.Duration `task:"work,optional" default:"0s" doc:"how long a run works at most"`
}

func main() {
	out := task.Output[journal.Value]("out", "what was made")
	task.Serve(task.Plugin{Name: "victim", Version: "1", Doc: "Writes down what it does.", Types: []task.Type{
		task.OpenPeriodic("slots", open(func(v victim) *slots { return &slots{v} }), task.Doc("works for a while")),
		task.OpenPeriodic("produce", open(func(v victim) *produce { return &produce{v} }), task.Doc("counts, and sends each number"), out),
		task.OpenPeriodic("resume", open(func(v victim) *resume { return &resume{v} }), task.Doc("goes on where it was"), out),
		task.OpenConsumer("relay", open(func(v victim) *relay { return &relay{v} }), task.Doc("makes a message of each message"), out),
		task.OpenConsumer("sink", open(func(v victim) *sink { return &sink{v} }), task.Doc("takes messages")),
	}})
}

// victim is what all types have: a journal, and somebody who listens.
type victim struct {
	*journal.Writer
	marks  *marks
	config Config
}

// open makes the open function of a type.
func open[S any](make func(victim) S) func(context.Context, *task.Host, Config) (S, error) {
	return func(_ context.Context, h *task.Host, c Config) (s S, err error) {
		w, err := journal.Create(c.Journal, h.Info().Task)
		if err != nil {
			return s, err
		}
		return make(victim{w, listen(c.Marks, h.Info().Task), c}), nil
	}
}

// enter writes down that a run was entered; the function that it returns, that it returns.
func (v victim) enter(i task.Info) (leave func(*error), err error) {
	e := journal.Entry{Kind: journal.Enter, Run: i.Run, Attempt: i.Attempt}
	if !i.Slot.IsZero() {
		e.Slot = i.Slot.UnixNano()
	}
	if err := v.Write(e); err != nil {
		return nil, err
	}
	v.marks.send(journal.Enter)
	return func(err *error) {
		*err = errors.Join(*err, v.Write(journal.Entry{Kind: journal.Leave, Run: i.Run, Attempt: i.Attempt}))
		v.marks.send(journal.Leave)
	}, nil
}

// commit writes a commit of a cursor and messages down before it and after it.
func (v victim) commit(ctx context.Context, h *task.Host, e journal.Entry, ops ...task.Op) error {
	e.Kind, e.Run = journal.Begin, h.Info().Run
	if err := v.Write(e); err != nil {
		return err
	}
	v.marks.send(journal.Begin)
	if err := h.Commit(ctx, ops...); err != nil {
		return err
	}
	e.Kind = journal.Commit
	err := v.Write(e)
	v.marks.send(journal.Commit)
	return err
}

// slots works for a while, whatever happens, as long as it may.
type slots struct{ victim }

func (s *slots) Run(ctx context.Context, h *task.Host) (err error) {
	leave, err := s.enter(h.Info())
	if err != nil {
		return err
	}
	defer leave(&err)
	over := time.NewTimer(rand.N(s.config.Work + 1))
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// produce counts in its checkpoint, and sends each number in the commit that counts it.
type produce struct{ victim }

func (p *produce) Run(ctx context.Context, h *task.Host) (err error) {
	leave, err := p.enter(h.Info())
	if err != nil {
		return err
	}
	defer leave(&err)
	name, since := h.Info().Task, journal.Now()
	n, _, err := task.Load[int64](ctx, h, "cursor")
	if err != nil {
		return err
	}
	if err := p.Write(journal.Entry{Kind: journal.Load, Run: h.Info().Run, Scope: name, Cursor: n, Since: since}); err != nil {
		return err
	}
	var names []string
	var ops []task.Op
	for last := n + 1 + n%4; n < last; n++ {
		v := journal.NewValue(fmt.Sprintf("%s/%d", name, n+1))
		v.Via = via()
		names, ops = append(names, v.Name), append(ops, task.Emit("out", v))
	}
	return p.commit(ctx, h, journal.Entry{Scope: name, Cursor: n, Names: names}, append(ops, task.Save("cursor", n))...)
}

// resume does the steps of a run one by one, and goes on after the last one that it has saved.
type resume struct{ victim }

// steps is how many a run has.
const steps = 8

func (r *resume) Run(ctx context.Context, h *task.Host) (err error) {
	run, since := h.Info().Run, journal.Now()
	leave, err := r.enter(h.Info())
	if err != nil {
		return err
	}
	defer leave(&err)
	at, _, err := task.LoadRun[int64](ctx, h, "step")
	if err != nil {
		return err
	}
	if err := r.Write(journal.Entry{Kind: journal.Load, Run: run, Scope: run, Cursor: at, Since: since}); err != nil {
		return err
	}
	if named(at) {
		// Once more, on purpose; but not saved once more, since what follows a save is new.
		v := r.value(h, at)
		if err := r.commit(ctx, h, journal.Entry{Names: []string{v.Name}}, task.Emit("out", v, task.ID(v.Name))); err != nil {
			return err
		}
	}
	for at++; at <= steps; at++ {
		if err := r.step(ctx, h, at); err != nil {
			return err
		}
		if err := h.Wait(ctx, r.config.Work/steps); err != nil {
			return err
		}
	}
	return nil
}

// named says of every second step that its message has an id of the author's, so that it may be repeated at any time.
func named(at int64) bool { return at > 0 && at%2 == 0 }

// step sends one message, which must stay one however often the step is repeated.
func (r *resume) step(ctx context.Context, h *task.Host, at int64) error {
	v, saved := r.value(h, at), journal.Entry{Scope: h.Info().Run, Cursor: at}
	if named(at) {
		saved.Names = []string{v.Name}
		return r.commit(ctx, h, saved, task.Emit("out", v, task.ID(v.Name)), task.SaveRun("step", at))
	}
	// Its id follows from what is sent, until something is saved.
	if err := r.commit(ctx, h, journal.Entry{Names: []string{v.Name}}, task.Emit("out", v)); err != nil {
		return err
	}
	return r.commit(ctx, h, saved, task.SaveRun("step", at))
}

// value is what a step sends, whenever it is done.
func (r *resume) value(h *task.Host, at int64) journal.Value {
	return journal.NewValue(fmt.Sprintf("%s/%s/%d", h.Info().Task, h.Info().Run, at))
}

var made atomic.Int64

// via is a text that no other message has.
func via() string { return fmt.Sprintf("%d-%d-%d", os.Getpid(), journal.Now(), made.Add(1)) }

// share is a number below n that goes with the text.
func share(text string, n uint32) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32() % n
}
