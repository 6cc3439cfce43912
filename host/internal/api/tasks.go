package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// definition is the task that the route names.
func (a *API) definition(r *request) (task.Definition, error) {
	return a.definitionOf(r, r.PathValue("task"))
}

// codeTaskGone is the code of the refusal of a task that only its history is left of.
const codeTaskGone = "task_gone"

// remembered is the name of the task that the route names, also of one that only its history is left of.
func (a *API) remembered(r *request) (string, error) {
	d, err := a.definition(r)
	if gone, ok := errors.AsType[*refusal](err); ok && gone.code == codeTaskGone {
		return gone.task, nil
	}
	return d.Name, err
}

func (a *API) definitionOf(r *request, name string) (task.Definition, error) {
	if d, ok := a.Fleet.Definition(name); ok {
		return d, nil
	}
	none, isBlock := a.noTask(r, name)
	if isBlock || !task.ValidTask(name) {
		return task.Definition{}, none
	}
	left, err := a.Library.Runs(r.Context(), task.RunQuery{Tasks: []string{name}, Limit: 1})
	if err != nil {
		return task.Definition{}, fmt.Errorf("look for runs of %q: %w", name, err)
	}
	if len(left.Items) > 0 {
		return task.Definition{}, refuse(codeTaskGone, "task %q is no longer in the configuration", name).
			with("GET /v1/tasks/%s/runs and taskhost runs list %s show the runs that it left", name, name).of(name, "")
	}
	return task.Definition{}, none
}

// noTask is the refusal of a name that no task has, and whether it is that of a block.
func (a *API) noTask(r *request, name string) (none *refusal, isBlock bool) {
	var names, instances []string
	for _, d := range a.definitions(r) {
		names = append(names, d.Name)
		if d.Block == name {
			instances = append(instances, d.Name)
		}
	}
	const list = "taskhost status lists the tasks"
	switch {
	case len(instances) > 0:
		return refuse(task.CodeTaskUnknown, "%q is a block with %d tasks", name, len(instances)).
			with("name one, such as %q; an action with name=%s.* commands all", instances[0], name).of(name, ""), true
	case !task.ValidTask(name):
		return unknown(task.CodeTaskUnknown, "task", short(name), list, names), false
	}
	return unknown(task.CodeTaskUnknown, "task", name, list, names).of(name, ""), false
}

// status is the task's snapshot; of a task that has none yet, one that says so.
func (a *API) status(name string) task.Status {
	if s, ok := a.Library.Status(name); ok {
		return s
	}
	return task.Status{Task: name, State: task.Starting, Health: task.Health{OK: true}}
}

// view is the task as callers see it.
func (a *API) view(r *request, d task.Definition, s task.Status) (admin.Task, error) {
	published, err := a.Library.State(r.Context(), d.Name)
	if err != nil {
		return admin.Task{}, fmt.Errorf("read the state of %q: %w", d.Name, err)
	}
	t := taskOf(d, s, published, a.Now())
	if a.Usage != nil {
		for i, p := range s.Processes {
			t.Processes[i].Usage = usageOf(a.Usage.Of(p))
		}
	}
	return t, nil
}

// A selection says which tasks are meant; zero fields mean all.
type selection struct {
	states   []task.State
	labels   map[string]string
	plugin   string
	name     string // a glob
	degraded bool
}

func (s selection) matches(d task.Definition, st task.Status) bool {
	if len(s.states) > 0 && !slices.Contains(s.states, st.State) {
		return false
	}
	if s.plugin != "" && d.Plugin != s.plugin || s.degraded && st.Health.OK {
		return false
	}
	if s.name != "" {
		if ok, _ := path.Match(s.name, d.Name); !ok {
			return false
		}
	}
	for k, v := range s.labels {
		if has, ok := d.Labels[k]; !ok || has != v { // a task without the label has none that is empty
			return false
		}
	}
	return true
}

// checkGlob refuses a pattern that could never match.
func checkGlob(code, pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return refuse(code, "name %q is no pattern", pattern).with("write a name, or * ? [a-z] for a part of it: check.*")
	}
	return nil
}

// labelsOf are the labels of the parameters label.KEY=VALUE.
func labelsOf(r *request) map[string]string {
	labels := map[string]string{}
	for key := range r.q {
		if label, ok := strings.CutPrefix(key, "label."); ok {
			labels[label] = r.q.Get(key)
		}
	}
	return labels
}

// listTasks answers from memory as long as nothing changes, to callers who may see all tasks.
func (a *API) listTasks(r *request) (any, error) {
	version, known := a.listVersion()
	if !known || !r.who.Scope.All() {
		return a.makeList(r)
	}
	query := r.URL.RawQuery
	if data, ok := a.lists.get(version, query, a.Now()); ok {
		return data, nil
	}
	made, err := a.makeList(r)
	if err != nil {
		return nil, err
	}
	data, err := encode(made)
	if err != nil {
		return nil, fmt.Errorf("encode the tasks: %w", err)
	}
	one := list{data: data}
	if slices.ContainsFunc(made.Items, func(t admin.Task) bool { return len(t.Running) > 0 }) {
		one.until = a.Now().Add(liveTime)
	}
	a.lists.put(version, query, one)
	return one.data, nil
}

func (a *API) makeList(r *request) (made admin.List[admin.Task], err error) {
	limit, err := r.limit(100)
	if err != nil {
		return made, err
	}
	sel := selection{plugin: r.q.Get("plugin"), name: r.q.Get("name"), labels: labelsOf(r)}
	if sel.states, err = choices(r, "state", task.States); err != nil {
		return made, err
	}
	if sel.degraded, err = r.flag("degraded"); err != nil {
		return made, err
	}
	if err := checkGlob("query_invalid", sel.name); err != nil {
		return made, err
	}
	after, err := base64.RawURLEncoding.DecodeString(r.q.Get("cursor"))
	if err != nil || len(after) > 0 && !task.ValidTask(string(after)) {
		return made, refuse("query_invalid", "the cursor does not belong to this list").with("leave it out to read from the beginning")
	}
	items, next := []admin.Task{}, ""
	for _, d := range a.definitions(r) {
		s := a.status(d.Name)
		if d.Name <= string(after) || !sel.matches(d, s) {
			continue
		}
		if len(items) == limit {
			next = base64.RawURLEncoding.EncodeToString([]byte(items[limit-1].Name))
			break
		}
		t, err := a.view(r, d, s)
		if err != nil {
			return made, err
		}
		items = append(items, t)
	}
	return paged(items, next), nil
}

// untilReady is the one word besides the states that a task can be waited for.
const untilReady = "ready"

func (a *API) getTask(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	reached := true
	if until := r.q.Get("until"); until != "" || wait > 0 {
		if until == "" {
			return nil, refuse("query_invalid", "wait says how long, not for what").with("add until=idle, or another state, or until=ready")
		}
		if _, err := choice("query_invalid", "until", until, append(slices.Clone(task.States), untilReady)); err != nil {
			return nil, err
		}
		reached, err = a.await(r.Context(), d.Name, wait, func() bool {
			s := a.status(d.Name)
			return until == untilReady && s.Ready || string(s.State) == until
		})
		if err != nil {
			return nil, err
		}
	}
	t, err := a.view(r, d, a.status(d.Name))
	if err != nil {
		return nil, err
	}
	t.Config = d.Config.Redacted
	return finished(reached, r.URL.Path, t), nil
}

func (a *API) getState(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	published, err := a.Library.State(r.Context(), d.Name)
	if err != nil {
		return nil, fmt.Errorf("read the state of %q: %w", d.Name, err)
	}
	out := admin.State{Task: d.Name, Values: map[string]admin.Value{}}
	for k, v := range published {
		out.Values[k] = admin.Value{Value: v.Value, At: admin.At(v.At)}
	}
	return out, nil
}
