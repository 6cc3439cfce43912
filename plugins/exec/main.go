// Command exec is a plugin that runs programs: a command per slot or per request, or
// a daemon that is kept going. It turns drain and cancel into signals for the command's
// whole tree, exit codes into outcomes, and output into log lines.
package main

import "github.com/taskhost/taskhost/sdk/task"

func plugin() task.Plugin {
	return task.Plugin{
		Name: "exec",
		Doc:  "Runs a program: its output is the log, its exit code the outcome.",
		Types: []task.Type{
			task.OpenJob("command", open,
				task.Doc("runs a command; continuous, it is a daemon that is kept going"),
				task.CallsReady(),
				task.Modes(task.ModePeriodic, task.ModeOnDemand, task.ModeContinuous)),
		},
	}
}

func main() { task.Serve(plugin()) }
