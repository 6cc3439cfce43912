package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Option adds something to a type.
type Option func(*definition)

// Doc says in a sentence or two what tasks of the type do.
func Doc(text string) Option {
	return func(d *definition) { d.doc = text }
}

// Modes says which modes a type serves. Without it, [Periodic] and [Job] serve periodic
// and on_demand, [Continuous] and [Loop] serve continuous, their Open forms likewise.
// A [Periodic] or [Job], open or not, may serve continuous as well: its run then goes on until
// [Host.Stopping] is closed or its context ends, and Info().Mode tells it so.
func Modes(modes ...Mode) Option {
	return func(d *definition) { d.modes = modes }
}

// CallsReady says that the type calls [Host.Ready] once it can do its work. A continuous task of it is
// not ready before that; without this option it is ready as soon as it is open. Tasks
// that depend on it being ready wait so long.
func CallsReady() Option {
	return func(d *definition) { d.ready = true }
}

// method and output are options before they are checked.
type method struct {
	name, doc     string
	object        reflect.Type
	input, result reflect.Type
	call          session.MethodFunc
}

type output struct {
	name, doc string
	message   reflect.Type
}

// Method declares a request to the live object of an Open form, answered over
// HTTP: JSON in, JSON out. S is the type that open returns, or an interface that
// it implements. call runs beside the run and beside other calls, never delays
// them, and is given a context that ends with the caller's deadline or when the
// task closes. Use struct{} for no input or no result. doc explains it to people.
func Method[S, In, Out any](name string, call func(ctx context.Context, object S, in In) (Out, error), doc ...string) Option {
	m := method{
		name: name, object: reflect.TypeFor[S](),
		input: reflect.TypeFor[In](), result: reflect.TypeFor[Out](),
	}
	if len(doc) > 0 {
		m.doc = doc[0]
	}
	if call != nil {
		m.call = func(ctx context.Context, object any, input []byte) ([]byte, error) {
			return exchange(input, func(in In) (Out, error) { return call(ctx, object.(S), in) })
		}
	}
	return func(d *definition) { d.methods = append(d.methods, m) }
}

// Output declares a named stream of messages of type M. HCL wires it to a queue,
// so that the plugin never knows a queue's name; [Emit] names the output. While
// an output is not wired, a commit that emits to it fails.
func Output[M any](name, doc string) Option {
	return func(d *definition) {
		d.outputs = append(d.outputs, output{name: name, doc: doc, message: reflect.TypeFor[M]()})
	}
}

// AnyOutput declares that a type may emit to any output that HCL wires, by the name that it has there, with messages
// that are any JSON: for types whose author does not know what is emitted, as one that runs commands.
func AnyOutput(doc string) Option { return Output[json.RawMessage](wire.AnyOutput, doc) }

func (d *definition) describeOutputs(w *wire.Type) error {
	var errs []error
	seen := make(map[string]bool)
	for _, o := range d.outputs {
		message, err := schema.ValueOfType(o.message)
		if err != nil {
			err = fmt.Errorf("output %q: %w", o.name, err)
		}
		errs = append(errs, err)
		if o.name != wire.AnyOutput {
			errs = append(errs, checkName("output", o.name))
		}
		if seen[o.name] {
			errs = append(errs, fmt.Errorf("output %q is declared twice", o.name))
		}
		seen[o.name] = true
		w.Outputs = append(w.Outputs, wire.Output{Name: o.name, Doc: o.doc, Message: message})
	}
	return errors.Join(errs...)
}

func (d *definition) describeMethods(w *wire.Type) (map[string]session.MethodFunc, error) {
	var errs []error
	methods := make(map[string]session.MethodFunc, len(d.methods))
	for _, m := range d.methods {
		errs = append(errs, checkName("method", m.name), d.checkMethod(m))
		if methods[m.name] != nil {
			errs = append(errs, fmt.Errorf("method %q is declared twice", m.name))
		}
		methods[m.name] = m.call
		in, err := schema.ValueOfType(m.input)
		if err != nil {
			errs = append(errs, fmt.Errorf("method %q: input: %w", m.name, err))
		}
		out, err := schema.ValueOfType(m.result)
		if err != nil {
			errs = append(errs, fmt.Errorf("method %q: result: %w", m.name, err))
		}
		w.Methods = append(w.Methods, wire.Method{Name: m.name, Doc: m.doc, Input: in, Result: out})
	}
	return methods, errors.Join(errs...)
}

func (d *definition) checkMethod(m method) error {
	switch {
	case m.call == nil:
		return fmt.Errorf("method %q: its function is nil", m.name)
	case d.object == nil:
		return fmt.Errorf("method %q: only a type made by an Open form has an object that can answer", m.name)
	case !d.object.AssignableTo(m.object):
		return fmt.Errorf("method %q: it takes a %s, but open returns a %s", m.name, m.object, d.object)
	}
	return nil
}
