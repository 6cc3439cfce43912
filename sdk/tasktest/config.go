package tasktest

import (
	"context"
	"os"
	"testing"

	"github.com/taskhost/taskhost/sdk/internal/configfile"
	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/task"
)

// Config decodes HCL, the content of a task's config block, into a config struct the
// way a plugin does: defaults, checks of the schema, then the struct's own
// Validate. The error names every problem with its place in the text, a line each.
// A struct that no schema can describe fails the test.
func Config[C any](t testing.TB, hcl string) (C, error) {
	t.Helper()
	var zero C
	typ := buildOne(t, task.Periodic("config", func(context.Context, *task.Host, C) error { return nil }))
	parsed := parse(typ, hcl, nil)
	if err := parsed.Err(); err != nil {
		return zero, err
	}
	value, _, err := typ.Decode(parsed.Msgpack)
	if err != nil {
		return zero, err
	}
	return value.(C), nil
}

// buildOne reflects a single type, as Serve does.
func buildOne(t testing.TB, typ task.Type) *session.Type {
	t.Helper()
	_, types, err := task.Plugin{Name: "test", Types: []task.Type{typ}}.Build()
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	return &types[0]
}

func parse(typ *session.Type, hcl string, env map[string]string) configfile.Config {
	return configfile.Parse(typ.Description.Config, typ.Problems, "config.hcl", []byte(hcl), lookup(env))
}

// lookup finds a variable in env, then in the environment of the test.
func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env[name]; ok {
			return v, true
		}
		return os.LookupEnv(name)
	}
}
