// Command files is a plugin that keeps folders in order: prune deletes files that are
// too old, too many or too large together.
package main

import "github.com/taskhost/taskhost/sdk/task"

func plugin() task.Plugin {
	return task.Plugin{
		Name: "files",
		Doc:  "Keeps folders in order.",
		Types: []task.Type{
			task.Job("prune", prune, task.Doc("deletes files that are too old, too many or too large together")),
		},
	}
}

func main() { task.Serve(plugin()) }
