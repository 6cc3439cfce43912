// Command http is a plugin for what HTTP tasks need most: check looks whether a site is
// well, poll fetches what has changed.
package main

import "github.com/taskhost/taskhost/sdk/task"

func plugin() task.Plugin {
	return task.Plugin{
		Name: "http",
		Doc:  "Checks sites and fetches what has changed, over HTTP.",
		Types: []task.Type{
			task.OpenJob("check", openCheck, task.Doc("one request: status, latency, body and certificate as they should be, or the site is unhealthy")),
			task.OpenJob("poll", openPoll, task.Doc("fetches a document when it has changed since the last run")),
		},
	}
}

func main() { task.Serve(plugin()) }
