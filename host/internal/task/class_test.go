package task_test

import (
	"reflect"
	"testing"

	"github.com/taskhost/taskhost/host/internal/task"
)

// leaves are the fields of a struct and of the structs in it, by their paths.
func leaves(t reflect.Type, prefix string) []string {
	var all []string
	for f := range t.Fields() {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			all = append(all, leaves(inner, prefix+f.Name+".")...)
		} else {
			all = append(all, prefix+f.Name)
		}
	}
	return all
}

func TestEveryFieldHasAClass(t *testing.T) {
	t.Parallel()
	for _, table := range []struct {
		name string
		rows []task.Attribute
		of   any
	}{
		{"Attributes", task.Attributes, task.Definition{}},
		{"GroupAttributes", task.GroupAttributes, task.Group{}},
		{"QueueAttributes", task.QueueAttributes, task.Queue{}},
	} {
		known := map[string]bool{}
		for _, a := range table.rows {
			if a.Field == "" {
				continue
			}
			if known[a.Field] {
				t.Errorf("task.%s has the field %s twice", table.name, a.Field)
			}
			known[a.Field] = true
		}
		fields := leaves(reflect.TypeOf(table.of), "")
		for _, f := range fields {
			if !known[f] {
				t.Errorf("%T.%s has no class: add a row to task.%s in task/class.go", table.of, f, table.name)
			}
			delete(known, f)
		}
		for f := range known {
			t.Errorf("task.%s has a row for %s, and %T no such field", table.name, f, table.of)
		}
		if len(fields) < 4 {
			t.Errorf("only %d fields of %T were found", len(fields), table.of)
		}
	}
}

// other is a value that differs from the one in v.
func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), v.Len()+1, v.Len()+1))
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		m.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
		v.Set(m)
	default:
		t.Fatalf("no other value for a %s", v.Type())
	}
}

func TestAChangeOfAnyFieldIsSeen(t *testing.T) {
	t.Parallel()
	for _, path := range leaves(reflect.TypeFor[task.Definition](), "") {
		old, now := task.Definition{Consume: &task.Consume{}}, task.Definition{Consume: &task.Consume{}}
		other(t, task.FieldOf(reflect.ValueOf(&now).Elem(), path))
		changed := task.ChangedAttributes(&old, &now)
		if len(changed) != 1 || changed[0].Field != path {
			t.Errorf("%s: %+v", path, changed)
		}
	}
}

func TestAnEmptyListIsNoChange(t *testing.T) {
	t.Parallel()
	old, now := task.Definition{}, task.Definition{Groups: []string{}, Env: map[string]string{}}
	if changed := task.ChangedAttributes(&old, &now); changed != nil {
		t.Errorf("%+v", changed)
	}
}

func TestANewBinaryTakesItsConfigAlong(t *testing.T) {
	t.Parallel()
	old := task.Definition{Mode: task.Periodic, Config: task.Config{SchemaHash: "a", Digest: "1", Msgpack: []byte{1}}}
	now := task.Definition{Mode: task.Periodic, Config: task.Config{SchemaHash: "b", Digest: "2", Msgpack: []byte{1, 0}}}
	for _, a := range task.ChangedAttributes(&old, &now) {
		if a.Class != task.ClassNextRun {
			t.Errorf("%s of a periodic task: %s", a.Field, a.Class)
		}
	}
	old.Mode, now.Mode = task.Continuous, task.Continuous
	for _, a := range task.ChangedAttributes(&old, &now) {
		if a.Class != task.ClassRestart {
			t.Errorf("%s of a continuous task: %s", a.Field, a.Class)
		}
	}
}
