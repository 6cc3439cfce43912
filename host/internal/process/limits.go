package process

import (
	"strconv"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// What enforces a limit.
const (
	byCgroup = "cgroup"
	byRlimit = "rlimit"
)

// wanted lists the limits that are set, none of them enforced yet.
func wanted(l task.Limits) (all []task.AppliedLimit) {
	add := func(set bool, name, value string) {
		if set {
			all = append(all, task.AppliedLimit{Name: name, Value: value})
		}
	}
	add(l.Memory > 0, "memory", schema.FormatBytes(l.Memory))
	add(l.CPU > 0, "cpu", strconv.FormatFloat(l.CPU, 'g', -1, 64))
	add(l.PIDs > 0, "pids", strconv.Itoa(l.PIDs))
	add(l.Files > 0, "files", strconv.Itoa(l.Files))
	return all
}

// enforce tells what holds each limit of a process that has just been started: the cgroup that it was born into, or a
// limit of the process itself, which is set before anything of its author's runs. What nothing holds has the reason.
func enforce(pid int, l task.Limits, group *cgroup) []task.AppliedLimit {
	all := wanted(l)
	for i := range all {
		one := &all[i]
		switch one.Name {
		case "files":
			one.By, one.Error = byRlimitOr(limitFiles(pid, l.Files))
		case "memory":
			if one.By, one.Error = group.holds(one.Name); one.By == "" {
				one.By, one.Error = byRlimitOr(limitData(pid, l.Memory))
			}
		default:
			one.By, one.Error = group.holds(one.Name)
		}
	}
	return all
}

func byRlimitOr(err error) (by, why string) {
	if err != nil {
		return "", err.Error()
	}
	return byRlimit, ""
}

// unenforced lists those that nothing holds.
func unenforced(all []task.AppliedLimit) (names []string) {
	for _, l := range all {
		if l.By == "" {
			names = append(names, l.Name)
		}
	}
	return names
}

// heldByData reports whether a limit of the process itself holds its memory.
func heldByData(all []task.AppliedLimit) bool {
	for _, l := range all {
		if l.Name == "memory" {
			return l.By == byRlimit
		}
	}
	return false
}
