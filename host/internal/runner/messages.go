package runner

import (
	"fmt"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	maxDeliver   = 900 << 10       // bytes of bodies in one frame
	stuckMargin  = 2 * time.Second // for the plugin to give up a handler by itself
	deliverSlack = 512             // bytes of a frame for what is told of a message
)

// messages carries deliveries between a run that handles messages and the queue: out through a goroutine of its
// own, because a plugin that reads nothing must hold up nobody, and back at once.
type messages struct {
	run      string
	consumer task.Consumer
	session  task.Session
	limit    time.Duration // for one call of the handler; 0 is none
	stuck    func(tag uint64)

	mu      sync.Mutex
	out     []task.Delivery
	wake    chan struct{} // holds one token while out may hold something
	ended   chan struct{}
	over    bool
	working map[uint64]time.Time // by tag: when the handler counts as stuck; with limit
	watch   *time.Timer
}

// handle begins to hand out the messages of the task's queue to the run.
func (a *actor) handle(run string) *messages {
	m := &messages{
		run: run, session: a.session, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		working: map[uint64]time.Time{},
		stuck: func(tag uint64) {
			a.line("error", fmt.Sprintf("the handler of delivery %d has not returned %s after its timeout; its process is killed", tag, a.def.Stop.Cancel+stuckMargin), nil)
			a.kill()
		},
	}
	if a.def.Timeout > 0 {
		m.limit = a.def.Timeout + a.def.Stop.Cancel + stuckMargin
	}
	m.consumer = a.r.cfg.Queues.Consume(a.def, run, m.deliver)
	a.box.handling(m)
	a.r.spawn(m.send)
	return m
}

// deliver queues deliveries for the plugin. There are never more than its window.
func (m *messages) deliver(ds []task.Delivery) {
	m.mu.Lock()
	m.out = append(m.out, ds...)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// send is the goroutine that sends. A session that takes nothing more ends with its process, and the consumer with it.
func (m *messages) send() {
	for {
		select {
		case <-m.wake:
		case <-m.ended:
			return
		}
		m.mu.Lock()
		out := m.out
		m.out = nil
		m.mu.Unlock()
		for len(out) > 0 {
			n := frameful(out)
			if m.session.Deliver(m.run, out[:n]) != nil {
				return
			}
			out = out[n:]
		}
	}
}

// frameful is how many of the first deliveries fit into one frame; at least one, whose size was checked at the door.
func frameful(ds []task.Delivery) int {
	size := 0
	for i, d := range ds {
		size += len(d.Message.Body) + len(d.Message.Key) + deliverSlack
		if size > maxDeliver && i > 0 {
			return i
		}
	}
	return len(ds)
}

func (m *messages) entered(tags []uint64) {
	m.consumer.Entered(tags)
	if m.limit == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	until := time.Now().Add(m.limit)
	for _, tag := range tags {
		m.working[tag] = until
	}
	if m.watch == nil && !m.over {
		m.watch = time.AfterFunc(m.limit, m.look)
	}
}

func (m *messages) handled(h task.Handled) {
	m.consumer.Handled(h)
	if m.limit == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range h.Messages {
		delete(m.working, one.Tag)
	}
}

func (m *messages) extend(tag uint64, by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.working[tag]; ok && by > 0 {
		m.working[tag] = at.Add(by)
	}
}

// look finds a handler that outlives its time, and rings again when the next one could.
func (m *messages) look() {
	m.mu.Lock()
	if m.over {
		m.mu.Unlock()
		return
	}
	now, stuck := time.Now(), uint64(0)
	var next time.Time
	for tag, at := range m.working {
		switch {
		case !at.After(now):
			stuck = tag
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	m.watch = nil
	if !next.IsZero() {
		m.watch = time.AfterFunc(next.Sub(now), m.look)
	}
	m.mu.Unlock()
	if stuck != 0 {
		m.stuck(stuck)
	}
}

// close ends the handling; see task.Consumer.Close.
func (m *messages) close(crash string) {
	m.mu.Lock()
	first := !m.over
	m.over = true
	if m.watch != nil {
		m.watch.Stop()
	}
	m.mu.Unlock()
	if first {
		close(m.ended)
		m.consumer.Close(crash)
	}
}

// stopIntake lets no more messages reach the run: it is about to end.
func (a *actor) stopIntake(run string) {
	if m := a.box.messagesOf(run); m != nil {
		m.consumer.Window(0)
	}
}

// endMessages ends the handling of messages, if there is any.
func (a *actor) endMessages(crash string) {
	a.box.mu.Lock()
	m := a.box.intake
	a.box.intake = nil
	a.box.mu.Unlock()
	if m != nil {
		m.close(crash)
	}
}
