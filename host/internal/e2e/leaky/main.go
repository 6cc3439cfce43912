// Command leaky is a plugin that tells its secrets in every way that there is. The whole-program tests look
// for them in everything that a host gives out.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config holds secrets, and says by which way a run tells them.
type Config struct {
	Token task.Secret `task:"token" doc:"a secret"`
	How   string      `task:"how" doc:"the way"`
}

// Tale is what a run hands over.
type Tale struct {
	Text string `json:"text"`
}

func main() {
	task.Serve(task.Plugin{Name: "leaky", Version: "1.0.0", Types: []task.Type{
		task.Job("tell", tell, task.Doc("tells its secrets"), task.Output[Tale]("out", "the tale")),
	}})
}

func tell(ctx context.Context, h *task.Host, c Config, _ struct{}) (Tale, error) {
	text := fmt.Sprintf("it is %s, and of the environment %s", c.Token.Reveal(), os.Getenv("FROM_TASK"))
	switch c.How {
	case "log":
		h.Log().Warn(text, "field", text, c.Token.Reveal(), "a key")
		fmt.Fprintln(os.Stderr, text)
		fmt.Println(text)
		h.Progress(1, 2, text)
	case "error":
		return Tale{}, errors.New(text)
	case "permanent":
		return Tale{}, task.Permanent(errors.New(text))
	case "unhealthy":
		return Tale{}, task.Unhealthy(text)
	case "skip":
		return Tale{}, task.Skip(text)
	case "panic":
		panic(text)
	case "crash":
		ended := make(chan struct{})
		go func() { panic(text) }()
		<-ended
	case "config": // with all that it was given
		ended := make(chan struct{})
		go func() { panic(fmt.Sprintf("%#v %q", c, c.Token.Reveal())) }()
		<-ended
	case "data":
		if err := h.Publish("told", text); err != nil {
			return Tale{}, err
		}
		return Tale{text}, h.Commit(ctx, task.Save("told", text), task.Emit("out", Tale{text}))
	}
	return Tale{}, nil
}
