package task_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// stage stands in for a test where an example runs a type: what goes wrong is printed.
type stage struct {
	testing.TB
	cleanups []func()
}

func (s *stage) Helper()                           {}
func (s *stage) Cleanup(f func())                  { s.cleanups = append(s.cleanups, f) }
func (s *stage) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (s *stage) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// end cleans up what the type has left.
func (s *stage) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// show runs a type once and prints how it ended.
func show(typ task.Type, hcl string, options ...tasktest.Option) *tasktest.Task {
	return perform(typ, hcl, func(*tasktest.Task) {}, options)
}

// showStopped is show for a type that goes on until it is stopped.
func showStopped(typ task.Type, hcl string, options ...tasktest.Option) *tasktest.Task {
	return perform(typ, hcl, func(r *tasktest.Task) {
		r.WaitReady()
		r.Stop(time.Minute)
	}, options)
}

func perform(typ task.Type, hcl string, act func(*tasktest.Task), options []tasktest.Option) *tasktest.Task {
	s := &stage{}
	defer s.end()
	r := tasktest.Run(s, typ, hcl, options...)
	act(r)
	fmt.Println("outcome:", r.Outcome())
	if r.Message() != "" {
		fmt.Println("message:", r.Message())
	}
	if r.Result() != "" {
		fmt.Println("result:", r.Result())
	}
	return r
}
