package task_test

import (
	"context"
	"testing"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	ofCaller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ofAuthor = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
)

func TestAMessageIsPutIntoTheTraceOfItsContext(t *testing.T) {
	t.Parallel()
	if got := task.TraceParent(t.Context()); got != "" {
		t.Errorf("a context without a trace is in %q", got)
	}
	caller := task.WithTraceParent(t.Context(), ofCaller)
	author := task.WithTraceParent(caller, ofAuthor)
	for ctx, want := range map[context.Context]string{t.Context(): "", caller: ofCaller, author: ofAuthor, task.WithTraceParent(author, ""): ofAuthor, task.WithTraceParent(author, "00-\xff"): ofAuthor} {
		var e taskv1.Emit
		task.InTrace(ctx)(&e)
		if e.GetTraceparent() != want {
			t.Errorf("the message is in %q, want %q", e.GetTraceparent(), want)
		}
	}
}
