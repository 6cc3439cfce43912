// Command broken is a plugin that is declared wrongly.
package main

import (
	"context"

	"github.com/taskhost/taskhost/sdk/task"
)

type config struct {
	Every int `task:"every,sometimes"`
}

func main() {
	task.Serve(task.Plugin{Name: "broken", Types: []task.Type{
		task.Periodic("Run", func(context.Context, *task.Host, config) error { return nil }),
	}})
}
