package queue

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// bounded changes a queue to hold n messages.
func bounded(n int, o task.Overflow) func(*task.Queue) {
	return func(q *task.Queue) { q.MaxMessages, q.Overflow = n, o }
}

func TestAFullQueueRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, task.OverflowReject))})
		h := b.consume(consumes("q"), 1)
		b.post("q", "1", "2")
		for range 3 {
			_, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("3")})
			refused(t, err, task.CodeQueueFull)
		}
		wants(t, "told once", len(b.told(kindFull)), 1)
		h.settle(task.StatusSucceeded, h.enter())
		b.status("q")
		b.post("q", "3")
		h.settle(task.StatusSucceeded, h.take())
		b.status("q")
		h.settle(task.StatusSucceeded, h.take())
		s := b.status("q")
		wants(t, "counts", []any{s.Messages, s.Posted, s.Rejected}, []any{0, 3, 3})
		b.post("q", "4", "5")
		b.Post(t.Context(), "q", task.NewMessage{Body: []byte("6")})
		wants(t, "told once more", len(b.told(kindFull)), 2)
	})
}

func TestTheBytesOfAQueueAreBoundedToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxBytes = 10 })})
		b.post("q", `"123456"`)
		_, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("123")})
		refused(t, err, task.CodeQueueFull)
		b.post("q", "12")
		_, err = b.Post(t.Context(), "q", task.NewMessage{Body: []byte("12345678901")})
		refused(t, err, task.CodeMessageTooBig)
		wants(t, "bytes", b.status("q").Bytes, 10)
	})
}

func TestMessagesThatCannotBeTakenAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("urls")})
		b.send("urls", task.NewMessage{ID: "used", Body: []byte("[1, 2]")})
		for name, c := range map[string]struct {
			queue string
			m     task.NewMessage
			code  string
			text  string
		}{
			"unknown queue": {"url", task.NewMessage{Body: []byte("1")}, task.CodeQueueUnknown, `did you mean "urls"?`},
			"odd queue":     {strings.Repeat("/", 1<<16), task.NewMessage{Body: []byte("1")}, task.CodeQueueUnknown, "list the queues"},
			"no JSON":       {"urls", task.NewMessage{Body: []byte("{,}")}, task.CodeInvalid, "not JSON"},
			"nothing":       {"urls", task.NewMessage{}, task.CodeInvalid, "not JSON"},
			"two values":    {"urls", task.NewMessage{Body: []byte("1 2")}, task.CodeInvalid, "not JSON"},
			"large":         {"urls", task.NewMessage{Body: json.RawMessage(`"` + strings.Repeat("x", task.MaxMessageBytes) + `"`)}, task.CodeMessageTooBig, "takes up to"},
			"deep":          {"urls", task.NewMessage{Body: json.RawMessage(strings.Repeat("[", 100_000))}, task.CodeInvalid, "not JSON"},
			"derived id":    {"urls", task.NewMessage{ID: "~x", Body: []byte("1")}, task.CodeInvalid, "derived"},
			"long id":       {"urls", task.NewMessage{ID: strings.Repeat("x", 129), Body: []byte("1")}, task.CodeInvalid, "128 bytes"},
			"odd id":        {"urls", task.NewMessage{ID: "a\nb", Body: []byte("1")}, task.CodeInvalid, "printable"},
			"odd key":       {"urls", task.NewMessage{Key: "\xff", Body: []byte("1")}, task.CodeInvalid, "printable"},
			"long key":      {"urls", task.NewMessage{Key: strings.Repeat("k", 257), Body: []byte("1")}, task.CodeInvalid, "256 bytes"},
			"reused id":     {"urls", task.NewMessage{ID: "used", Body: []byte("[1]")}, task.CodeIDReused, "used"},
		} {
			_, err := b.Post(t.Context(), c.queue, c.m)
			if e := refused(t, err, c.code); !strings.Contains(e.Error(), c.text) || len(e.Error()) > 1000 {
				t.Errorf("%s: %v, want a word of %q", name, e, c.text)
			}
		}
		p := b.send("urls", task.NewMessage{ID: "used", Body: []byte("[1,2]")})
		wants(t, "the same again", p, task.Posted{ID: "used", Duplicate: true})
		wants(t, "kept", b.kept("urls"), []string{"[1,2]"})
		wants(t, "reserved", b.lines["urls"].reserved, room{})
	})
}

func TestTheOldestIsDroppedForANewMessageButNeverOneInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(3, task.OverflowDropOldest))})
		h := b.consume(consumes("q"), 1)
		b.post("q", "1")
		ds := h.expect("1")
		b.post("q", "2", "3", "4", "5")
		wants(t, "kept", b.kept("q"), []string{"1", "4", "5"})
		h.Window(3)
		h.expect("4", "5")
		_, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("6")})
		refused(t, err, task.CodeQueueFull)
		h.Window(0)
		h.settle(task.StatusFailed, ds[:1])
		b.post("q", "7") // for it goes what waits for its time
		wants(t, "kept", b.kept("q"), []string{"4", "5", "7"})
		s := b.status("q")
		wants(t, "counts", []any{s.Dropped, s.Rejected, s.Messages}, []any{3, 1, 3})
		later(time.Second)
		wants(t, "events", b.told(KindDropped), []string{"q: 3"})
	})
}

func TestADuplicateDropsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, task.OverflowDropOldest))})
		b.post("q", "1")
		b.send("q", task.NewMessage{ID: "used", Body: []byte("2")})
		p := b.send("q", task.NewMessage{ID: "used", Body: []byte("2")})
		wants(t, "the same again", p, task.Posted{ID: "used", Duplicate: true})
		wants(t, "kept", b.kept("q"), []string{"1", "2"})
		s := b.status("q")
		wants(t, "counts", []any{s.Dropped, s.Duplicate, s.Ready}, []any{0, 1, 2})
		b.post("q", "3")
		wants(t, "kept after one more", b.kept("q"), []string{"2", "3"})
	})
}

func TestAFloodThatDropsIsNoFloodOfEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(1, task.OverflowDropOldest))})
		for range 1001 {
			b.post("q", "1")
		}
		later(2 * time.Second)
		wants(t, "events", b.told(KindDropped), []string{"q: 1000"})
	})
}

func TestAFloodOfDeadLettersIsNoFloodOfEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxAge = time.Minute })})
		for range 100 {
			b.post("q", "1")
		}
		later(2 * time.Minute)
		events := b.told(KindDead)
		wants(t, "events", []any{len(events), events[maxNotices]}, []any{maxNotices + 1, "q: 80 more"})
		wants(t, "one of them", strings.HasSuffix(events[0], " expired") && strings.HasPrefix(events[0], "q/"), true)
	})
}

func TestADropThatCannotBeWrittenIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, task.OverflowDropOldest))})
		b.post("q", "1", "2")
		b.store.SetFence(hosttest.Unavailable)
		_, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("3")})
		refused(t, err, codeUnavailable)
		h := b.consume(consumes("q"), 2)
		ds := h.expect("1", "2")
		h.settle(task.StatusInterrupted, ds)
		wants(t, "dropped", b.status("q").Dropped, 0)
	})
}

func TestAProducerWaitsForRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, task.OverflowBlock))})
		h := b.consume(consumes("q"), 1)
		b.post("q", "1", "2")
		var posts sync.WaitGroup
		for _, body := range []string{"3", "4", "5"} {
			posts.Go(func() { b.post("q", body) })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.Post(ctx, "q", task.NewMessage{Body: []byte("6")})
		refused(t, err, task.CodeQueueFull)
		wants(t, "kept", b.kept("q"), []string{"1", "2"})
		wants(t, "events", len(b.told(kindFull)), 1)
		for _, want := range []string{"1", "2", "3", "4", "5"} {
			h.settle(task.StatusSucceeded, h.expect(want))
		}
		posts.Wait()
		wants(t, "kept", b.kept("q"), nil)
		wants(t, "rejected", b.status("q").Rejected, 1)
	})
}

func TestWhoWaitsForRoomIsToldWhenTheQueueIsGoneOrTheHostEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		queues := []task.Queue{spec("q", bounded(1, task.OverflowBlock)), spec("p", bounded(1, task.OverflowBlock))}
		b := lay(t, &hosttest.QueueStore{}, nil, queues)
		errs := make(chan error, 2)
		for _, q := range queues {
			b.post(q.Name, "1")
			go func() {
				_, err := b.Post(context.Background(), q.Name, task.NewMessage{Body: []byte("2")})
				errs <- err
			}()
		}
		synctest.Wait()
		b.Define(queues[:1], nil)
		refused(t, <-errs, task.CodeQueueUnknown)
		b.Close()
		if err := <-errs; !errors.Is(err, errClosed) {
			t.Errorf("got %v, want %v", err, errClosed)
		}
	})
}

func TestACommitTakesRoomInAllItsQueuesOrHoldsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{
			spec("a", bounded(1, task.OverflowBlock)), spec("b", bounded(1, task.OverflowBlock)), spec("c", bounded(1, task.OverflowReject)),
		})
		outputs := map[string]string{"a": "a", "b": "b", "c": "c"}
		commit := func(to ...string) error {
			c := task.EmitCommit{Task: "t", Run: "r", Outputs: outputs}
			for _, o := range to {
				c.Ops = append(c.Ops, task.Op{Kind: task.OpEmit, Output: o, Value: []byte("2")})
			}
			return b.Commit(t.Context(), c)
		}
		b.post("b", "1")
		done := make(chan error, 1)
		go func() { done <- commit("a", "b") }()
		synctest.Wait()
		wants(t, "reserved in a", b.lines["a"].reserved, room{})
		b.post("c", "1")
		refused(t, commit("b", "c"), task.CodeQueueFull) // c refuses at once, whatever b does
		refused(t, commit("a", "a"), task.CodeQueueFull) // can never be
		n, err := b.Purge(t.Context(), "b", false, "eva")
		wants(t, "purge", []any{n, err}, []any{1, nil})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wants(t, "kept", []any{b.kept("a"), b.kept("b")}, []any{[]string{"2"}, []string{"2"}})
	})
}

func TestAHandlerThatEmitsIntoAFullQueueWaitsAndBlocksNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q"), spec("out", bounded(1, task.OverflowBlock))})
		h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out"} }), 2)
		b.post("out", `"before"`)
		b.post("q", "1", "2", "3", "4")
		ds := h.enter()
		emit := task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte(`"after"`)}
		h.settle(task.StatusSucceeded, ds[:1], emit)
		h.expect() // nothing more while its producer waits
		h.settle(task.StatusSucceeded, ds[1:])
		wants(t, "kept", b.kept("q"), []string{"1", "3", "4"})
		wants(t, "in flight", b.status("q").InFlight, 1)
		sink := b.consume(consumes("out", func(d *task.Definition) { d.Name = "sink" }), 1)
		sink.settle(task.StatusSucceeded, sink.expect(`"before"`))
		sink.expect(`"after"`)
		h.expect("3", "4")
		wants(t, "kept", b.kept("q"), []string{"3", "4"})
	})
}

func TestAHandlerMayEmitIntoItsOwnFullQueue(t *testing.T) {
	for _, o := range []task.Overflow{task.OverflowReject, task.OverflowBlock, task.OverflowDropOldest} {
		inBubble(t, func(t *testing.T) {
			b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, o))})
			h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "q"} }), 1)
			b.post("q", "1", "2")
			h.settle(task.StatusSucceeded, h.enter(), task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte("3")})
			wants(t, string(o), b.kept("q"), []string{"2", "3"})
			wants(t, "dropped", b.status("q").Dropped, 0)
		})
	}
}

func TestAHandlerWhoseMessageMakesRoomForItsEmitWaitsBehindNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(2, task.OverflowBlock))})
		h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "q"} }), 1)
		b.post("q", "1", "2")
		var posts sync.WaitGroup
		posts.Go(func() { b.post("q", "3") }) // waits for room, which only handlers make
		h.settle(task.StatusSucceeded, h.enter(), task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte(`"4 is longer"`)})
		wants(t, "kept", b.kept("q"), []string{"2", `"4 is longer"`})
		h.settle(task.StatusSucceeded, h.expect("2"))
		posts.Wait()
		wants(t, "kept once there is room", b.kept("q"), []string{`"4 is longer"`, "3"})
	})
}

func TestAHandlerMayEmitIntoItsOwnQueueThatHoldsTooMuch(t *testing.T) {
	for _, o := range []task.Overflow{task.OverflowReject, task.OverflowBlock, task.OverflowDropOldest} {
		inBubble(t, func(t *testing.T) {
			b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(3, o))})
			h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "q"} }), 1)
			b.post("q", "1", "2", "3")
			b.Define([]task.Queue{spec("q", bounded(1, o))}, nil) // loses nothing: it is full
			h.settle(task.StatusSucceeded, h.enter(), task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte("4")})
			wants(t, string(o), b.kept("q"), []string{"2", "3", "4"})
		})
	}
}

// One commit waits for room in two queues, of which one is full. Who is to make room there needs the other one.
func TestWhoLacksRoomInOneQueueHoldsNobodyUpInAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("a", bounded(1, task.OverflowBlock)), spec("b", bounded(2, task.OverflowBlock))})
		h := b.consume(consumes("a", func(d *task.Definition) { d.Outputs = map[string]string{"o": "b"} }), 1)
		b.post("a", "1")
		m := h.enter()
		emit := func(out, value string) task.Op {
			return task.Op{Kind: task.OpEmit, Output: out, ID: "~" + value, Value: []byte(value)}
		}
		var commits sync.WaitGroup
		commits.Go(func() {
			c := task.EmitCommit{Task: "both", Run: "r", Outputs: map[string]string{"a": "a", "b": "b"}, Ops: []task.Op{emit("a", "2"), emit("b", "3")}}
			if err := b.Commit(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // it waits for room in a
		commits.Go(func() { b.post("b", "4") })
		synctest.Wait()
		wants(t, "b goes on", b.kept("b"), []string{"4"})
		h.settle(task.StatusSucceeded, m, emit("o", "5"))
		synctest.Wait()
		wants(t, "what was in the way goes on", b.kept("a"), nil)
		wants(t, "b is full", b.kept("b"), []string{"4", "5"})
		drain := b.consume(consumes("b", func(d *task.Definition) { d.Name = "drain" }), 1)
		drain.settle(task.StatusSucceeded, drain.enter())
		commits.Wait()
		wants(t, "both have room", b.kept("a"), []string{"2"})
		wants(t, "both have room", b.kept("b"), []string{"5", "3"})
	})
}
