package tasktest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/internal/solo"
)

// SendOption adds something to a message that is sent to a consumer.
type SendOption func(*solo.Queued)

// MessageID is the message's id; it is "m1", "m2" and so on otherwise.
func MessageID(id string) SendOption { return func(m *solo.Queued) { m.ID = id } }

// MessageKey is the message's ordering key. The kit keeps no order by it.
func MessageKey(key string) SendOption { return func(m *solo.Queued) { m.Key = key } }

// Send puts a message into the consumer's queue, as JSON, and returns its id. A message that a host would refuse fails
// the test. It does not wait: see [Task.WaitHandled].
func (r *Task) Send(value any, opts ...SendOption) string {
	r.t.Helper()
	r.consumer()
	text, err := json.Marshal(value)
	if err == nil {
		err = r.checkMessage(text)
	}
	if err != nil {
		r.t.Fatalf("tasktest: send: %v", err)
	}
	m := solo.Queued{Value: text, Posted: time.Now()}
	for _, o := range opts {
		o(&m)
	}
	if m.ID == "" {
		m.ID = fmt.Sprintf("m%d", r.sent.Add(1))
	}
	r.queue.Put(m)
	return m.ID
}

func (r *Task) checkMessage(text []byte) error {
	var texts []string
	for _, p := range r.kind.description.Message.Check(text) {
		texts = append(texts, p.String())
	}
	if len(texts) > 0 {
		return fmt.Errorf("message: %s", strings.Join(texts, "; "))
	}
	return nil
}

// consumer fails the test of a type that handles no messages.
func (r *Task) consumer() {
	r.t.Helper()
	if r.queue == nil {
		r.t.Fatalf("tasktest: type %q handles no messages", r.kind.description.Name)
	}
}

// WaitHandled waits until every message is acknowledged or a dead letter, or the run has ended. It fails the test when
// a minute, in [Test] a day, passes without one of them.
func (r *Task) WaitHandled() {
	r.t.Helper()
	r.consumer()
	limit := time.Minute
	if _, ok := bubbles.Load(r.t); ok {
		limit = 24 * time.Hour
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		n, changed := r.queue.Len()
		if n == 0 {
			return
		}
		select {
		case <-changed:
			timer.Reset(limit)
		case <-r.done:
			return
		case <-timer.C:
			r.t.Fatalf("tasktest: %d messages were not handled within %s", n, limit)
		}
	}
}

// Queued is how many messages are in the consumer's queue: waiting, or with a handler.
func (r *Task) Queued() int {
	r.t.Helper()
	r.consumer()
	r.settle()
	n, _ := r.queue.Len()
	return n
}

// Acknowledged is the ids of the messages that were handled, in the order in which that became durable.
func (r *Task) Acknowledged() []string {
	r.t.Helper()
	r.consumer()
	r.settle()
	ids, _ := r.queue.Acknowledged()
	return ids
}

// Delivery is one time that a handler was entered with a message.
type Delivery struct {
	ID      string
	Attempt int  // from 1
	Alone   bool // nothing was delivered beside it, because a process had ended under it
}

// Deliveries is the times that handlers were entered, in order.
func (r *Task) Deliveries() []Delivery {
	r.t.Helper()
	r.consumer()
	r.settle()
	var all []Delivery
	for _, d := range r.queue.Deliveries() {
		all = append(all, Delivery(d))
	}
	return all
}

// DeadLetter is a message that was given up.
type DeadLetter struct {
	ID       string
	Reason   string // failed, crashed or permanent
	Error    string // the last
	Attempts int
}

// DeadLetters is the messages that were given up, in order.
func (r *Task) DeadLetters() []DeadLetter {
	r.t.Helper()
	r.consumer()
	r.settle()
	var all []DeadLetter
	for _, d := range r.queue.Dead() {
		all = append(all, DeadLetter{d.ID, d.Reason, d.Error, d.Attempts})
	}
	return all
}
