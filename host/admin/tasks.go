package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TaskQuery selects tasks; zero fields select all.
type TaskQuery struct {
	State    []string
	Labels   map[string]string
	Plugin   string
	Name     string // a glob: check.*
	Degraded bool
	Limit    int
	Cursor   string
}

func (q TaskQuery) values() url.Values {
	v := url.Values{}
	for _, s := range q.State {
		v.Add("state", s)
	}
	for k, l := range q.Labels {
		v.Set("label."+k, l)
	}
	set(v, "plugin", q.Plugin)
	set(v, "name", q.Name)
	if q.Degraded {
		v.Set("degraded", "true")
	}
	page(v, q.Limit, q.Cursor)
	return v
}

func set(v url.Values, key, value string) {
	if value != "" {
		v.Set(key, value)
	}
}

func page(v url.Values, limit int, cursor string) {
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	set(v, "cursor", cursor)
}

// Tasks returns one page of tasks by name.
func (c *Client) Tasks(ctx context.Context, q TaskQuery) (List[Task], error) {
	var l List[Task]
	_, err := c.get(ctx, path("tasks"), q.values(), &l)
	return l, err
}

// AllTasks returns all tasks that q selects, page after page.
func (c *Client) AllTasks(ctx context.Context, q TaskQuery) ([]Task, error) {
	q.Limit = 500
	var all []Task
	for {
		l, err := c.Tasks(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, l.Items...)
		if q.Cursor = l.Next(); q.Cursor == "" {
			return all, nil
		}
	}
}

// Task returns one task.
func (c *Client) Task(ctx context.Context, name string) (Task, error) {
	var t Task
	_, err := c.get(ctx, path("tasks", name), nil, &t)
	return t, err
}

// WaitTask waits until the task is in the state until (or "ready") and returns it; reached is
// false when the wait ran out.
func (c *Client) WaitTask(ctx context.Context, name, until string, wait time.Duration) (t Task, reached bool, err error) {
	q := waitQuery(wait)
	q.Set("until", until)
	status, err := c.get(ctx, path("tasks", name), q, &t)
	return t, status == http.StatusOK, err
}

// verb posts a verb of a task. done is false when the work goes on (or the wait ran out).
func (c *Client) verb(ctx context.Context, name, verb string, body any, wait time.Duration) (r Result, done bool, err error) {
	status, err := c.post(ctx, path("tasks", name, verb), waitQuery(wait), body, &r)
	return r, status == http.StatusOK, err
}

// Start turns the task's schedule on. done reports whether it is up.
func (c *Client) Start(ctx context.Context, name string, v Verb, wait time.Duration) (r Result, done bool, err error) {
	return c.verb(ctx, name, "start", v, wait)
}

// Stop ends the task's runs by the ladder and turns its schedule off. done reports whether it has stopped.
func (c *Client) Stop(ctx context.Context, name string, v Verb, wait time.Duration) (r Result, done bool, err error) {
	return c.verb(ctx, name, "stop", v, wait)
}

// Cancel ends the task's live runs; its schedule goes on. done reports whether they have ended.
func (c *Client) Cancel(ctx context.Context, name string, v Verb, wait time.Duration) (r Result, done bool, err error) {
	return c.verb(ctx, name, "cancel", v, wait)
}

// Restart ends the task's runs by the ladder and gives it a new process.
func (c *Client) Restart(ctx context.Context, name string, v Verb, wait time.Duration) (r Result, done bool, err error) {
	return c.verb(ctx, name, "restart", v, wait)
}

// Pause turns the task's schedule off; what runs goes on.
func (c *Client) Pause(ctx context.Context, name string, p Pause) (Result, error) {
	r, _, err := c.verb(ctx, name, "pause", p, 0)
	return r, err
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, name string, p Resume) (Result, error) {
	r, _, err := c.verb(ctx, name, "resume", p, 0)
	return r, err
}

// Backfill runs the slots of a span of time, in order.
func (c *Client) Backfill(ctx context.Context, name string, b Backfill, wait time.Duration) (r BackfillResult, done bool, err error) {
	status, err := c.post(ctx, path("tasks", name, "backfill"), waitQuery(wait), b, &r)
	return r, status == http.StatusOK, err
}

// State returns what the task publishes.
func (c *Client) State(ctx context.Context, name string) (State, error) {
	var s State
	_, err := c.get(ctx, path("tasks", name, "state"), nil, &s)
	return s, err
}

// Checkpoint returns what the task keeps for its next run.
func (c *Client) Checkpoint(ctx context.Context, name string) (Checkpoint, error) {
	var s Checkpoint
	_, err := c.get(ctx, path("tasks", name, "checkpoint"), nil, &s)
	return s, err
}

// CheckpointWrite says under which conditions a checkpoint is written.
type CheckpointWrite struct {
	IfVersion uint64 // 0 is any
	Force     bool   // also while a run is live
}

func (w CheckpointWrite) apply(r *call) {
	if w.IfVersion > 0 {
		r.header = map[string]string{"If-Match": `"` + strconv.FormatUint(w.IfVersion, 10) + `"`}
	}
	if w.Force {
		r.query = url.Values{"force": {"true"}}
	}
}

// SetCheckpoint writes one value of the task's checkpoint.
func (c *Client) SetCheckpoint(ctx context.Context, name, key string, value json.RawMessage, w CheckpointWrite) (CheckpointValue, error) {
	r := call{method: http.MethodPut, path: path("tasks", name, "checkpoint", key), body: value}
	w.apply(&r)
	var v CheckpointValue
	_, err := c.do(ctx, r, &v)
	return v, err
}

// DeleteCheckpoint deletes one value of the task's checkpoint.
func (c *Client) DeleteCheckpoint(ctx context.Context, name, key string, w CheckpointWrite) error {
	r := call{method: http.MethodDelete, path: path("tasks", name, "checkpoint", key)}
	w.apply(&r)
	_, err := c.do(ctx, r, nil)
	return err
}

// Schedule returns the task's next slots from from (zero: now), at most limit (0: 10).
func (c *Client) Schedule(ctx context.Context, name string, from, to time.Time, limit int) (Schedule, error) {
	var s Schedule
	_, err := c.get(ctx, path("tasks", name, "schedule"), span(from, to, limit), &s)
	return s, err
}

// ScheduleAll returns the next slots of all tasks on one time line.
func (c *Client) ScheduleAll(ctx context.Context, from, to time.Time, limit int) (List[Slot], error) {
	var l List[Slot]
	_, err := c.get(ctx, path("schedule"), span(from, to, limit), &l)
	return l, err
}

func span(from, to time.Time, limit int) url.Values {
	v := url.Values{}
	if !from.IsZero() {
		v.Set("from", At(from).String())
	}
	if !to.IsZero() {
		v.Set("to", At(to).String())
	}
	page(v, limit, "")
	return v
}

// Slots returns the slots of the task that did not run, newest first.
func (c *Client) Slots(ctx context.Context, name string, limit int, cursor string) (List[SlotRecord], error) {
	v := url.Values{}
	page(v, limit, cursor)
	var l List[SlotRecord]
	_, err := c.get(ctx, path("tasks", name, "slots"), v, &l)
	return l, err
}

// Call asks a method of the live task and returns its answer.
func (c *Client) Call(ctx context.Context, name, method string, input json.RawMessage, timeout time.Duration) (json.RawMessage, error) {
	v := url.Values{}
	if timeout > 0 {
		v.Set("timeout", timeout.String())
	}
	var body any
	if len(input) > 0 {
		body = input
	}
	var out json.RawMessage
	_, err := c.post(ctx, path("tasks", name, "methods", method), v, body, &out)
	return out, err
}

// Overrides lists what people have set against the file, of all tasks or (name not "") of one.
func (c *Client) Overrides(ctx context.Context, name string) (List[Override], error) {
	route := path("overrides")
	if name != "" {
		route = path("tasks", name, "overrides")
	}
	var l List[Override]
	_, err := c.get(ctx, route, nil, &l)
	return l, err
}

// DropOverrides makes the task as the file says again.
func (c *Client) DropOverrides(ctx context.Context, name string) (Result, error) {
	var r Result
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path("tasks", name, "overrides")}, &r)
	return r, err
}

// Act does one verb to many tasks.
func (c *Client) Act(ctx context.Context, a Action, wait time.Duration) (r ActionResult, done bool, err error) {
	status, err := c.post(ctx, path("actions"), waitQuery(wait), a, &r)
	return r, status == http.StatusOK, err
}
