package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// ends are the tasks at both ends of one queue, in the order of their names.
type ends struct {
	consumers []*instance
	producers []producer
}

// producer is a task by one of its outputs.
type producer struct {
	*instance
	wiring
}

// checkQueues checks what tasks, queues and the host say of each other.
func (l *loader) checkQueues(host section, all tasks, queues map[string]*queue) {
	byQueue := l.ends(all, queues)
	for _, q := range values(queues) {
		e := byQueue[q.def.Name]
		if len(e.consumers) == 0 {
			l.find.warnf(q.node.rng, fmt.Sprintf("add consume %q {} to a task", q.def.Name), "nobody consumes queue %q", q.def.Name)
		}
		e.checkOrder()
		e.checkMessages(q.def.Name)
	}
	l.checkIngress(host, queues)
	l.checkFrame(host, queues)
	warnOfCircles(byQueue, queues)
}

// ends sorts the tasks by their queues, and reports queues that are not there.
func (l *loader) ends(all tasks, queues map[string]*queue) map[string]*ends {
	out := map[string]*ends{}
	for name := range queues {
		out[name] = &ends{}
	}
	sorted := slices.Clone(all.decoded)
	slices.SortStableFunc(sorted, func(a, b *instance) int { return cmp.Compare(a.def.Name, b.def.Name) })
	for _, i := range sorted {
		if c := i.consume; c != nil && c.at.Filename != "" {
			if e := out[c.queue]; e != nil {
				e.consumers = append(e.consumers, i)
			} else if !l.declares("queue", c.queue) {
				i.find.errorf(c.at, nearHint(c.queue, sortedKeys(queues)), "consume: there is no queue %q", clip(c.queue))
			}
		}
		for _, w := range i.outputs {
			if e := out[w.queue]; e != nil {
				e.producers = append(e.producers, producer{i, w})
			} else if w.queueAt.Filename != "" && !l.declares("queue", w.queue) {
				i.find.errorf(w.queueAt, nearHint(w.queue, sortedKeys(queues)), "output %q: there is no queue %q", clip(w.output), clip(w.queue))
			}
		}
	}
	return out
}

// checkOrder reports consumers that order the messages of their queue in other ways:
// what one keeps apart, another would have at work at the same time.
func (e *ends) checkOrder() {
	var first *instance
	for _, i := range e.consumers {
		switch {
		case i.def.Consume == nil: // it is no continuous task, which was reported
		case first == nil:
			first = i
		case i.def.Consume.OrderBy != first.def.Consume.OrderBy:
			at := i.consume.rng
			if i.consume.orderAt.Filename != "" {
				at = i.consume.orderAt
			}
			i.find.errorf(at, "all consumers of a queue order alike", "task %q orders queue %q by %s, task %q by %s", i.node.label, i.consume.queue,
				orderWord(i), first.node.label, orderWord(first))
		}
	}
}

func orderWord(i *instance) string {
	if i.def.Consume.OrderBy == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", clip(i.def.Consume.OrderBy))
}

// checkMessages checks that all consumers can read the messages of all producers.
// Instances share the description of their type, so that each is looked at once.
func (e *ends) checkMessages(queue string) {
	var readers []*instance
	for _, i := range e.consumers {
		if i.serves == nil || i.serves.Message == nil || slices.ContainsFunc(readers, func(r *instance) bool { return r.serves == i.serves }) {
			continue
		}
		for _, r := range readers {
			if problems := i.serves.Message.Conflicts(*r.serves.Message); len(problems) > 0 {
				i.find.errorf(i.consume.at, "give one of them a queue of its own", "tasks %q and %q cannot read the same messages of queue %q: %s", r.node.label, i.node.label, queue, problemList(problems))
			}
		}
		readers = append(readers, i)
	}
	type pair struct{ from, to *schema.Value }
	found := map[pair][]schema.Problem{}
	for _, p := range e.producers {
		from := p.message()
		if from == nil {
			continue
		}
		for _, r := range readers {
			key := pair{from, r.serves.Message}
			problems, known := found[key]
			if !known {
				problems = key.to.Accepts(*from)
				found[key] = problems
			}
			if len(problems) > 0 {
				p.find.errorf(p.queueAt, "wire it to another queue, or change one of the types", "output %q of task %q does not fit task %q, which consumes queue %q: %s",
					p.output, p.node.label, r.node.label, queue, problemList(problems))
			}
		}
	}
}

// message describes what the producer sends; nil when that is not known.
func (p producer) message() *schema.Value {
	if p.serves == nil {
		return nil
	}
	for k := range p.serves.Outputs {
		if p.serves.Outputs[k].Name == p.output {
			return &p.serves.Outputs[k].Message
		}
	}
	return nil
}

func problemList(problems []schema.Problem) string {
	const most = 3
	var texts []string
	for _, p := range problems[:min(most, len(problems))] {
		texts = append(texts, strings.TrimSuffix(p.String(), "."))
	}
	if more := len(problems) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// checkIngress warns of a queue that waits for a listener, and of a listener without a queue.
func (l *loader) checkIngress(host section, queues map[string]*queue) {
	open := false
	for _, q := range values(queues) {
		open = open || q.def.Ingress
		if at, _ := q.section.written("ingress"); q.def.Ingress && len(l.host.Ingress.Listen) == 0 {
			l.find.warnf(at, `add host { ingress { listen = ["127.0.0.1:7490"] } }`, "queue %q is open to ingress, and the host listens nowhere for it", q.def.Name)
		}
	}
	if ingress, _ := host.block("ingress"); len(l.host.Ingress.Listen) > 0 && !open {
		at, _ := ingress.written("listen")
		l.find.warnf(at, "add ingress = true to a queue", "no queue is open to ingress")
	}
}

// frameOfMessages is the least max_frame that the largest message travels in.
const frameOfMessages = 1 << 20

func (l *loader) checkFrame(host section, queues map[string]*queue) {
	if at, written := host.written("max_frame"); written && l.host.MaxFrame < frameOfMessages && len(queues) > 0 {
		l.find.errorf(at, "leave it out", "max_frame: with queues, at least %s is needed: a message may have %s",
			schema.FormatBytes(frameOfMessages), schema.FormatBytes(task.MaxMessageBytes))
	}
}

// warnOfCircles finds queues that block their producers, of which one is a consumer of
// the queue itself, directly or over others: when it is full, it may wait for itself.
func warnOfCircles(byQueue map[string]*ends, queues map[string]*queue) {
	next := onward(byQueue)
	for _, q := range values(queues) {
		if q.def.Overflow != task.OverflowBlock {
			continue
		}
		if path := wayBack(q.def.Name, next); path != nil {
			at, _ := q.section.written("overflow")
			q.section.find.warnf(at, `with overflow = "reject" the work is tried again later instead`,
				"queue %q can stand still: when it is full its producer waits, and its messages come back to it: %s", q.def.Name, strings.Join(shorten(path), " → "))
		}
	}
}

// onward tells for each queue to which others its consumers send messages.
func onward(byQueue map[string]*ends) map[string][]string {
	from := map[*instance]string{}
	for name, e := range byQueue {
		for _, i := range e.consumers {
			from[i] = name
		}
	}
	next := map[string][]string{}
	for _, name := range sortedKeys(byQueue) {
		reached := map[string]bool{}
		for _, p := range byQueue[name].producers {
			if source, consumes := from[p.instance]; consumes && !reached[source] {
				reached[source] = true
				next[source] = append(next[source], name)
			}
		}
	}
	return next
}

// wayBack is a shortest path from a name back to itself; nil when there is none.
func wayBack(start string, next map[string][]string) []string {
	before := map[string]string{}
	for open := []string{start}; len(open) > 0; open = open[1:] {
		for _, name := range next[open[0]] {
			if _, seen := before[name]; seen {
				continue
			}
			before[name] = open[0]
			if name != start {
				open = append(open, name)
				continue
			}
			path := []string{start}
			for at := before[start]; at != start; at = before[at] {
				path = append(path, at)
			}
			path = append(path, start)
			slices.Reverse(path)
			return path
		}
	}
	return nil
}
