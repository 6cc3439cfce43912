// Command hostile is a plugin whose every text is markup that would do harm if a page took it for such: the tests of
// the page run it.
package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

const markup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

type config struct {
	Fail bool `task:"fail,optional" doc:"every run fails"`
}

func main() {
	task.Serve(task.Plugin{Name: "hostile", Version: "1.0.0", Types: []task.Type{
		task.Continuous("live", live),
		task.Job("work", work),
		task.Job("order", place, task.Doc(markup)),
		task.Periodic("slow", slow),
		task.Continuous("deaf", deaf),
		task.Consumer("handle", handle, task.Output[parcel]("out", "nothing yet")),
	}})
}

// say puts the markup everywhere that a page may show.
func say(h *task.Host) {
	h.Publish("value", markup)
	h.Publish(markup, 1)
	h.Progress(1, 3, markup)
	h.Log().Warn(markup, "field", markup)
}

func live(_ context.Context, h *task.Host, _ config) error {
	h.Ready(markup)
	say(h)
	<-h.Stopping()
	return nil
}

// input is what a run is told.
type input struct {
	Text  string `json:"text,omitempty"`
	For   string `json:"for,omitempty"`   // how long it works
	Lines int    `json:"lines,omitempty"` // to its log, every tenth a warning
}

func work(ctx context.Context, h *task.Host, c config, in input) (map[string]string, error) {
	say(h)
	talk(h, in.Lines)
	if d, err := time.ParseDuration(in.For); err == nil {
		if err := h.Wait(ctx, d); err != nil {
			return nil, err
		}
	}
	if c.Fail {
		return nil, errors.New(strings.Repeat(markup, 2))
	}
	return map[string]string{"text": markup, "heard": in.Text}, nil
}
