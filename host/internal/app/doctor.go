package app

import (
	"context"
	"fmt"

	"github.com/taskhost/taskhost/host/internal/doctor"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Finding is what an examination found out about one thing.
type Finding = doctor.Finding

// Examine looks at a configuration and at the machine that it would run on. It starts nothing and changes nothing.
func Examine(ctx context.Context, s Source) ([]Finding, error) {
	l, err := Validate(ctx, s)
	if err != nil {
		return nil, err
	}
	found := []Finding{examined(l)}
	h := l.Config.Host
	m := doctor.Machine{DataDir: h.DataDir, PluginDir: h.PluginDir, Cgroup: h.Cgroup, Processes: mostProcesses(l.Config.Tasks), Accounts: accounts(l.Config.Tasks)}
	return append(found, doctor.Examine(ctx, m)...), ctx.Err()
}

// examined is the configuration's own part.
func examined(l Loaded) Finding {
	f := Finding{Check: "configuration", Level: doctor.OK, Detail: fmt.Sprintf("valid, %d tasks", len(l.Config.Tasks))}
	switch n := len(l.Diagnostics()); {
	case l.Failed():
		f.Level, f.Detail, f.Remedy = doctor.Fail, "it has errors", "taskhost validate shows them with their places"
	case n > 0:
		f.Level, f.Detail, f.Remedy = doctor.Warn, f.Detail+fmt.Sprintf("; warnings: %d", n), "taskhost validate shows them with their places"
	}
	return f
}

// accounts are what the tasks run as that name a user or a group.
func accounts(tasks []task.Definition) []doctor.Account {
	var all []doctor.Account
	for _, d := range tasks {
		if d.User != "" || d.Group != "" {
			all = append(all, doctor.Account{Task: d.Name, User: d.User, Group: d.Group})
		}
	}
	return all
}

// mostProcesses is how many plugin processes tasks may have at a time.
func mostProcesses(tasks []task.Definition) int {
	n := 0
	for _, d := range tasks {
		n += max(d.Schedule.MaxParallel, 1)
	}
	return n
}
