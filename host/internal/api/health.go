package api

import (
	"context"
	"net/http"

	"github.com/taskhost/taskhost/host/admin"
)

// Health looks after the host from inside. Implemented by app.
type Health interface {
	// Alive says why the host does not do its work and will not by itself; nil is alive.
	Alive(ctx context.Context) error
	// Checks are what readiness rests on, each by itself, in a fixed order.
	Checks(ctx context.Context) []Check
}

// Check is one thing that readiness rests on.
type Check struct {
	Name   string
	Err    error  // nil is well
	Detail string // what is known of it
}

// healthz answers for the whole process: also who is not ready is alive.
func (a *API) healthz(r *request) (any, error) {
	if a.Health == nil {
		return admin.Status{Status: "ok"}, nil
	}
	if err := a.Health.Alive(r.Context()); err != nil {
		a.Log.Error("not alive", "request", r.id, "err", err)
		return nil, known(r, "stalled", "the host makes no progress", err)
	}
	return admin.Status{Status: "ok"}, nil
}

func (a *API) readyz(r *request) (any, error) {
	verbose, err := r.flag("verbose")
	if err != nil {
		return nil, err
	}
	if verbose {
		return a.readyzVerbose(r)
	}
	if err := a.Host.Ready(); err != nil {
		a.Log.Debug("not ready", "request", r.id, "err", err)
		return nil, known(r, "unready", "the host is not ready to work", err)
	}
	return admin.Status{Status: "ok"}, nil
}

// known is a refusal that gives its reason only to who has said who he is.
func known(r *request, code, text string, err error) *refusal {
	if r.who.Role == Anyone {
		return refuse(code, "%s", text)
	}
	return refuse(code, "%s: %v", text, err)
}

// readyzVerbose names every check. Its status is that of the short form.
func (a *API) readyzVerbose(r *request) (any, error) {
	switch {
	case r.who.Role == Anyone:
		return nil, refuse("token_missing", "the checks are for callers who say who they are; without verbose the answer is for anyone")
	case !r.who.Role.May(Viewer):
		return nil, refuse("forbidden", "the checks need the role %s; %s has the role %s", Viewer, r.who.Name, r.who.Role)
	}
	ready := admin.Readiness{Status: "ok", Checks: []admin.HealthCheck{}}
	if a.Health != nil {
		for _, c := range a.Health.Checks(r.Context()) {
			one := admin.HealthCheck{Name: c.Name, Status: "ok", Detail: c.Detail}
			if c.Err != nil {
				one.Status, one.Detail = "failed", c.Err.Error()
			}
			ready.Checks = append(ready.Checks, one)
		}
	}
	if a.Host.Ready() != nil {
		ready.Status = "unready"
		return answer{status: http.StatusServiceUnavailable, body: ready}, nil
	}
	return ready, nil
}
