package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// bed is a Broker over a store in memory, inside a bubble of synctest.
type bed struct {
	*Broker
	t     *testing.T
	store *hosttest.QueueStore

	mu     sync.Mutex
	events []string
}

// spec is a queue with defaults that tests change.
func spec(name string, change ...func(*task.Queue)) task.Queue {
	q := task.Queue{
		Name: name, MaxMessages: 1000, MaxBytes: 1 << 20, MaxDeliveries: 3, Overflow: task.OverflowReject, IDsFor: time.Hour,
		Redeliver:   task.Redeliver{Backoff: time.Second, MaxBackoff: time.Minute},
		DeadLetters: task.DeadLetters{Max: 1000},
	}
	for _, c := range change {
		c(&q)
	}
	return q
}

// consumes is a task that handles the messages of a queue.
func consumes(queue string, change ...func(*task.Definition)) task.Definition {
	def := task.Definition{Name: "worker", Mode: task.Continuous, Consume: &task.Consume{Queue: queue, Concurrency: 100}}
	for _, c := range change {
		c(&def)
	}
	return def
}

// inBubble runs a test on a virtual clock.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// lay opens a Broker with queues, and tasks of which only the order counts.
func lay(t *testing.T, store *hosttest.QueueStore, gate task.Gate, queues []task.Queue, tasks ...task.Definition) *bed {
	t.Helper()
	b := &bed{t: t, store: store}
	b.Broker = New(Config{Store: store, Gate: gate, Event: func(e task.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e.Kind+" "+e.Text)
	}})
	b.Define(queues, tasks)
	if err := b.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// told returns the events of a kind.
func (b *bed) told(kind string) (out []string) {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if text, ok := strings.CutPrefix(e, kind+" "); ok {
			out = append(out, text)
		}
	}
	return out
}

// post posts messages with these bodies, one after the other.
func (b *bed) post(queue string, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		b.send(queue, task.NewMessage{Body: json.RawMessage(body)})
	}
}

func (b *bed) send(queue string, m task.NewMessage) task.Posted {
	b.t.Helper()
	p, err := b.Post(b.t.Context(), queue, m)
	if err != nil {
		b.t.Fatalf("post %s: %v", m.Body, err)
	}
	return p
}

// status is what the queue looks like once nothing goes on any more.
func (b *bed) status(queue string) task.QueueStatus {
	b.t.Helper()
	synctest.Wait()
	s, ok := b.Queue(queue)
	if !ok {
		b.t.Fatalf("there is no queue %q", queue)
	}
	return s
}

func (b *bed) dead(queue string) (out []string) {
	b.t.Helper()
	synctest.Wait()
	page, err := b.DeadLetters(b.t.Context(), task.DeadQuery{Queue: queue})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, d := range page.Items {
		out = append(out, fmt.Sprintf("%s %s: %s", d.Body, d.Reason, d.LastError))
	}
	return out
}

// hand is a process that holds messages.
type hand struct {
	task.Consumer
	t    *testing.T
	mu   sync.Mutex
	got  []task.Delivery
	max  int // most deliveries in one call
	over bool
}

func (b *bed) consume(def task.Definition, window int) *hand {
	h := &hand{t: b.t}
	h.Consumer = b.Consume(&def, "run-"+def.Name, func(ds []task.Delivery) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.max = max(h.max, len(ds))
		h.got = append(h.got, ds...)
	})
	h.Window(window)
	return h
}

// take returns what has arrived since the last time.
func (h *hand) take() []task.Delivery {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.got
	h.got = nil
	return out
}

// enter takes what has arrived, and has handlers enter it.
func (h *hand) enter() []task.Delivery {
	ds := h.take()
	h.Entered(tags(ds))
	return ds
}

// expect takes what has arrived and compares its bodies.
func (h *hand) expect(bodies ...string) []task.Delivery {
	h.t.Helper()
	ds := h.take()
	if got := bodiesOf(ds); !slices.Equal(got, bodies) {
		h.t.Fatalf("handed out %v, want %v", got, bodies)
	}
	return ds
}

// settle ends all deliveries alike, in one batch.
func (h *hand) settle(status task.RunStatus, ds []task.Delivery, ops ...task.Op) {
	handled := task.Handled{Ops: ops}
	for _, d := range ds {
		handled.Messages = append(handled.Messages, task.HandledMessage{Tag: d.Tag, Status: status, Message: string(status)})
	}
	h.Handled(handled)
}

func tags(ds []task.Delivery) (out []uint64) {
	for _, d := range ds {
		out = append(out, d.Tag)
	}
	return out
}

func bodiesOf(ds []task.Delivery) (out []string) {
	for _, d := range ds {
		out = append(out, string(d.Message.Body))
	}
	return out
}

// kept are the bodies that the store has of a queue.
func (b *bed) kept(queue string) (out []string) {
	synctest.Wait()
	for _, m := range b.store.Messages(queue) {
		out = append(out, string(m.Body))
	}
	return out
}

// wants fails the test unless got is want.
func wants[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("%s: got %s, want %s", what, g, w)
	}
}

// refused fails the test unless err is a refusal with this code.
func refused(t *testing.T, err error, code string) *task.Error {
	t.Helper()
	var e *task.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want a refusal with code %q", err, code)
	}
	return e
}

// later waits on the virtual clock.
func later(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	<-ctx.Done()
	synctest.Wait()
}
