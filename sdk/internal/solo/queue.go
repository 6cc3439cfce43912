package solo

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// QueueConfig says how a queue deals with its messages.
type QueueConfig struct {
	Name          string
	MaxDeliveries int           // then a message is a dead letter; 0 is no bound
	Backoff       time.Duration // before a message whose handler failed comes again
	Batch         bool          // its consumer takes several messages at once
	Buried        func(Dead)    // called with each dead letter, if it is there; it must not use the queue
}

// Queued is a message that waits, or is with a handler.
type Queued struct {
	ID, Key string
	Value   json.RawMessage
	Posted  time.Time
}

// Delivery is one time that a handler was entered with a message.
type Delivery struct {
	ID      string
	Attempt int
	Alone   bool
}

// Dead is a message that was given up, and why: failed, crashed or permanent.
type Dead struct {
	Queued
	Reason   string
	Error    string
	Attempts int
}

// Queue is one queue in memory, with the rules of a host: attempts count when a handler is entered, what was not settled
// comes back, and a message under which a process ended comes alone. It outlives the processes that consume it. It is
// safe for concurrent use.
type Queue struct {
	config QueueConfig

	mu         sync.Mutex
	messages   []*queued // by their place in the queue
	lastTag    uint64
	run        string // that consumes; "" is none
	send       func([]*taskv1.Delivery)
	window     int
	deliveries []Delivery
	acked      []string
	skipped    int
	dead       []Dead
	due        *time.Timer
	changed    chan struct{} // closed when a message has left
}

// queued is a message with its history.
type queued struct {
	Queued
	tag       uint64 // of its delivery; 0 while it waits
	alone     bool
	entered   bool
	attempts  int
	crashes   int
	notBefore time.Time
	err       string
}

// NewQueue makes an empty queue.
func NewQueue(c QueueConfig) *Queue { return &Queue{config: c, changed: make(chan struct{})} }

// Put adds a message.
func (q *Queue) Put(m Queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, &queued{Queued: m})
	q.handOut()
}

// attach begins to hand messages out to a run.
func (q *Queue) attach(run string, send func([]*taskv1.Delivery)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.run, q.send, q.window = run, send, 0
}

// Detach takes back what the run has not settled. crashed says that its process ended by itself.
func (q *Queue) Detach(crashed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.run, q.send, q.window = "", nil, 0
	for _, m := range slices.Clone(q.messages) {
		if m.tag == 0 {
			continue
		}
		entered := m.entered
		m.tag, m.entered, m.alone = 0, false, false
		if !entered || !crashed {
			continue
		}
		m.crashes++
		m.err = "the process ended while its handler was at work"
		if q.spent(m) {
			q.bury(m, "crashed")
		}
	}
}

// credit, enter and handled take what the run says; what another run says is late.
func (q *Queue) credit(run string, window int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if run == q.run {
		q.window = window
		q.handOut()
	}
}

func (q *Queue) enter(run string, tags []uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, tag := range tags {
		if m := q.find(run, tag); m != nil && !m.entered {
			m.entered = true
			m.attempts++
			q.deliveries = append(q.deliveries, Delivery{m.ID, m.attempts, m.alone})
		}
	}
}

// find is the message of a delivery, with mu held.
func (q *Queue) find(run string, tag uint64) *queued {
	if run != q.run {
		return nil
	}
	i := slices.IndexFunc(q.messages, func(m *queued) bool { return m.tag == tag })
	if i < 0 {
		return nil
	}
	return q.messages[i]
}

// units splits what was handled into what is one commit each.
func (q *Queue) units(f *taskv1.MessagesHandled) []*taskv1.MessagesHandled {
	if q.config.Batch || len(f.GetOps()) > 0 {
		return []*taskv1.MessagesHandled{f}
	}
	var all []*taskv1.MessagesHandled
	for _, m := range f.GetMessages() {
		all = append(all, &taskv1.MessagesHandled{Run: f.GetRun(), Messages: []*taskv1.Handled{m}})
	}
	return all
}

// settle applies one unit. commit makes the acknowledgements of those that succeeded durable; its error fails them.
func (q *Queue) settle(f *taskv1.MessagesHandled, commit func(ops []*taskv1.Op) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var refused error
	if succeeded(f) {
		refused = commit(f.GetOps())
	}
	for _, h := range f.GetMessages() {
		m := q.find(f.GetRun(), h.GetTag())
		if m == nil {
			continue
		}
		entered := m.entered
		m.tag, m.entered, m.alone = 0, false, false
		switch s := h.GetStatus(); {
		case acknowledges(s) && refused == nil:
			q.acked = append(q.acked, m.ID)
			if s == taskv1.RunStatus_RUN_STATUS_SKIPPED {
				q.skipped++
			}
			q.remove(m)
		case acknowledges(s):
			q.failed(m, h, refused.Error())
		case s == taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
			if entered {
				m.attempts--
			}
		default:
			q.failed(m, h, h.GetMessage())
		}
	}
	q.handOut()
}

func acknowledges(s taskv1.RunStatus) bool {
	return s == taskv1.RunStatus_RUN_STATUS_SUCCEEDED || s == taskv1.RunStatus_RUN_STATUS_SKIPPED
}

func succeeded(f *taskv1.MessagesHandled) bool {
	return slices.ContainsFunc(f.GetMessages(), func(h *taskv1.Handled) bool { return acknowledges(h.GetStatus()) })
}

// failed puts a message back for later or gives it up. It and what follows are called with mu held.
func (q *Queue) failed(m *queued, h *taskv1.Handled, text string) {
	m.err = text
	switch {
	case h.GetStatus() == taskv1.RunStatus_RUN_STATUS_PERMANENT:
		q.bury(m, "permanent")
	case q.spent(m):
		q.bury(m, "failed")
	case h.GetStatus() == taskv1.RunStatus_RUN_STATUS_RETRY_AFTER:
		m.notBefore = time.Now().Add(time.Duration(h.GetRetryAfter()))
	default:
		m.notBefore = time.Now().Add(q.config.Backoff)
	}
}

func (q *Queue) spent(m *queued) bool {
	return q.config.MaxDeliveries > 0 && m.attempts >= q.config.MaxDeliveries
}

func (q *Queue) bury(m *queued, reason string) {
	d := Dead{m.Queued, reason, m.err, m.attempts}
	q.dead = append(q.dead, d)
	q.remove(m)
	if q.config.Buried != nil {
		q.config.Buried(d)
	}
}

func (q *Queue) remove(m *queued) {
	q.messages = slices.DeleteFunc(q.messages, func(other *queued) bool { return other == m })
	close(q.changed)
	q.changed = make(chan struct{})
}

// handOut sends what the window allows, the oldest first. A message under which a process ended comes when nothing
// else is out, and nothing comes beside it.
func (q *Queue) handOut() {
	if q.send == nil {
		return
	}
	out := 0
	for _, m := range q.messages {
		if m.tag != 0 {
			if m.alone {
				return
			}
			out++
		}
	}
	now := time.Now()
	var next time.Time
	var deliveries []*taskv1.Delivery
	for _, m := range q.messages {
		if m.tag != 0 {
			continue
		}
		if m.notBefore.After(now) {
			if next.IsZero() || m.notBefore.Before(next) {
				next = m.notBefore
			}
			continue
		}
		if out >= q.window || m.crashes > 0 && out > 0 {
			break
		}
		out++
		q.lastTag++
		m.tag, m.alone = q.lastTag, m.crashes > 0
		deliveries = append(deliveries, &taskv1.Delivery{
			Tag: m.tag, Queue: q.config.Name, Id: m.ID, Key: m.Key, Attempt: uint32(m.attempts + 1),
			Posted: m.Posted.UnixNano(), Value: m.Value, Alone: m.alone,
		})
		if m.alone {
			break
		}
	}
	if !next.IsZero() {
		q.ringIn(next.Sub(now))
	}
	if len(deliveries) > 0 {
		q.send(deliveries)
	}
}

// ringIn looks again when the next message may come.
func (q *Queue) ringIn(d time.Duration) {
	if q.due != nil {
		q.due.Stop()
	}
	q.due = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.handOut()
	})
}

// Len is how many messages wait or are with a handler; changed is closed when one has left.
func (q *Queue) Len() (n int, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages), q.changed
}

// Deliveries is how often handlers were entered, in order.
func (q *Queue) Deliveries() []Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.deliveries)
}

// Acknowledged is the ids of the messages that were handled, in order; skipped of them had nothing to do.
func (q *Queue) Acknowledged() (ids []string, skipped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.acked), q.skipped
}

// Dead is the messages that were given up, in order.
func (q *Queue) Dead() []Dead {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.dead)
}
