package imports

import "strings"

// noDefault are attributes that cannot stand in a defaults block, or would not be read there.
func noDefault(path string) bool {
	switch path {
	case "description", "instances", "depends_on", "periodic.cron", "periodic.every", "periodic.after", "periodic.offset":
		return true
	}
	return strings.HasPrefix(path, "config.")
}

// factor takes out of the tasks what most of them have in common. The values that it returns
// go into the defaults block; a task that has one of them need not say so.
func factor(tasks []*Task) *Task {
	common := &Task{values: map[string]Value{}}
	for _, path := range allPaths(tasks) {
		if noDefault(path) {
			continue
		}
		if v, ok := usual(tasks, path); ok {
			common.Set(path, v)
		}
	}
	return common
}

// allPaths are the attributes of all tasks, in the order in which they were first set.
func allPaths(tasks []*Task) []string {
	var all []string
	seen := map[string]bool{}
	for _, t := range tasks {
		for _, p := range t.paths {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	return all
}

// usual is the value that more than half of the tasks have which a default would reach. When one of
// those has no value, there is none: the default would change it.
func usual(tasks []*Task, path string) (Value, bool) {
	counts := map[Value]int{}
	total := 0
	for _, t := range tasks {
		if !reaches(path, t) {
			continue
		}
		v, ok := t.values[path]
		if !ok {
			return "", false
		}
		counts[v]++
		total++
	}
	for v, n := range counts {
		if n >= 2 && 2*n > total {
			return v, true
		}
	}
	return "", false
}

// reaches reports whether a default of this path has a meaning for the task.
func reaches(path string, t *Task) bool {
	switch {
	case path == "periodic.time_zone":
		return t.values["periodic.cron"] != ""
	case strings.HasPrefix(path, "periodic.catch_up."):
		return t.Mode == Periodic && t.values["periodic.after"] == ""
	case strings.HasPrefix(path, "periodic."):
		return t.Mode == Periodic
	case strings.HasPrefix(path, "continuous."):
		return t.Mode == Continuous
	}
	return true
}
