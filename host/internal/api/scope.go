package api

import (
	"fmt"

	"github.com/taskhost/taskhost/host/internal/task"
)

// inScope are the routes that a token with a scope may use beside those with a task, a run or a queue in their
// path: they show and do only what lies in it. What stands neither here nor there is about the whole host.
var inScope = map[string]bool{
	"GET /v1/openapi.json": true, "GET /v1/openapi.yaml": true, "GET /v1/whoami": true,
	"GET /v1/tasks": true, "GET /v1/runs": true, "GET /v1/queues": true, "GET /v1/schedule": true, "GET /v1/groups": true,
	"GET /v1/overrides": true, "GET /v1/host": true, "GET /v1/events": true, "POST /v1/actions": true, "GET /v1/plugins": true, "GET /v1/plugins/{plugin}": true,
}

// within refuses what lies outside the scope of the caller's token, in the words of what is not there.
func (a *API) within(row route, r *request) error {
	if r.who.Scope.All() || r.who.Role == Producer || row.role == Anyone { // a producer's queues are looked at where messages come in
		return nil
	}
	if name := r.PathValue("task"); name != "" {
		return a.withinTask(r, name)
	}
	if id := r.PathValue("run"); id != "" {
		return a.withinRun(r, id)
	}
	if name := r.PathValue("queue"); name != "" {
		if r.who.Scope.Queue(name) {
			return nil
		}
		return outside(a.noQueue(r, name))
	}
	if inScope[row.pattern()] {
		return nil
	}
	return refuse("forbidden", "%s %s is about the whole host; the token %q is for a part of it", row.method, row.path, r.who.Name).
		with("use a token without tasks, labels and queues")
}

func (a *API) withinTask(r *request, name string) error {
	if a.sees(r, name) {
		return nil
	}
	none, _ := a.noTask(r, name)
	return outside(none)
}

func (a *API) withinRun(r *request, id string) error {
	if !task.ValidID(id) {
		return nil // the handler refuses it
	}
	run, ok, err := a.Library.Run(r.Context(), id)
	if err != nil {
		return fmt.Errorf("read run %s: %w", id, err)
	}
	if ok && !a.sees(r, run.Task) {
		return outside(noRun(id))
	}
	return nil
}

// outside marks a refusal as one for want of a right.
func outside(err error) error {
	if r, ok := err.(*refusal); ok {
		r.outside = true
	}
	return err
}

// sees reports whether the task is in the scope of the caller's token.
func (a *API) sees(r *request, name string) bool {
	if r.who.Scope.All() {
		return true
	}
	d, _ := a.Fleet.Definition(name)
	return r.who.Scope.Task(name, d.Labels)
}

// definitions are the tasks that the caller may see, by name.
func (a *API) definitions(r *request) []task.Definition {
	all := a.Fleet.Definitions()
	if r.who.Scope.All() {
		return all
	}
	var seen []task.Definition
	for _, d := range all {
		if r.who.Scope.Task(d.Name, d.Labels) {
			seen = append(seen, d)
		}
	}
	return seen
}

// onlySeen are those of the tasks that the caller may see; never nil.
func (a *API) onlySeen(r *request, names []string) []string {
	seen := []string{}
	for _, name := range names {
		if a.sees(r, name) {
			seen = append(seen, name)
		}
	}
	return seen
}

// seenOf are the tasks whose runs the caller may see: of names, or of all when there are none. It is nil when
// that is every task, and empty when it is none.
func (a *API) seenOf(r *request, names []string) []string {
	if r.who.Scope.All() {
		return names
	}
	if len(names) == 0 {
		for _, d := range a.definitions(r) {
			names = append(names, d.Name)
		}
		names = append(names, r.who.Scope.Tasks...) // also those that only their history is left of
	}
	return a.onlySeen(r, names)
}

// queues are the queues that the caller may see, by name.
func (a *API) queues(r *request) []task.QueueStatus {
	all := a.Queues.Queues()
	if r.who.Scope.All() {
		return all
	}
	var seen []task.QueueStatus
	for _, q := range all {
		if r.who.Scope.Queue(q.Name) {
			seen = append(seen, q)
		}
	}
	return seen
}

// seesEvent reports whether the caller may see the event: with a scope, when it is of a task in it.
func (a *API) seesEvent(r *request, e task.Event) bool {
	return r.who.Scope.All() || e.Task != "" && a.sees(r, e.Task)
}
