package session

import (
	"context"
	"runtime/pprof"

	"github.com/taskhost/taskhost/sdk/wire"
)

// labelled calls author code of an instance that shares its process, with the name of the
// instance on the goroutine and on all that it starts: a crash of the process prints the labels
// of the goroutine that brought it down, and so says whose it was.
func labelled(instance string) func(func() error) error {
	labels := pprof.Labels(wire.TaskLabel, instance)
	return func(author func() error) (err error) {
		pprof.Do(context.Background(), labels, func(context.Context) { err = guard(author) })
		return err
	}
}
