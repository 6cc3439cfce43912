package config

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// queue is one queue block.
type queue struct {
	def     task.Queue
	node    *node
	section section
}

// readQueues reads the queue blocks, by name.
func (l *loader) readQueues(nodes []*node) map[string]*queue {
	queues, taken := map[string]*queue{}, map[string]*node{}
	for _, n := range nodes {
		q := &queue{node: n, section: l.section(n)}
		q.def = q.section.queue(n.label)
		if l.named(n, "queue", taken) {
			queues[n.label] = q
		}
	}
	return queues
}

func (s section) queue(name string) task.Queue {
	const most = 10_000_000
	q := task.Queue{
		Name:          name,
		MaxMessages:   s.integer("max_messages", 10_000, 1, most),
		MaxBytes:      s.size("max_bytes", 256<<20, 1<<10, 1<<50),
		MaxDeliveries: s.integer("max_deliveries", 5, 1, 1000),
		MaxAge:        s.duration("max_age", 0, 1),
		Overflow:      oneOf(s, "overflow", task.OverflowReject, task.OverflowReject, task.OverflowDropOldest, task.OverflowBlock),
		IDsFor:        s.duration("ids_for", time.Hour, 1),
		Ingress:       s.boolean("ingress", false),
	}
	q.Description, _, _ = s.text("description")
	redeliver, _ := s.block("redeliver")
	q.Redeliver.Backoff = redeliver.duration("backoff", time.Second, 0)
	q.Redeliver.MaxBackoff = redeliver.maxBackoff(q.Redeliver.Backoff, 5*time.Minute)
	dead, _ := s.block("dead_letters")
	q.DeadLetters = task.DeadLetters{
		Max: dead.integer("max", 10_000, 1, most),
		Age: dead.duration("age", 30*24*time.Hour, time.Minute),
	}
	return q
}
