package api

import (
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

func (a *API) whoami(r *request) (any, error) {
	w := admin.Whoami{
		Name: r.who.Name, Role: r.who.Role.String(), Via: r.who.Via, Expires: admin.At(r.who.Expires),
		Tasks: r.who.Scope.Tasks, Labels: r.who.Scope.Labels, Queues: r.who.Scope.Queues,
	}
	if r.who.Via == "unix" {
		w.UID = new(r.who.UID)
	}
	return w, nil
}

func (a *API) getHost(r *request) (any, error) { return a.host(r) }

func (a *API) host(r *request) (admin.Host, error) {
	i := a.Host.Info()
	h := admin.Host{
		State: i.State, Version: i.Version, PID: i.PID, Started: admin.At(i.Started), Generation: i.Generation, Digest: i.Digest,
		Config: i.Config, Listen: i.Listen, DataDir: i.DataDir, TimeZone: i.TimeZone, Store: i.Store, Paused: overrideOf(i.Paused),
		Tasks: map[string]int{}, Health: admin.Health{Status: "ok"},
	}
	if !r.who.Scope.All() { // where the host keeps what is not the caller's affair
		h.PID, h.Digest, h.Config, h.Listen, h.DataDir = 0, "", nil, nil, ""
	}
	for _, d := range a.definitions(r) {
		s := a.status(d.Name)
		h.Tasks[string(s.State)]++
		h.Live += len(s.Running)
	}
	overrides, err := a.Library.Overrides(r.Context())
	if err != nil {
		return h, fmt.Errorf("read the overrides: %w", err)
	}
	for name, o := range overrides {
		if o != (task.Overrides{}) && a.sees(r, name) {
			h.Overrides++
		}
	}
	if err := a.Host.Ready(); err != nil {
		h.Health = admin.Health{Status: "degraded", Reasons: []admin.Reason{{Code: "unready", Text: err.Error()}}}
	}
	return h, nil
}

// hostResult answers a verb on the host.
func (a *API) hostResult(r *request, changed, done bool) (any, error) {
	h, err := a.host(r)
	if err != nil {
		return nil, err
	}
	return finished(done, "/v1/host", admin.HostResult{Host: h, Changed: changed}), nil
}

// overrideBy is an override that the caller sets now.
func (a *API) overrideBy(r *request, reason string) task.Override {
	return task.Override{By: r.who.Name, At: a.Now(), Reason: reason}
}

func (a *API) pauseHost(r *request) (any, error) {
	var p admin.Pause
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	if err := a.checkUntil(p.Until.Time); err != nil {
		return nil, err
	}
	o := a.overrideBy(r, p.Reason)
	o.Until = p.Until.Time
	changed, err := a.Host.Pause(r.Context(), o)
	if err != nil {
		return nil, err
	}
	return a.hostResult(r, changed, true)
}

func (a *API) resumeHost(r *request) (any, error) {
	var p admin.Resume
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	changed, err := a.Host.Resume(r.Context(), r.who.Name, p.CatchUp)
	if err != nil {
		return nil, err
	}
	return a.hostResult(r, changed, true)
}

func (a *API) drainHost(r *request) (any, error) {
	var v admin.Verb
	if err := r.decode(&v); err != nil {
		return nil, err
	}
	if v.Mode != "" || v.Timeout != 0 {
		return nil, refuse(task.CodeInvalid, "drain takes a reason, neither mode nor timeout").with("leave them out; shutdown takes a mode")
	}
	wait, err := r.wait()
	if err != nil {
		return nil, err
	}
	changed, err := a.Host.Drain(r.Context(), a.overrideBy(r, v.Reason))
	if err != nil {
		return nil, err
	}
	done, err := a.await(r.Context(), "", wait, func() bool {
		for _, s := range a.Library.Statuses() {
			if slices.ContainsFunc(s.Running, atWork) {
				return false // what only waits goes on when the host does
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return a.hostResult(r, changed, done)
}

func (a *API) shutdownHost(r *request) (any, error) {
	c, err := r.ladder(task.VerbStop)
	if err != nil {
		return nil, err
	}
	if c.Timeout != 0 {
		return nil, refuse(task.CodeInvalid, "shutdown takes no timeout").with("leave it out: host.shutdown_timeout bounds it")
	}
	if c.Mode == "" {
		c.Mode = task.Graceful
	}
	changed, err := a.Host.Shutdown(r.Context(), c.Mode, a.overrideBy(r, c.Reason))
	if err != nil {
		return nil, err
	}
	return a.hostResult(r, changed, false)
}

func (a *API) groups(r *request) (any, error) {
	groups, err := a.Fleet.Groups(r.Context())
	if err != nil {
		return nil, err
	}
	items := []admin.Group{}
	for _, g := range groups {
		members := a.onlySeen(r, g.Members)
		if len(members) == 0 && !r.who.Scope.All() {
			continue
		}
		items = append(items, admin.Group{
			Name: g.Name, Max: g.Max, Rate: g.Rate, Per: admin.Seconds(g.Per), Burst: g.Burst,
			Members: members, Holding: a.onlySeen(r, g.Holding), Queued: a.onlySeen(r, g.Waiting),
		})
	}
	return ended(items), nil
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
