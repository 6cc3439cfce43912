package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAPostedMessageIsHandedOutAndGoneOnceItIsHandled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		posted := b.send("q", task.NewMessage{Body: []byte(`{ "n" : 1 }`), Key: "k", Source: "token x"})
		ds := h.expect(`{"n":1}`)
		m := ds[0].Message
		wants(t, "message", []any{m.ID, m.Key, m.Source, m.Size, m.Queue, m.Seq, ds[0].Attempt, ds[0].Alone}, []any{posted.ID, "k", "token x", 7, "q", 1, 1, false})
		h.Entered(tags(ds))
		wants(t, "in flight", b.status("q").InFlight, 1)
		h.settle(task.StatusSucceeded, ds)
		wants(t, "kept", b.kept("q"), nil)
		s := b.status("q")
		wants(t, "status", []any{s.Messages, s.Bytes, s.InFlight, s.Posted, s.Acked}, []any{0, 0, 0, 1, 1})
	})
}

func TestAMessageIsVisibleOnlyOnceItIsOnTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{Time: time.Minute}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.post("q", "1")
		}()
		later(59 * time.Second)
		h.expect()
		wants(t, "messages", b.status("q").Messages, 0)
		select {
		case <-done:
			t.Fatal("the post is answered before it is durable")
		default:
		}
		later(2 * time.Second)
		<-done
		h.expect("1")
	})
}

func TestMessagesAreHandedOutInTheirOrderInLargeParts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.post("q", "1", "2", "3", "4", "5")
		h := b.consume(consumes("q"), 3)
		ds := h.expect("1", "2", "3")
		wants(t, "part", h.max, 3)
		h.settle(task.StatusInterrupted, ds[1:2])
		ds = append(ds[:1], append(h.expect("2"), ds[2])...)
		h.settle(task.StatusSucceeded, ds)
		h.expect("4", "5")
	})
}

func TestNothingIsHandedOutBeyondTheWindowAndTwiceTheConcurrency(t *testing.T) {
	for name, c := range map[string]struct {
		consume task.Consume
		window  int
		want    int
	}{
		"no window":       {task.Consume{Concurrency: 4}, 0, 0},
		"window":          {task.Consume{Concurrency: 4}, 3, 3},
		"concurrency":     {task.Consume{Concurrency: 4}, 100, 8},
		"batches":         {task.Consume{Concurrency: 2, Batch: task.Batch{Size: 5}}, 100, 20},
		"none is one":     {task.Consume{}, 100, 2},
		"negative window": {task.Consume{Concurrency: 4}, -3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
				for range 50 {
					b.post("q", "1")
				}
				def := consumes("q")
				c.consume.Queue, def.Consume = "q", &c.consume
				h := b.consume(def, c.window)
				wants(t, "handed out", len(h.take()), c.want)
			})
		})
	}
}

func TestCompetingProcessesShareFairly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		def := consumes("q")
		hands := []*hand{b.consume(def, 20), b.consume(def, 20), b.consume(def, 2)}
		for range 30 {
			b.post("q", "1")
		}
		var got []int
		for _, h := range hands {
			got = append(got, len(h.take()))
		}
		wants(t, "shares", got, []int{14, 14, 2})
	})
}

func TestATaskGetsNoMessagesWhileItIsPaused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.Pause("worker", true)
		h := b.consume(consumes("q"), 10)
		b.post("q", "1")
		h.expect()
		s := b.status("q")
		wants(t, "consumers", s.Consumers, []task.ConsumerView{{Task: "worker", Run: "run-worker", Paused: true}})
		b.Pause("worker", false)
		h.expect("1")
	})
}

func TestARateIsSharedByAllProcessesOfATask(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		def := consumes("q", func(d *task.Definition) { d.Consume.Rate, d.Consume.Per = 600, time.Minute })
		for range 200 {
			b.post("q", "1")
		}
		one, two := b.consume(def, 500), b.consume(def, 500)
		wants(t, "at once", len(one.take())+len(two.take()), 10)
		later(time.Second + time.Millisecond)
		wants(t, "after a second", len(one.take())+len(two.take()), 10)
		one.Close("")
		two.Close("")
		three := b.consume(def, 500)
		wants(t, "a new process", len(three.take()), 0)
		later(500 * time.Millisecond)
		wants(t, "half a second later", len(three.take()), 5)
	})
}

func TestASlowRateLetsOneThroughAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q", func(d *task.Definition) { d.Consume.Rate, d.Consume.Per = 2, time.Hour }), 10)
		b.post("q", "1", "2", "3")
		h.expect("1")
		later(29 * time.Minute)
		h.expect()
		later(time.Minute + time.Second)
		h.expect("2")
	})
}

func TestAMessageThatIsOlderThanMaxAgeIsADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		queues := []task.Queue{spec("q", func(q *task.Queue) { q.MaxAge = 10 * time.Minute })}
		b := lay(t, store, nil, queues)
		h := b.consume(consumes("q"), 1)
		b.post("q", `"in flight"`, `"waits"`)
		later(10*time.Minute - time.Second)
		wants(t, "dead", b.dead("q"), nil)
		later(2 * time.Second)
		wants(t, "dead", b.dead("q"), []string{`"waits" expired: it waited longer than max_age`})
		ds := h.take()
		h.settle(task.StatusFailed, ds)
		wants(t, "dead", b.dead("q"), []string{`"waits" expired: it waited longer than max_age`, `"in flight" expired: failed`})
		wants(t, "messages", b.status("q").Messages, 0)

		b.post("q", `"over night"`)
		b.Close()
		later(time.Hour)
		b = lay(t, store, nil, queues)
		wants(t, "dead after Open", len(b.dead("q")), 3)
		wants(t, "kept", b.kept("q"), nil)
	})
}

func TestAQueueThatIsNotDeclaredAnyMoreIsOnlyToBeSeenAndPurged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		b := lay(t, store, nil, []task.Queue{spec("old"), spec("q")}, consumes("old"))
		b.post("old", "1", "2")
		b.Close()
		b = lay(t, store, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("old"), 10)
		h.expect()
		s := b.status("old")
		wants(t, "status", []any{s.Declared, s.Messages}, []any{false, 2})
		_, err := b.Post(t.Context(), "old", task.NewMessage{Body: []byte("3")})
		refused(t, err, task.CodeQueueUnknown)
		page, err := b.Peek(t.Context(), "old", 0, "")
		wants(t, "peek", []any{len(page.Items), err}, []any{2, nil})
		n, err := b.Purge(t.Context(), "old", false, "eva")
		wants(t, "purge", []any{n, err}, []any{2, nil})
		if _, ok := b.Queue("old"); ok {
			t.Error("the queue is still to be seen although nothing is left of it")
		}
		_, err = b.Peek(t.Context(), "old", 0, "")
		refused(t, err, task.CodeQueueUnknown)

		b.Define([]task.Queue{spec("old"), spec("q")}, nil)
		b.post("old", "4")
		h.expect("4")
	})
}

func TestAReloadLetsQueuesGoAndLoseNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 1)
		b.post("q", "1", "2")
		ds := h.expect("1")
		b.Define(nil, nil)
		h.settle(task.StatusSucceeded, ds)
		h.expect()
		wants(t, "kept", b.kept("q"), []string{"2"})
		b.Define([]task.Queue{spec("q")}, nil)
		h.expect("2")
	})
}

func TestWhoPutsIntoAQueueIsToBeSeen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		out := func(name string) task.Definition {
			return task.Definition{Name: name, Outputs: map[string]string{"a": "q", "b": "q", "c": "other"}}
		}
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q"), spec("p")}, out("z"), out("a"))
		wants(t, "producers", b.status("q").Producers, []string{"a", "z"})
		var names []string
		for _, s := range b.Queues() {
			names = append(names, s.Name)
		}
		wants(t, "queues", names, []string{"p", "q"})
	})
}

func TestNothingIsTakenBeforeOpenAndAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := New(Config{Store: &hosttest.QueueStore{}})
		b.Define([]task.Queue{spec("q")}, nil)
		if _, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("1")}); err != errNotOpen {
			t.Errorf("before Open: %v", err)
		}
		if err := b.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Close()
		b.Close()
		if _, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("1")}); err != errClosed {
			t.Errorf("after Close: %v", err)
		}
		synctest.Wait()
	})
}

func TestMessagesThatArePostedTogetherKeepTheirOrderAndShareTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{Time: time.Second}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxMessages = 4 })})
		began := time.Now()
		var ms []task.NewMessage
		for _, body := range []string{`1`, `2`, `{`, `3`, `4`, `5`} {
			ms = append(ms, task.NewMessage{Body: []byte(body)})
		}
		posted, errs := b.PostAll(t.Context(), "q", ms)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("six messages took %s, as if each had waited for the disk by itself", took)
		}
		for i, err := range errs {
			if wrong := i == 2 || i == 5; (err != nil) != wrong || (posted[i].ID == "") != wrong {
				t.Errorf("message %d: %+v, %v", i, posted[i], err)
			}
		}
		refused(t, errs[5], task.CodeQueueFull)
		wants(t, "in order", b.consume(consumes("q"), 10).take()[0].Message.ID, posted[0].ID)
		wants(t, "kept", b.kept("q"), []string{"1", "2", "3", "4"})
	})
}
