package api

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// intake is what stands at the door of a queue in one generation: who may come in by the ingress, and what its
// consumers can read.
type intake struct {
	ingress   bool
	waits     bool // a post may wait for room
	consumers []consumer
}

// consumer is a type that handles the messages of a queue.
type consumer struct {
	task    string // the first with this type
	plugin  string
	message *schema.Value
}

// intakes are the intakes of a generation's queues.
type intakes struct {
	number  int
	digest  string
	byQueue map[string]*intake
}

// intake is the intake of a queue. It is made once in a generation, because every message asks for it.
func (a *API) intake(queue string) *intake {
	g := a.Fleet.Generation()
	all := a.intakes.Load()
	if all == nil || all.number != g.Number || all.digest != g.Digest {
		all = a.intakesOf(g)
		a.intakes.Store(all)
	}
	if in, ok := all.byQueue[queue]; ok {
		return in
	}
	return &intake{}
}

func (a *API) intakesOf(g task.Generation) *intakes {
	all := &intakes{number: g.Number, digest: g.Digest, byQueue: map[string]*intake{}}
	of := func(name string) *intake {
		if all.byQueue[name] == nil {
			all.byQueue[name] = &intake{}
		}
		return all.byQueue[name]
	}
	for _, q := range g.Queues {
		in := of(q.Name)
		in.ingress, in.waits = q.Ingress, q.Overflow == task.OverflowBlock
	}
	seen := map[[3]string]bool{}
	for i := range g.Tasks {
		d := &g.Tasks[i]
		if d.Consume == nil {
			continue
		}
		key := [3]string{d.Consume.Queue, d.Plugin, d.Type}
		typ, ok := a.typeOf(*d)
		if !ok || typ.Message == nil || seen[key] {
			continue
		}
		seen[key] = true
		in := of(d.Consume.Queue)
		in.consumers = append(in.consumers, consumer{task: d.Name, plugin: d.Plugin, message: typ.Message})
	}
	return all
}

// check refuses a message that one of the queue's consumers could not read. The body is valid JSON.
func (in *intake) check(body json.RawMessage) error {
	for _, c := range in.consumers {
		if c.message.Fits(body) {
			continue
		}
		if fields := fieldErrors("message", c.message.Check(body)); len(fields) > 0 {
			return unfit(c, fields)
		}
	}
	return nil
}

func unfit(c consumer, fields []admin.FieldError) error {
	bad := refuse("message_invalid", "the message does not fit what task %q takes", c.task).
		with("%s", fmt.Sprintf("taskhost plugin describe %s shows what it takes", c.plugin))
	bad.fields = fields
	return bad
}

// open reports whether the caller may post to the queue, by the way that he came.
func (in *intake) open(r *request, queue string) bool {
	switch {
	case r.ingress && !in.ingress:
		return false
	case r.who.Role != Producer:
		return true
	case r.who.queues == nil:
		return in.ingress
	}
	return slices.Contains(r.who.queues, queue)
}
