package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func orderedBy(field string) func(*task.Definition) {
	return func(d *task.Definition) { d.Consume.OrderBy = field }
}

func TestTheLaneOfAMessage(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, c := range map[string]struct{ orderBy, key, body, want string }{
		"no order":       {"", "k", `{"a":1}`, ""},
		"key":            {task.OrderByKey, "k", `{"a":1}`, "k"},
		"no key":         {task.OrderByKey, "", `{"a":1}`, ""},
		"field":          {"a", "k", `{"b":2,"a":1}`, "1"},
		"text":           {"a", "", `{"a":"1"}`, `"1"`},
		"object":         {"a", "", `{"a":{"b":[1,2]}}`, `{"b":[1,2]}`},
		"missing":        {"a", "k", `{"b":{"a":1}}`, ""},
		"null":           {"a", "k", `{"a":null}`, ""},
		"no object":      {"a", "k", `[1]`, ""},
		"the last of it": {"a", "", `{"a":1,"a":2}`, "2"},
		"odd name":       {"ä.b", "", `{"\u00e4.b":3}`, "3"},
	} {
		if got := laneOf(c.orderBy, c.key, json.RawMessage(c.body)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := laneKey(long); len(got) > 64 || got == laneKey(long+"x") {
		t.Errorf("a long text has the lane %q", got)
	}
}

func TestOneOfAKeyIsHandledAtATimeOverAllConsumers(t *testing.T) {
	for name, order := range map[string]string{"by key": task.OrderByKey, "by field": "user"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				def := consumes("q", orderedBy(order))
				b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")}, def)
				one, two := b.consume(def, 1), b.consume(def, 5)
				send := func(user string, n int) string {
					body := fmt.Sprintf(`{"user":%q,"n":%d}`, user, n)
					b.send("q", task.NewMessage{Key: user, Body: json.RawMessage(body)})
					return body
				}
				a1, a2, b1, a3 := send("a", 1), send("a", 2), send("b", 1), send("a", 3)
				first := one.expect(a1)
				other := two.expect(b1)
				one.settle(task.StatusFailed, first)
				one.expect()
				two.expect() // the head of the key waits for its time, and nothing passes it
				wants(t, "ready", []int{b.status("q").Ready, b.status("q").Delayed}, []int{0, 1})
				later(1500 * time.Millisecond)
				first = one.expect(a1)
				two.settle(task.StatusSucceeded, other)
				one.settle(task.StatusSucceeded, first)
				hands := map[*hand][]task.Delivery{one: one.take(), two: two.take()}
				wants(t, "second", bodiesOf(append(hands[one], hands[two]...)), []string{a2})
				for h, ds := range hands {
					h.settle(task.StatusPermanent, ds)
				}
				wants(t, "third", bodiesOf(append(one.take(), two.take()...)), []string{a3})
			})
		})
	}
}

func TestTheNextOfAKeyComesOnceTheOneBeforeItIsGoneFromTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		def := consumes("q", orderedBy(task.OrderByKey))
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")}, def)
		h := b.consume(def, 5)
		b.send("q", task.NewMessage{Key: "k", Body: []byte("1")})
		b.send("q", task.NewMessage{Key: "k", Body: []byte("2")})
		ds := h.expect("1")
		b.store.SetFence(hosttest.Unavailable)
		h.settle(task.StatusSucceeded, ds)
		h.expect()
		b.store.SetFence(nil)
		later(time.Second)
		h.expect("2")
	})
}

func TestMessagesOfOneKeyThatAreDroppedOrPurgedHoldUpNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		def := consumes("q", orderedBy(task.OrderByKey))
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(3, task.OverflowDropOldest))}, def)
		for _, body := range []string{"1", "2", "3", "4"} { // drops 1
			b.send("q", task.NewMessage{Key: "k", Body: []byte(body)})
		}
		h := b.consume(def, 5)
		ds := h.expect("2")
		n, err := b.Purge(t.Context(), "q", false, "eva")
		wants(t, "purge", []any{n, err}, []any{2, nil})
		b.send("q", task.NewMessage{Key: "k", Body: []byte("5")})
		h.expect()
		h.settle(task.StatusSucceeded, ds)
		h.expect("5")
	})
}

func TestABacklogIsOrderedByAFieldBeforeAnythingIsHandedOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		plain := consumes("q")
		ordered := consumes("q", orderedBy("user"))
		queues := []task.Queue{spec("q", func(q *task.Queue) { q.MaxMessages = 10_000 })}
		b := lay(t, store, nil, queues, plain)
		for i := range 1000 {
			b.post("q", fmt.Sprintf(`{"user":%d,"n":%d}`, i%2, i))
		}
		b.Close()
		store.Time = time.Second
		b = lay(t, store, nil, queues, ordered)
		h := b.consume(ordered, 100)
		h.expect()
		later(10 * time.Second)
		ds := h.expect(`{"user":0,"n":0}`, `{"user":1,"n":1}`)
		h.settle(task.StatusSucceeded, ds)
		later(10 * time.Second)
		ds = h.expect(`{"user":0,"n":2}`, `{"user":1,"n":3}`)

		// A reload may take the order away, or ask for another one.
		b.Define(queues, []task.Definition{plain})
		later(10 * time.Second)
		wants(t, "all at once", len(h.take()), 98)
		h.Close("")
		b.Define(queues, []task.Definition{consumes("q", orderedBy("none"))})
		h = b.consume(ordered, 50)
		later(10 * time.Second)
		wants(t, "without such a field", len(h.take()), 50)
		wants(t, "first", len(ds), 2)
	})
}
