package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// RunQuery selects runs; zero fields select all.
type RunQuery struct {
	Tasks    []string
	Labels   map[string]string // of the tasks that are there
	Outcomes []string
	Triggers []string
	States   []string
	Since    time.Time
	Until    time.Time
	Limit    int
	Cursor   string
}

func (q RunQuery) values() url.Values {
	v := url.Values{}
	for key, list := range map[string][]string{"task": q.Tasks, "outcome": q.Outcomes, "trigger": q.Triggers, "state": q.States} {
		for _, s := range list {
			v.Add(key, s)
		}
	}
	for k, l := range q.Labels {
		v.Set("label."+k, l)
	}
	if !q.Since.IsZero() {
		v.Set("since", At(q.Since).String())
	}
	if !q.Until.IsZero() {
		v.Set("until", At(q.Until).String())
	}
	page(v, q.Limit, q.Cursor)
	return v
}

// Runs returns one page of runs: live ones first, then the newest.
func (c *Client) Runs(ctx context.Context, q RunQuery) (List[Run], error) {
	var l List[Run]
	_, err := c.get(ctx, path("runs"), q.values(), &l)
	return l, err
}

// Run returns one run. A positive wait waits for its end; see Run.Live for whether it came.
func (c *Client) Run(ctx context.Context, id string, wait time.Duration) (Run, error) {
	var r Run
	_, err := c.get(ctx, path("runs", id), waitQuery(wait), &r)
	return r, err
}

// StartRun starts a run of the task now (or at r.At). A positive wait waits for its end. key, when
// not "", makes the request safe to repeat for 24 hours: the same key gives the same run.
func (c *Client) StartRun(ctx context.Context, task string, r RunRequest, key string, wait time.Duration) (Run, error) {
	req := call{method: http.MethodPost, path: path("tasks", task, "runs"), query: waitQuery(wait), body: r}
	if key != "" {
		req.header = map[string]string{"Idempotency-Key": key}
	}
	var run Run
	_, err := c.do(ctx, req, &run)
	return run, err
}

// CancelRun ends one run by the ladder; its task's schedule goes on.
func (c *Client) CancelRun(ctx context.Context, id string, v Verb, wait time.Duration) (r RunResult, done bool, err error) {
	status, err := c.post(ctx, path("runs", id, "cancel"), waitQuery(wait), v, &r)
	return r, status == http.StatusOK, err
}

// RetryRun starts an ended run again, as a new run with the same input and slot.
func (c *Client) RetryRun(ctx context.Context, id, reason string, wait time.Duration) (Run, error) {
	var run Run
	_, err := c.post(ctx, path("runs", id, "retry"), waitQuery(wait), Verb{Reason: reason}, &run)
	return run, err
}

// SetRunTimeout gives a live run this much time from now.
func (c *Client) SetRunTimeout(ctx context.Context, id string, p RunPatch) (RunResult, error) {
	var r RunResult
	_, err := c.do(ctx, call{method: http.MethodPatch, path: path("runs", id), body: p}, &r)
	return r, err
}
