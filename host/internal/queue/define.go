package queue

import (
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Define takes over the queues of a configuration, and from its tasks who puts into them and who takes out. It may be
// called before and after Open. A queue that is not declared any more takes no messages and hands out none; it
// stays visible as long as something is in it.
func (b *Broker) Define(queues []task.Queue, tasks []task.Definition) {
	producers, orders := map[string][]string{}, map[string]string{}
	known := map[string]bool{}
	for _, def := range tasks {
		known[def.Name] = true
		for _, queue := range def.Outputs {
			if !slices.Contains(producers[queue], def.Name) {
				producers[queue] = append(producers[queue], def.Name)
			}
		}
		if c := def.Consume; c != nil && c.OrderBy != "" {
			orders[c.Queue] = c.OrderBy
		}
	}
	b.mu.Lock()
	now := b.now()
	declared := map[string]bool{}
	for _, q := range queues {
		declared[q.Name] = true
		l := b.line(q.Name)
		l.define(q, true, orders[q.Name], now)
		l.producers = producers[q.Name]
		slices.Sort(l.producers)
	}
	for name, l := range b.lines {
		if !declared[name] {
			l.define(l.spec, false, orders[name], now)
			l.producers = nil
		}
		l.admit()
		if !l.declared && l.blank() && len(l.consumers) == 0 && b.dead.of(name) == 0 {
			delete(b.lines, name)
		}
	}
	for name, w := range b.workers {
		if !known[name] && !w.paused && !b.works(w) {
			delete(b.workers, name)
		}
	}
	b.touchAll()
	b.mu.Unlock()
	for _, q := range queues {
		b.cfg.Store.SetQueue(q.Name, q.DeadLetters)
	}
}

// blank reports whether nothing is in the queue, nor on its way there.
func (l *line) blank() bool { return l.size.n == 0 && l.reserved == room{} && len(l.waiters) == 0 }

// works reports whether a process of the task is there. The lock is held.
func (b *Broker) works(w *worker) bool {
	for _, l := range b.lines {
		if slices.ContainsFunc(l.consumers, func(c *consumer) bool { return c.worker == w }) {
			return true
		}
	}
	return false
}

// Pause says whether the task gets no messages for now. What its processes have already stays with them.
func (b *Broker) Pause(taskName string, paused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.worker(taskName).paused = paused
	b.touchAll()
}
