package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Type is one task type of a plugin, made by [Periodic], [Job], [Continuous],
// [Loop], [Consumer], [BatchConsumer] or one of their Open forms.
type Type struct{ *definition }

// definition is a type as its author declared it.
type definition struct {
	name    string
	doc     string
	modes   []Mode
	allowed []Mode // what Modes may choose from
	loop    bool
	ready   bool // it calls Ready
	config  reflect.Type
	object  reflect.Type // what open returns; nil without an Open form
	input   reflect.Type // of a job
	result  reflect.Type
	message reflect.Type // of a consumer
	batch   bool         // it takes several at once
	methods []method
	outputs []output

	decode func(b schema.Body, data []byte) (any, []Problem, error)
	open   func(ctx context.Context, h *Host, config any) (any, error)
	run    func(ctx context.Context, h *Host, object any, input []byte) ([]byte, error)
	handle func(ctx context.Context, w *session.Work, object any) error // of a consumer, in place of run
}

// Mode is when a task of a type runs.
type Mode string

// The modes, as HCL has them: exactly one of these blocks stands in a task.
const (
	ModePeriodic   Mode = "periodic"
	ModeContinuous Mode = "continuous"
	ModeOnDemand   Mode = "on_demand"
)

// everyMode is what a plain run can serve: it gets to know from Info().Mode whether it
// is to return when its work is done or only when the task stops.
var everyMode = []Mode{ModePeriodic, ModeContinuous, ModeOnDemand}

// Periodic declares a type whose run does one piece of work and returns: for every
// slot of a schedule, or when somebody asks. C is the config struct.
//
// A run that gets to know that the task is stopping may finish its work and
// return nil, or stop in the middle and return [Interrupted] or [ErrStopping].
func Periodic[C any](name string, run func(ctx context.Context, h *Host, config C) error, options ...Option) Type {
	d := define[C](name, []Mode{ModePeriodic, ModeOnDemand})
	d.allowed = everyMode
	d.run = func(ctx context.Context, h *Host, object any, _ []byte) ([]byte, error) {
		return nil, run(ctx, h, object.(C))
	}
	return d.with(options, run == nil)
}

// Job declares a type like [Periodic] that takes a typed input and gives a typed
// result. Both travel as JSON, so their structs use json tags; a run that nobody
// gave an input (a slot's) gets the zero In.
//
// A result that is returned beside [Interrupted], [Skip] or [Unhealthy] is kept. One
// that encodes as null is no result.
func Job[C, In, Out any](name string, run func(ctx context.Context, h *Host, config C, in In) (Out, error), options ...Option) Type {
	d := define[C](name, []Mode{ModePeriodic, ModeOnDemand})
	d.allowed = everyMode
	d.input, d.result = reflect.TypeFor[In](), reflect.TypeFor[Out]()
	d.run = func(ctx context.Context, h *Host, object any, input []byte) ([]byte, error) {
		return orNone(exchange(input, func(in In) (Out, error) { return run(ctx, h, object.(C), in) }))
	}
	return d.with(options, run == nil)
}

// Continuous declares a type whose run goes on until [Host.Stopping] is closed or
// its context ends. The task's restart policy says what a return before that means.
func Continuous[C any](name string, run func(ctx context.Context, h *Host, config C) error, options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	d.run = func(ctx context.Context, h *Host, object any, _ []byte) ([]byte, error) {
		return nil, run(ctx, h, object.(C))
	}
	return d.with(options, run == nil)
}

// Loop declares a continuous type that does one step again and again, with the
// pause between two steps that HCL says (`continuous { pause = "1s" }`, default
// none). It gives its signs of life by itself, ends after the step in which the
// task began to stop, and fails with the first error of a step.
func Loop[C any](name string, step func(ctx context.Context, h *Host, config C) error, options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	d.loop = true
	d.run = func(ctx context.Context, h *Host, object any, _ []byte) ([]byte, error) {
		c := object.(C)
		return nil, loop(ctx, h, func() error { return step(ctx, h, c) })
	}
	return d.with(options, step == nil)
}

// Runner is what [OpenPeriodic] and [OpenContinuous] open.
type Runner interface {
	Run(ctx context.Context, h *Host) error
}

// JobRunner is what [OpenJob] opens.
type JobRunner[In, Out any] interface {
	Run(ctx context.Context, h *Host, in In) (Out, error)
}

// Stepper is what [OpenLoop] opens.
type Stepper interface {
	Step(ctx context.Context, h *Host) error
}

// OpenPeriodic is [Periodic] for a type that holds something open: a connection, a
// cache, a client. open is called once per process and task, before the first
// run, and fails the start of the process with its error; with [Permanent] the
// task fails and is not started again. An object that is an io.Closer is closed
// after the last run and the last method.
//
// One run is going at a time. Methods (see [Method]) are called beside it and
// beside each other: the object guards what they share.
func OpenPeriodic[C any, S Runner](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	return opened[C, S](name, []Mode{ModePeriodic, ModeOnDemand}, everyMode, open, options)
}

// OpenContinuous is [Continuous] for a type that holds something open; see [OpenPeriodic].
func OpenContinuous[C any, S Runner](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	return opened[C, S](name, []Mode{ModeContinuous}, []Mode{ModeContinuous}, open, options)
}

// opened defines a type whose object runs without input.
func opened[C any, S Runner](name string, modes, allowed []Mode, open func(context.Context, *Host, C) (S, error), options []Option) Type {
	d := define[C](name, modes)
	d.allowed = allowed
	openWith(d, open)
	d.run = func(ctx context.Context, h *Host, object any, _ []byte) ([]byte, error) {
		return nil, object.(S).Run(ctx, h)
	}
	return d.with(options, open == nil)
}

// OpenJob is [Job] for a type that holds something open; see [OpenPeriodic].
func OpenJob[C any, S JobRunner[In, Out], In, Out any](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	d := define[C](name, []Mode{ModePeriodic, ModeOnDemand})
	d.allowed = everyMode
	d.input, d.result = reflect.TypeFor[In](), reflect.TypeFor[Out]()
	openWith(d, open)
	d.run = func(ctx context.Context, h *Host, object any, input []byte) ([]byte, error) {
		return orNone(exchange(input, func(in In) (Out, error) { return object.(S).Run(ctx, h, in) }))
	}
	return d.with(options, open == nil)
}

// OpenLoop is [Loop] for a type that holds something open; see [OpenPeriodic]. A
// step that is at work delays no method, nor a method the step.
func OpenLoop[C any, S Stepper](name string, open func(ctx context.Context, h *Host, config C) (S, error), options ...Option) Type {
	d := define[C](name, []Mode{ModeContinuous})
	d.loop = true
	openWith(d, open)
	d.run = func(ctx context.Context, h *Host, object any, _ []byte) ([]byte, error) {
		s := object.(S)
		return nil, loop(ctx, h, func() error { return s.Step(ctx, h) })
	}
	return d.with(options, open == nil)
}

// define begins a definition whose object is its config.
func define[C any](name string, modes []Mode) *definition {
	return &definition{
		name: name, modes: modes, allowed: modes,
		config: reflect.TypeFor[C](),
		decode: decodeConfig[C],
		open:   func(_ context.Context, _ *Host, config any) (any, error) { return config, nil },
	}
}

// openWith replaces the config by what open makes of it.
func openWith[C, S any](d *definition, open func(context.Context, *Host, C) (S, error)) {
	d.object = reflect.TypeFor[S]()
	d.open = func(ctx context.Context, h *Host, config any) (any, error) {
		return open(ctx, h, config.(C))
	}
}

func (d *definition) with(options []Option, missing bool) Type {
	if missing {
		d.run = nil
	}
	for _, o := range options {
		o(d)
	}
	return Type{d}
}

// decodeConfig reads a config and runs its cross-field checks.
func decodeConfig[C any](b schema.Body, data []byte) (any, []Problem, error) {
	c := new(C)
	if err := schema.Unmarshal(b, data, c); err != nil {
		if at, ok := errors.AsType[*schema.PathError](err); ok {
			return nil, []Problem{{Path: at.Path, Summary: at.Err.Error()}}, nil
		}
		return nil, nil, err
	}
	if v, ok := any(c).(validator); ok {
		return *c, v.Validate(), nil
	}
	return *c, nil, nil
}

// exchange wraps a typed call in JSON.
func exchange[In, Out any](input []byte, call func(In) (Out, error)) ([]byte, error) {
	var in In
	if len(input) > 0 {
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, Permanent(fmt.Errorf("decode input: %w", err))
		}
	}
	out, err := call(in)
	if reflect.TypeFor[Out]() == reflect.TypeFor[struct{}]() {
		return nil, err
	}
	text, encodeErr := json.Marshal(out)
	if encodeErr != nil && err == nil {
		return nil, Permanent(fmt.Errorf("encode result: %w", encodeErr))
	}
	return text, err
}

// orNone drops a result that says nothing.
func orNone(result []byte, err error) ([]byte, error) {
	if string(result) == "null" {
		return nil, err
	}
	return result, err
}

// loopBeat is how often a loop gives a sign of life.
const loopBeat = 2 * time.Second

// loop calls step until the task stops, ctx ends or a step fails.
func loop(ctx context.Context, h *Host, step func() error) error {
	var last time.Time
	beat := func() {
		if now := time.Now(); now.Sub(last) >= loopBeat {
			last = now
			h.Beat("")
		}
	}
	for {
		beat()
		if err := step(); err != nil {
			return err
		}
		// A long pause is waited for in parts, for a loop that waits is alive.
		for left := h.handle.Pause(); ; left -= loopBeat {
			err := h.Wait(ctx, min(left, loopBeat))
			if err == ErrStopping {
				return nil
			}
			if err != nil {
				return err
			}
			if left <= loopBeat {
				break
			}
			beat()
		}
	}
}

// build checks the definition and makes what serves it.
func (d *definition) build() (session.Type, error) {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(checkName("type", d.name))
	if d.run == nil && d.handle == nil {
		note(errors.New("its function is nil"))
	}
	w := wire.Type{Name: d.name, Doc: d.doc, Loop: d.loop, Ready: d.ready, Batch: d.batch}
	for _, m := range d.modes {
		if !slices.Contains(d.allowed, m) {
			note(fmt.Errorf("mode %q does not fit this kind of type, which serves %q", m, d.allowed))
		}
		w.Modes = append(w.Modes, string(m))
	}
	if len(d.modes) == 0 {
		note(errors.New("Modes names no mode"))
	}
	body, err := schema.OfType(d.config)
	if err != nil {
		note(fmt.Errorf("config: %w", err))
	}
	w.Config, w.Schema = body, body.Hash()
	w.Validates = reflect.PointerTo(d.config).Implements(reflect.TypeFor[validator]())
	note(valueInto(&w.Input, "input", d.input))
	note(valueInto(&w.Result, "result", d.result))
	note(valueInto(&w.Message, "message", d.message))
	note(d.describeOutputs(&w))
	methods, err := d.describeMethods(&w)
	note(err)
	if len(errs) > 0 {
		return session.Type{}, errors.Join(errs...)
	}
	return session.Type{
		Description: w,
		Decode:      func(data []byte) (any, []schema.Problem, error) { return d.decode(body, data) },
		Open: func(ctx context.Context, h *session.Handle, config any) (any, error) {
			return d.open(ctx, &Host{handle: h}, config)
		},
		Run: func(ctx context.Context, h *session.Handle, object any, input []byte) ([]byte, error) {
			return d.run(ctx, &Host{handle: h}, object, input)
		},
		Handle:  d.handle,
		Methods: methods,
	}, nil
}

func valueInto(to **schema.Value, what string, t reflect.Type) error {
	if t == nil {
		return nil
	}
	v, err := schema.ValueOfType(t)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	*to = &v
	return nil
}
