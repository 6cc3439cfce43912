package main

import (
	"context"

	"github.com/taskhost/taskhost/sdk/task"
)

// order is an input of every kind that a form can ask for, and one that it cannot.
type order struct {
	Item  string   `json:"item" min:"2" doc:"<b>what</b> it is"`
	Size  string   `json:"size" oneof:"small large"`
	Count int      `json:"count" min:"1" max:"9"`
	Gift  bool     `json:"gift,omitempty"`
	Tags  []string `json:"tags,omitempty"`
}

func place(_ context.Context, _ *task.Host, _ config, in order) (order, error) { return in, nil }
