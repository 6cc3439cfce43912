// Command http is a plugin for what HTTP tasks need most: check looks whether a site is
// well, poll fetches what has changed; fetch and forward are the stages of a pipeline.
package main

import "github.com/taskhost/taskhost/sdk/task"

func plugin() task.Plugin {
	return task.Plugin{
		Name: "http",
		Doc:  "Checks sites, fetches what has changed, and moves messages, over HTTP.",
		Types: []task.Type{
			task.OpenJob("check", openCheck, task.Doc("one request: status, latency, body and certificate as they should be, or the site is unhealthy")),
			task.OpenJob("poll", openPoll, task.Doc("fetches a document when it has changed since the last run")),
			task.OpenConsumer("fetch", openFetch, task.Doc("fetches the address in each message and sends the page on"),
				task.Output[Page]("pages", "one per address that was fetched")),
			task.OpenConsumer("forward", openForward, task.Doc("hands each message to an endpoint")),
		},
	}
}

func main() { task.Serve(plugin()) }
