// Command exec is a plugin that runs programs: a command per slot or per request, a
// daemon that is kept going, or a command per message. It turns drain and cancel into signals for the command's
// whole tree, exit codes into outcomes, and output into log lines, and hears what the command says of itself.
package main

import "github.com/taskhost/taskhost/sdk/task"

const outputsDoc = "where taskhost notify emit sends, by the name that the task gives it"

func plugin() task.Plugin {
	return task.Plugin{
		Name: "exec",
		Doc:  "Runs a program: its output is the log, its exit code the outcome.",
		Types: []task.Type{
			task.OpenJob("command", open,
				task.Doc("runs a command; continuous, it is a daemon that is kept going"),
				task.CallsReady(),
				task.AnyOutput(outputsDoc),
				task.Modes(task.ModePeriodic, task.ModeOnDemand, task.ModeContinuous)),
			task.OpenConsumer("handle", openSingle,
				task.Doc("runs a command for each message, which is on its standard input; its exit code says what becomes of it"),
				task.AnyOutput(outputsDoc)),
			task.OpenBatchConsumer("handle_batch", openSeveral,
				task.Doc("runs a command for several messages, each a line of JSON on its standard input; its exit code says what becomes of them"),
				task.AnyOutput(outputsDoc)),
		},
	}
}

// socketBase is where the sockets of commands are made; "" is among temporary files.
var socketBase = ownDirectory()

func main() { task.Serve(plugin()) }
