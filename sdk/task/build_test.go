package task_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/task"
)

func nop(context.Context, *task.Host, none) error { return nil }

func TestMistakesOfAuthorsAreNamed(t *testing.T) {
	t.Parallel()
	type badConfig struct {
		N int `task:"n" default:"many"`
	}
	open := func(context.Context, *task.Host, none) (*counter, error) { return nil, nil }
	other := func(context.Context, *strings.Builder, struct{}) (struct{}, error) { return struct{}{}, nil }
	for _, c := range []struct {
		name  string
		types []task.Type
		want  string
	}{
		{"no types", nil, "the plugin has no types"},
		{"zero type", []task.Type{{}}, "a type is the zero Type"},
		{"bad name", []task.Type{task.Periodic("Check", nop)}, `type "Check": type "Check": a name has 1 to 63 of a-z`},
		{"twice", []task.Type{task.Periodic("a", nop), task.Loop("a", nop)}, `type "a" is declared twice`},
		{"no function", []task.Type{task.Periodic[none]("a", nil)}, "its function is nil"},
		{"no handler", []task.Type{task.Consumer[none, order]("a", nil)}, "its function is nil"},
		{"no open function of a consumer", []task.Type{task.OpenBatchConsumer[none, *batchLoader]("a", nil)}, "its function is nil"},
		{"a consumer in another mode", []task.Type{task.Consumer("a", func(context.Context, *task.Host, none, *task.Message[int]) error { return nil }, task.Modes(task.ModePeriodic))}, `mode "periodic" does not fit`},
		{"a message that is none", []task.Type{task.Consumer("a", func(context.Context, *task.Host, none, *task.Message[chan int]) error { return nil })}, `type "a": message: `},
		{"no open function", []task.Type{task.OpenLoop[none, *counter]("a", nil)}, "its function is nil"},
		{"bad config", []task.Type{task.Periodic("a", func(context.Context, *task.Host, badConfig) error { return nil })}, `type "a": config: `},
		{"config is no struct", []task.Type{task.Periodic("a", func(context.Context, *task.Host, int) error { return nil })}, `type "a": config: `},
		{"wrong mode", []task.Type{task.Loop("a", nop, task.Modes(task.ModePeriodic))}, `mode "periodic" does not fit this kind of type, which serves ["continuous"]`},
		{"unknown mode", []task.Type{task.Periodic("a", nop, task.Modes("weekly"))}, `mode "weekly" does not fit`},
		{"no mode", []task.Type{task.Periodic("a", nop, task.Modes())}, "Modes names no mode"},
		{"method without object", []task.Type{task.Loop("a", nop, task.Method("add", add))}, `method "add": only a type made by an Open form has an object`},
		{"method of another object", []task.Type{task.OpenLoop("a", open, task.Method("add", other))}, `method "add": it takes a *strings.Builder, but open returns a *task_test.counter`},
		{"method twice", []task.Type{task.OpenLoop("a", open, task.Method("add", add), task.Method("add", add))}, `method "add" is declared twice`},
		{"method without function", []task.Type{task.OpenLoop("a", open, task.Method[*counter, amount, amount]("add", nil))}, `method "add": its function is nil`},
		{"method with a bad name", []task.Type{task.OpenLoop("a", open, task.Method("Add", add))}, `method "Add": a name has`},
		{"output twice", []task.Type{task.Periodic("a", nop, task.Output[order]("o", ""), task.Output[order]("o", ""))}, `output "o" is declared twice`},
		{"output of no message", []task.Type{task.Periodic("a", nop, task.Output[chan int]("o", ""))}, `output "o": `},
		{"input of no message", []task.Type{task.Job("a", func(context.Context, *task.Host, none, chan int) (int, error) { return 0, nil })}, `type "a": input: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := task.Plugin{Name: "p", Types: c.types}.Build()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	_, _, err := task.Plugin{Name: "My Plugin", Types: []task.Type{task.Periodic("a", nop)}}.Build()
	if err == nil || !strings.Contains(err.Error(), `plugin "My Plugin": a name has`) {
		t.Errorf("error %v", err)
	}
}

func TestDescriptionSaysEverything(t *testing.T) {
	t.Parallel()
	open := func(context.Context, *task.Host, none) (*counter, error) { return nil, nil }
	countable := func(context.Context, interface{ Close() error }, struct{}) (int, error) { return 0, nil }
	d, _, err := task.Plugin{Name: "p", Version: "1.2", Doc: "does", Types: []task.Type{
		task.Periodic("a", nop, task.Doc("one"), task.Modes(task.ModeOnDemand), task.Output[order]("o", "out")),
		task.OpenLoop("b", open, task.Method("add", add, "adds"), task.Method("count", countable)),
		task.Job("c", func(context.Context, *task.Host, greetConfig, amount) (amount, error) { return amount{}, nil }),
	}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "head", strings.Join([]string{d.Plugin, d.Version, d.Doc}, "|"), "p|1.2|does")
	equal(t, "protocol", d.Protocol, 1)
	type summary struct {
		Name, Doc, Modes, Methods, Outputs string
		Loop, Input, Result, Validates     bool
	}
	var got []summary
	for _, typ := range d.Types {
		s := summary{Name: typ.Name, Doc: typ.Doc, Modes: strings.Join(typ.Modes, " "), Loop: typ.Loop,
			Input: typ.Input != nil, Result: typ.Result != nil, Validates: typ.Validates}
		for _, m := range typ.Methods {
			s.Methods += m.Name + "(" + m.Doc + ") "
		}
		for _, o := range typ.Outputs {
			s.Outputs += o.Name + "(" + o.Doc + ") "
		}
		if typ.Schema != typ.Config.Hash() || typ.Schema == "" {
			t.Errorf("schema hash of %s: %q", typ.Name, typ.Schema)
		}
		got = append(got, s)
	}
	want := []summary{
		{Name: "a", Doc: "one", Modes: "on_demand", Outputs: "o(out) "},
		{Name: "b", Modes: "continuous", Loop: true, Methods: "add(adds) count() "},
		{Name: "c", Modes: "periodic on_demand", Input: true, Result: true, Validates: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// greetConfig has cross-field checks on its pointer.
type greetConfig struct {
	Name  string   `task:"name"`
	Again string   `task:"again,optional"`
	List  []string `task:"list,optional"`
}

func (c *greetConfig) Validate() []task.Problem {
	var problems []task.Problem
	switch c.Name {
	case c.Again:
		problems = append(problems, task.Wrong("again", "must differ from name"))
	case "boom":
		panic("in the check")
	case "old":
		problems = append(problems, task.Problem{Summary: "old is old", Warning: true})
	case "second":
		problems = append(problems, task.Wrong("list[1]", "is wrong"))
	}
	return problems
}
