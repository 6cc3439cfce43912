package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

var actionVerbs = []task.Verb{
	task.VerbStart, task.VerbStop, task.VerbCancel, task.VerbPause, task.VerbResume, task.VerbRestart, task.VerbRun, task.VerbReset,
}

// act does one verb to every task that is selected. What one task refuses does not keep the others
// from it. A dry run says what would change and be refused.
func (a *API) act(r *request) (any, error) {
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	var q admin.Action
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	c, err := a.actionCommand(q, r.who)
	if err != nil {
		return nil, err
	}
	sel, err := selectionOf(q.Select)
	if err != nil {
		return nil, err
	}
	out := admin.ActionResult{Verb: q.Verb, DryRun: q.DryRun, Results: []admin.ActionOnTask{}}
	var replies []task.Reply
	for _, d := range a.definitions(r) {
		s := a.status(d.Name)
		if !sel.matches(d, s) {
			continue
		}
		out.Matched++
		item := admin.ActionOnTask{Task: d.Name, Status: http.StatusOK, State: string(s.State)}
		switch reply, problem := a.actOn(r, d, c); {
		case problem != nil:
			item.Problem, item.Status = problem, problem.Status
		case q.DryRun:
			item.Changed = reply.Changed // would be
		default:
			item.Changed, item.State = reply.Changed, string(reply.Status.State)
			if len(reply.Runs) > 0 && c.Verb == task.VerbRun {
				item.Run = reply.Runs[0].ID
			}
			replies = append(replies, reply)
		}
		out.Results = append(out.Results, item)
	}
	allDone := func() bool {
		return !slices.ContainsFunc(replies, func(reply task.Reply) bool { return !a.done(r.Context(), c.Verb, reply) })
	}
	done, err := a.await(r.Context(), "", wait, allDone)
	if err == nil && !q.DryRun {
		err = a.kept(r)
	}
	if err != nil {
		return nil, err
	}
	if done && len(replies) > 0 {
		for i, item := range out.Results {
			out.Results[i].State = string(a.status(item.Task).State)
		}
	}
	return finished(done, "/v1/tasks", out), nil
}

// actOn gives the command to one task.
func (a *API) actOn(r *request, d task.Definition, c task.Command) (task.Reply, *admin.Problem) {
	err := error(nil)
	if c.Verb == task.VerbRun {
		err = a.checkInput(d, c.Input)
	}
	reply := task.Reply{}
	if err == nil {
		c.TraceParent = r.trace
		reply, err = a.Fleet.Command(r.Context(), d.Name, c)
	}
	if err == nil {
		return reply, nil
	}
	problem, _ := a.problem(r, err)
	problem.Task = d.Name
	return reply, problem
}

func (a *API) actionCommand(q admin.Action, who Identity) (task.Command, error) {
	verb, err := choice(task.CodeInvalid, "verb", q.Verb, actionVerbs)
	if err != nil {
		return task.Command{}, err
	}
	c, err := ladderCommand(verb, admin.Verb{Mode: q.Mode, Reason: q.Reason, Timeout: q.Timeout}, who)
	if err != nil {
		return c, err
	}
	if err := a.checkUntil(q.Until.Time); err != nil {
		return c, err
	}
	c.Until, c.CatchUp, c.Input, c.DryRun = q.Until.Time, q.CatchUp, q.Input, q.DryRun
	if q.Overlap != "" {
		if c.Overlap, err = choice(task.CodeInvalid, "overlap", q.Overlap, overlaps); err != nil {
			return c, err
		}
	}
	return c, nil
}

// selectionOf reads the select of an action. An empty one is refused, and so is an empty name in it: a forgotten
// filter must not stop everything.
func selectionOf(s admin.Select) (selection, error) {
	sel := selection{labels: map[string]string{}}
	if len(s) == 0 {
		return sel, refuse(task.CodeInvalid, "the action selects nothing").with(`name the tasks: "select": {"label.team": "shop"}, or {"name": "*"} for all`)
	}
	for key, value := range s {
		label, isLabel := strings.CutPrefix(key, "label.")
		switch {
		case isLabel:
			sel.labels[label] = value
		case value == "" && (key == "name" || key == "plugin"):
			return sel, refuse(task.CodeInvalid, "the %s of the selection is empty", key).with(`name it, or leave it out; {"name": "*"} is all tasks`)
		case key == "name":
			sel.name = value
			if err := checkGlob(task.CodeInvalid, value); err != nil {
				return sel, err
			}
		case key == "plugin":
			sel.plugin = value
		case key == "state":
			state, err := choice(task.CodeInvalid, "state", value, task.States)
			if err != nil {
				return sel, err
			}
			sel.states = []task.State{state}
		default:
			_, err := choice(task.CodeInvalid, "select", key, []string{"name", "plugin", "state", "label.KEY"})
			return sel, err
		}
	}
	return sel, nil
}
