package api

import (
	"strconv"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Codes of refusals that concern the configuration.
const (
	CodeReloadRunning     = "reload_running"
	CodePlanStale         = "plan_stale"
	CodeVersionConflict   = "version_conflict"
	CodeGenerationUnknown = "generation_unknown"

	codeConfigInvalid = "config_invalid"
)

// holding is an answer that carries the generation that holds as its ETag.
func holding(generation int, body any) answer {
	return answer{status: 200, body: body, header: map[string]string{"ETag": strconv.Quote(strconv.Itoa(generation))}}
}

func (a *API) getConfig(r *request) (any, error) {
	c, err := a.Configs.Config(r.Context())
	if err != nil {
		return nil, err
	}
	return holding(c.Generation, c), nil
}

func (a *API) planConfig(r *request) (any, error) {
	var body admin.Rollback
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if body.Generation < 0 || body.Reason != "" {
		return nil, refuse(task.CodeInvalid, "a plan takes the number of a generation, or nothing")
	}
	p, err := a.Configs.Plan(r.Context(), body.Generation)
	if err != nil {
		return nil, err
	}
	return holding(p.Generation, p), nil
}

func (a *API) applyConfig(r *request) (any, error) {
	var body admin.Apply
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	return a.apply(r, Apply{By: r.who.Name, Plan: body.Plan, Reason: body.Reason})
}

func (a *API) rollbackConfig(r *request) (any, error) {
	var body admin.Rollback
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if body.Generation < 1 {
		return nil, refuse(task.CodeInvalid, "the body names no generation").with(`send {"generation": 7}; GET /v1/config/generations lists them`)
	}
	return a.apply(r, Apply{By: r.who.Name, Rollback: body.Generation, Reason: body.Reason})
}

func (a *API) apply(r *request, ask Apply) (any, error) {
	version, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return nil, err
	}
	ask.IfGeneration = int(min(version, 1<<31))
	done, err := a.Configs.Apply(r.Context(), ask)
	if err != nil {
		return nil, err
	}
	return holding(done.Generation, done), nil
}

func (a *API) listGenerations(r *request) (any, error) {
	all, err := a.Configs.Generations(r.Context())
	if err != nil {
		return nil, err
	}
	return ended(all), nil
}

// generation is the number that the route names.
func generation(name, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, refuse(CodeGenerationUnknown, "%s %q is no number of a generation", name, short(text))
	}
	return int(n), nil
}

func (a *API) getGeneration(r *request) (any, error) {
	n, err := generation("generation", r.PathValue("generation"))
	if err != nil {
		return nil, err
	}
	return a.Configs.Generation(r.Context(), n)
}

// diffGenerations compares a generation with the one that to names or, without it, with the one that holds.
func (a *API) diffGenerations(r *request) (any, error) {
	from, err := generation("generation", r.PathValue("generation"))
	if err != nil {
		return nil, err
	}
	to := a.Fleet.Generation().Number
	if text := r.q.Get("to"); text != "" {
		if to, err = generation("to", text); err != nil {
			return nil, err
		}
	}
	return a.Configs.Diff(r.Context(), from, to)
}
