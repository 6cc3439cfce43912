package main

import (
	"context"
	"net/http"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

type Config struct {
	URL     string        `task:"url" doc:"page to fetch"`
	Timeout time.Duration `task:"timeout,optional" default:"10s"`
	Token   task.Secret   `task:"token,optional"`
}

func check(ctx context.Context, h *task.Host, c Config) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return task.Permanent(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return h.Publish("status", resp.StatusCode)
}

func main() {
	task.Serve(task.Plugin{Name: "httpcheck", Types: []task.Type{task.Periodic("check", check)}})
}
