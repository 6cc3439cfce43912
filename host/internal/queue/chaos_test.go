package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// storm is a pipeline of two queues over a store that is slow, refuses some writes and takes none at times. Its
// processes fail, crash, return and give messages back.
type storm struct {
	b    *bed
	rnd  *rand.Rand
	stop chan struct{}

	mu     sync.Mutex
	posted map[string]bool // ids that were acknowledged to their producers
}

// chance reports true once in n times.
func (s *storm) chance(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n) == 0
}

func (s *storm) sleep(most time.Duration) bool {
	s.mu.Lock()
	timer := time.NewTimer(time.Duration(s.rnd.Int64N(int64(most))))
	s.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stop:
		return false
	}
}

// produce posts messages under ids of its own, each until it is taken.
func (s *storm) produce(name string, n int) {
	for i := range n {
		id := fmt.Sprintf("%s-%d", name, i)
		m := task.NewMessage{ID: id, Key: name, Body: json.RawMessage(fmt.Sprintf("%q", id))}
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := s.b.Post(ctx, "in", m)
			cancel()
			if err == nil {
				break
			}
			var refusal *task.Error
			if !errors.As(err, &refusal) {
				s.b.t.Errorf("post %s: %v", id, err)
				return
			}
			s.sleep(100 * time.Millisecond)
		}
		s.mu.Lock()
		s.posted[id] = true
		s.mu.Unlock()
	}
}

// process handles messages until it crashes, returns or is stopped; then comes the next one.
func (s *storm) process(def task.Definition, work func(d task.Delivery) []task.Op) {
	for {
		over := make(chan struct{})
		arrived := make(chan []task.Delivery, 100)
		c := s.b.Consume(&def, task.NewID(time.Now()), func(ds []task.Delivery) { arrived <- ds })
		c.Window(8)
		var handlers sync.WaitGroup
		crash := s.live(c, arrived, over, &handlers, work)
		close(over)
		handlers.Wait()
		c.Close(crash)
		if !s.sleep(50 * time.Millisecond) {
			return
		}
	}
}

func (s *storm) live(c task.Consumer, arrived chan []task.Delivery, over chan struct{}, handlers *sync.WaitGroup, work func(d task.Delivery) []task.Op) (crash string) {
	for {
		select {
		case <-s.stop:
			return ""
		case ds := <-arrived:
			for _, d := range ds {
				handlers.Go(func() { s.handle(c, d, over, work) })
			}
			switch {
			case s.chance(40):
				return "exit 1"
			case s.chance(40):
				return ""
			}
		}
	}
}

func (s *storm) handle(c task.Consumer, d task.Delivery, over chan struct{}, work func(d task.Delivery) []task.Op) {
	m := task.HandledMessage{Tag: d.Tag, Status: task.StatusInterrupted}
	if s.chance(10) {
		c.Handled(task.Handled{Messages: []task.HandledMessage{m}})
		return
	}
	c.Entered([]uint64{d.Tag})
	if !s.sleep(30 * time.Millisecond) {
		return
	}
	select {
	case <-over:
		return // its process is gone
	default:
	}
	m.Status = task.StatusSucceeded
	if s.chance(10) {
		m.Status, m.Message = task.StatusFailed, "by chance"
	}
	c.Handled(task.Handled{Messages: []task.HandledMessage{m}, Ops: work(d)})
}

// weather lets the store be slow, and take no writes at times.
func (s *storm) weather() {
	for s.sleep(400 * time.Millisecond) {
		s.b.store.SetFence(hosttest.Unavailable)
		up := s.sleep(200 * time.Millisecond)
		s.b.store.SetFence(nil)
		if !up {
			return
		}
	}
}

func TestNothingIsLostAndNothingDoubledInAStorm(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { inBubble(t, func(t *testing.T) { blow(t, seed) }) })
	}
}

func blow(t *testing.T, seed uint64) {
	s := &storm{
		rnd: rand.New(rand.NewPCG(seed, 1)), stop: make(chan struct{}),
		posted: map[string]bool{},
	}
	overflow := []task.Overflow{task.OverflowBlock, task.OverflowReject}[seed%2]
	queue := func(name string, n int, o task.Overflow) task.Queue {
		return spec(name, bounded(n, o), func(q *task.Queue) {
			q.MaxDeliveries, q.Redeliver = 1000, task.Redeliver{Backoff: time.Millisecond, MaxBackoff: 50 * time.Millisecond}
		})
	}
	in := consumes("in", func(d *task.Definition) {
		d.Name, d.Consume.Concurrency, d.Consume.OrderBy, d.Outputs = "in", 4, task.OrderByKey, map[string]string{"o": "out"}
	})
	out := consumes("out", func(d *task.Definition) { d.Name, d.Consume.Concurrency, d.Groups = "out", 4, []string{"g"} })
	store := &hosttest.QueueStore{Time: 2 * time.Millisecond}
	store.Refuse = func(w *task.QueueWrite) error {
		if len(w.Ops)+len(w.Put) > 0 && s.chance(30) {
			return &task.Error{Code: "limit", Detail: "by chance"}
		}
		return nil
	}
	s.b = lay(t, store, newGate(6), []task.Queue{queue("in", 20, task.OverflowBlock), queue("out", 10, overflow)}, in, out)
	s.b.cache.limit = 200

	var crew sync.WaitGroup
	crew.Go(s.weather)
	for range 2 {
		crew.Go(func() { s.process(in, s.forward) })
		crew.Go(func() { s.process(out, swallow) })
	}
	var producers sync.WaitGroup
	for i := range 5 {
		producers.Go(func() { s.produce(fmt.Sprint("p", i), 40) })
	}
	producers.Wait()
	for began := time.Now(); s.b.status("in").Messages+s.b.status("out").Messages > 0; later(100 * time.Millisecond) {
		if time.Since(began) > time.Hour {
			t.Fatalf("messages are stuck: %+v\n%+v", s.b.status("in"), s.b.status("out"))
		}
	}
	close(s.stop)
	crew.Wait()
	synctest.Wait()
	s.judge(t)
}

// swallow is a handler at the end of the pipeline.
func swallow(task.Delivery) []task.Op { return nil }

// forward hands a message on, under an id that is derived from it; no two of one key are forwarded at a time.
func (s *storm) forward(d task.Delivery) []task.Op {
	return []task.Op{
		{Kind: task.OpSave, Key: "last", Value: d.Message.Body},
		{Kind: task.OpEmit, Output: "o", ID: "~" + d.Message.ID, Key: d.Message.Key, Value: d.Message.Body},
	}
}

// judge compares what was acknowledged to producers with what was committed between the queues.
func (s *storm) judge(t *testing.T) {
	saved := map[string]int{}
	last := map[string]int{}
	for _, op := range s.b.store.Ops() {
		id := string(op.Value[1 : len(op.Value)-1])
		saved[id]++
		var name string
		var n int
		if _, err := fmt.Sscanf(id, "p%1s-%d", &name, &n); err != nil {
			t.Fatal(err)
		}
		if n != last[name] {
			t.Errorf("message %s was handled out of its order: %d was due", id, last[name])
		}
		last[name] = n + 1
	}
	for id := range s.posted {
		if saved[id] != 1 {
			t.Errorf("message %s was committed %d times", id, saved[id])
		}
	}
	st := s.b.status("out")
	if int(st.Posted) != len(s.posted) || st.Acked != st.Posted || len(saved) != len(s.posted) {
		t.Errorf("%d messages were posted, %d forwarded, %d acknowledged", len(s.posted), st.Posted, st.Acked)
	}
	for name, l := range s.b.lines {
		if l.reserved != (room{}) || len(l.all) > 64 || len(l.waiters) > 0 || len(l.lanes) > 0 {
			t.Errorf("queue %s keeps something: %+v, %d places, %d waiters, %d keys", name, l.reserved, len(l.all), len(l.waiters), len(l.lanes))
		}
	}
	if g := s.b.cfg.Gate.(*gate); len(g.inside)+len(g.through) > 0 {
		t.Errorf("%d tickets are left", len(g.inside)+len(g.through))
	}
	if dead := s.b.dead("in"); len(dead) > 0 {
		t.Errorf("dead letters: %v", dead)
	}
}
