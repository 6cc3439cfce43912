package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/explain"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// UnknownTask says that a configuration does not declare a task.
type UnknownTask struct {
	Name   string
	Remedy string
}

func (u *UnknownTask) Error() string {
	return fmt.Sprintf("the configuration declares no task %q; %s", u.Name, u.Remedy)
}

// Explain says in words what a task of a configuration will do. It fails with an *UnknownTask for one that is not declared.
func Explain(ctx context.Context, s Source, name string, now time.Time) (explain.Explanation, Loaded, error) {
	s.explain = name
	l, err := Validate(ctx, s)
	if err != nil || l.Failed() {
		return explain.Explanation{}, l, err
	}
	i := slices.IndexFunc(l.Config.Tasks, func(d task.Definition) bool { return d.Name == name })
	if i < 0 {
		return explain.Explanation{}, l, unknownTask(l.Config.Tasks, name)
	}
	return explain.Of(l.Config.Tasks[i], l.Config.Origins, now), l, nil
}

func unknownTask(all []task.Definition, name string) *UnknownTask {
	var names, instances []string
	for _, d := range all {
		names = append(names, d.Name)
		if d.Block == name {
			instances = append(instances, d.Name)
		}
	}
	u := &UnknownTask{Name: name, Remedy: "taskhost validate counts them"}
	if near, ok := schema.Nearest(name, names); ok {
		u.Remedy = fmt.Sprintf("did you mean %q?", near)
	}
	if len(instances) > 0 {
		const most = 5
		shown := strings.Join(instances[:min(len(instances), most)], ", ")
		if len(instances) > most {
			shown += ", …"
		}
		u.Remedy = "it is a block with instances, name one of them: " + shown
	}
	return u
}
