package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestBodiesBeyondTheBudgetAreReadBackInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q"), spec("p")})
		b.cache.limit = 100
		var want []string
		for i := range 900 {
			want = append(want, fmt.Sprintf(`"message %03d"`, i))
		}
		b.post("p", want[0])
		b.post("q", want...)
		if b.cache.used > 100 {
			t.Fatalf("%d bytes are kept", b.cache.used)
		}
		h := b.consume(consumes("q", func(d *task.Definition) { d.Consume.Concurrency = 1000 }), 10)
		var got []string
		for range 400 {
			ds := h.take()
			got = append(got, bodiesOf(ds)...)
			h.settle(task.StatusSucceeded, ds)
		}
		wants(t, "order", strings.Join(got, " "), strings.Join(want, " "))
		_, _, reads := b.store.Counts()
		if reads < 3 || reads > 10 {
			t.Errorf("bodies were read %d times", reads)
		}
		wants(t, "used", b.cache.used, int64(len(want[0])))
	})
}

func TestABacklogIsReadWithoutItsBodies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		b := lay(t, store, nil, []task.Queue{spec("q")})
		b.post("q", "1", "2")
		b.Close()
		b = lay(t, store, nil, []task.Queue{spec("q")})
		s := b.status("q")
		_, _, reads := store.Counts()
		wants(t, "status", []any{s.Messages, s.Bytes, s.Ready, reads}, []any{2, 2, 2, 0})
		h := b.consume(consumes("q"), 10)
		ds := h.expect("1", "2")
		h.settle(task.StatusInterrupted, ds)
		h.expect("1", "2") // read once more
	})
}

func TestAMessageThatTheStoreDoesNotHaveAnyMoreIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		b := lay(t, store, nil, []task.Queue{spec("q")})
		b.post("q", "1", "2")
		b.Close()
		b = lay(t, store, nil, []task.Queue{spec("q")})
		done := make(chan error, 1)
		store.WriteQueues(&task.QueueWrite{Delete: []uint64{1}, Done: func(err error) { done <- err }})
		<-done
		b.consume(consumes("q"), 10).expect("2")
		wants(t, "messages", b.status("q").Messages, 1)
	})
}

func TestAMessageThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	for _, order := range []string{"", "n"} {
		inBubble(t, func(t *testing.T) {
			store := &hosttest.QueueStore{}
			b := lay(t, store, nil, []task.Queue{spec("q"), spec("p")})
			b.post("q", `{"n":1}`, `{"n":2}`, `{"n":3}`)
			b.post("p", "4")
			b.Close()
			store.Broken = 2
			def := consumes("q", func(d *task.Definition) { d.Consume.OrderBy = order })
			b = lay(t, store, nil, []task.Queue{spec("q"), spec("p")}, def)
			h := b.consume(def, 10)
			h.settle(task.StatusSucceeded, h.expect(`{"n":1}`, `{"n":3}`))
			b.consume(consumes("p"), 10).expect("4")
			later(time.Hour)
			s := b.status("q")
			wants(t, "status", []int{s.Messages, s.Delayed}, []int{1, 1})
			n, err := b.Purge(t.Context(), "q", false, "eva")
			wants(t, "purge", []any{n, err}, []any{1, nil})
		})
	}
}
