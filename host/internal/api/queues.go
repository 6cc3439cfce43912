package api

import (
	"context"
	"slices"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// noQueues stand in where there is no broker.
type noQueues struct{}

func (noQueues) none() error {
	return refuse(task.CodeQueueUnknown, "this host has no queues").with("declare one in its configuration")
}

func (noQueues) Queues() []task.QueueStatus                                 { return nil }
func (noQueues) Queue(string) (task.QueueStatus, bool)                      { return task.QueueStatus{}, false }
func (n noQueues) Purge(context.Context, string, bool, string) (int, error) { return 0, n.none() }
func (n noQueues) Post(context.Context, string, task.NewMessage) (task.Posted, error) {
	return task.Posted{}, n.none()
}
func (n noQueues) Peek(context.Context, string, int, string) (task.Page[task.Message], error) {
	return task.Page[task.Message]{}, n.none()
}
func (n noQueues) DeadLetters(context.Context, task.DeadQuery) (task.Page[task.DeadLetter], error) {
	return task.Page[task.DeadLetter]{}, n.none()
}
func (n noQueues) Redrive(context.Context, string, []string, string) ([]string, error) {
	return nil, n.none()
}

// noQueue is the refusal of a name that no queue has.
func (a *API) noQueue(r *request, name string) error {
	var names []string
	for _, q := range a.queues(r) {
		names = append(names, q.Name)
	}
	if len(names) == 0 && r.who.Scope.All() {
		return noQueues{}.none()
	}
	return unknown(task.CodeQueueUnknown, "queue", short(name), "taskhost queue list lists the queues", names)
}

// queue is the queue that the route names.
func (a *API) queue(r *request) (task.QueueStatus, error) {
	name := r.PathValue("queue")
	if task.ValidName(name) {
		if s, ok := a.Queues.Queue(name); ok {
			return s, nil
		}
	}
	return task.QueueStatus{}, a.noQueue(r, name)
}

func (a *API) listQueues(r *request) (any, error) {
	items := []admin.Queue{}
	for _, s := range a.queues(r) {
		items = append(items, queueOf(s, a.Now()))
	}
	return ended(items), nil
}

func (a *API) getQueue(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	out := queueOf(s, a.Now())
	for _, c := range a.intake(s.Name).consumers {
		out.Takes = append(out.Takes, admin.Takes{Task: c.task, Message: c.message.JSONSchema()})
	}
	return out, nil
}

// A page that shows bodies is read in steps, and ends early when they are large.
const (
	peekStep  = 16
	peekBytes = 4 << 20
)

// inSteps collects a page of at most limit items or about peekBytes.
func inSteps[T any](limit int, cursor string, size func(T) int, read func(limit int, cursor string) (task.Page[T], error)) (task.Page[T], error) {
	out := task.Page[T]{Next: cursor}
	for bytes := 0; len(out.Items) < limit && bytes < peekBytes; {
		page, err := read(min(limit-len(out.Items), peekStep), out.Next)
		if err != nil {
			return out, err
		}
		for _, item := range page.Items {
			bytes += size(item)
		}
		out.Items = append(out.Items, page.Items...)
		if out.Next = page.Next; out.Next == "" {
			break
		}
	}
	return out, nil
}

func (a *API) peek(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	limit, err := r.limit(20)
	if err != nil {
		return nil, err
	}
	size := func(m task.Message) int { return len(m.Body) }
	page, err := inSteps(limit, r.q.Get("cursor"), size, func(limit int, cursor string) (task.Page[task.Message], error) {
		return a.Queues.Peek(r.Context(), s.Name, limit, cursor)
	})
	if err != nil {
		return nil, err
	}
	items := []admin.Message{}
	for _, m := range page.Items {
		items = append(items, messageOf(m))
	}
	return paged(items, page.Next), nil
}

func (a *API) deadLetters(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	limit, err := r.limit(20)
	if err != nil {
		return nil, err
	}
	size := func(d task.DeadLetter) int { return len(d.Body) }
	page, err := inSteps(limit, r.q.Get("cursor"), size, func(limit int, cursor string) (task.Page[task.DeadLetter], error) {
		return a.Queues.DeadLetters(r.Context(), task.DeadQuery{Queue: s.Name, Limit: limit, Cursor: cursor})
	})
	if err != nil {
		return nil, err
	}
	items := []admin.DeadLetter{}
	for _, d := range page.Items {
		items = append(items, deadLetterOf(d))
	}
	return paged(items, page.Next), nil
}

func (a *API) getDeadLetter(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	gone := refuse(task.CodeDeadUnknown, "queue %q has no dead letter %q, or no longer", s.Name, short(id))
	if len(id) > maxIDText {
		return nil, gone
	}
	page, err := a.Queues.DeadLetters(r.Context(), task.DeadQuery{Queue: s.Name, IDs: []string{id}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Items) == 0 {
		return nil, gone
	}
	return deadLetterOf(page.Items[0]), nil
}

const maxRedrive = 1000 // ids in one request

func (a *API) redrive(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	var q admin.Redrive
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	tooLong := func(id string) bool { return len(id) > maxIDText }
	switch {
	case q.All == (len(q.IDs) > 0):
		return nil, refuse(task.CodeInvalid, "redrive takes either ids or all").with(`write {"ids": ["…"]} or {"all": true}`)
	case len(q.IDs) > maxRedrive:
		return nil, refuse(task.CodeInvalid, "redrive takes at most %d ids at a time", maxRedrive).with("send several requests, or all")
	case slices.ContainsFunc(q.IDs, tooLong):
		return nil, refuse(task.CodeDeadUnknown, "no dead letter has an id of more than %d characters", maxIDText)
	}
	moved, err := a.Queues.Redrive(r.Context(), s.Name, q.IDs, r.who.Name)
	out := admin.Redriven{Moved: orEmpty(moved)}
	if err != nil {
		err = a.notPosted(r, s.Name, err)
		if len(moved) == 0 {
			return nil, err
		}
		out.Error, _ = a.problem(r, err) // some have gone back: the caller must know which
	}
	return out, nil
}

func (a *API) purge(r *request) (any, error) {
	s, err := a.queue(r)
	if err != nil {
		return nil, err
	}
	var p admin.Purge
	if err := r.decode(&p); err != nil {
		return nil, err
	}
	if p.Confirm != s.Name {
		bad := refuse(task.CodeInvalid, "purge deletes for good and must be confirmed").with(`write "confirm": %q`, s.Name)
		bad.fields = []admin.FieldError{{Path: "confirm", Detail: "is not the queue's name"}}
		return nil, bad
	}
	n, err := a.Queues.Purge(r.Context(), s.Name, p.Dead, r.who.Name)
	if err != nil {
		return nil, err
	}
	a.Log.Warn("queue purged", "queue", s.Name, "dead_letters", p.Dead, "messages", n, "by", r.who.Name)
	return admin.Purged{Purged: n}, nil
}
