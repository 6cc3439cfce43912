package task_test

import (
	"context"
	"testing"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// none is a config without attributes.
type none struct{}

// periodic is a type whose run is f.
func periodic(f func(ctx context.Context, h *task.Host) error, options ...task.Option) task.Type {
	return task.Periodic("run", func(ctx context.Context, h *task.Host, _ none) error { return f(ctx, h) }, options...)
}

// inBubble runs a parallel subtest under virtual time.
func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		tasktest.Test(t, f)
	})
}

// equal reports a difference of one thing.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %#v, want %#v", what, got, want)
	}
}
