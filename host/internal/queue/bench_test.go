package queue

import (
	"context"
	"encoding/json"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// instant is a store that has everything on its disk at once, and keeps nothing.
type instant struct {
	seq     uint64
	mu      sync.Mutex
	pending []*task.QueueWrite
	at      bool
}

func (s *instant) WriteQueues(w *task.QueueWrite) {
	s.mu.Lock()
	s.pending = append(s.pending, w)
	first := !s.at
	s.at = true
	s.mu.Unlock()
	if first {
		go s.write()
	}
}

func (s *instant) write() {
	var batch []*task.QueueWrite
	for {
		s.mu.Lock()
		batch, s.pending = s.pending, batch[:0]
		if s.at = len(batch) > 0; !s.at {
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, w := range batch {
			for i := range w.Put {
				s.seq++
				w.Put[i].Message.Seq = s.seq
			}
			w.Done(nil)
		}
		clear(batch)
	}
}

func (*instant) Backlog(context.Context, func(task.Message) error) error { return nil }
func (*instant) DeadCounts(context.Context) (map[string]int, error)      { return nil, nil }
func (*instant) SetQueue(string, task.DeadLetters)                       {}

func (*instant) Bodies(context.Context, []uint64) ([]json.RawMessage, error) { return nil, nil }

func (*instant) DeadLetters(context.Context, task.DeadQuery) (task.Page[task.DeadLetter], error) {
	return task.Page[task.DeadLetter]{}, nil
}

// BenchmarkCycle is the whole way of a message of 512 bytes: posted, handed out, entered, handled, gone. The consumer
// settles message by message, as plugins do.
func BenchmarkCycle(b *testing.B) {
	for name, c := range map[string]struct {
		posters int
		order   string
		emits   bool
	}{
		"1 poster":                {posters: 1},
		"32 posters":              {posters: 32},
		"256 posters":             {posters: 256},
		"256 posters, by key":     {posters: 256, order: task.OrderByKey},
		"256 posters, by field":   {posters: 256, order: "user"},
		"256 posters, each emits": {posters: 256, emits: true},
	} {
		b.Run(name, func(b *testing.B) { cycle(b, c.posters, c.order, c.emits) })
	}
}

func cycle(b *testing.B, posters int, order string, emits bool) {
	def := task.Definition{Name: "worker", Consume: &task.Consume{Queue: "q", Concurrency: 256, OrderBy: order}, Outputs: map[string]string{"o": "out"}}
	sink := task.Definition{Name: "sink", Consume: &task.Consume{Queue: "out", Concurrency: 256}}
	queues := []task.Queue{
		{Name: "q", MaxMessages: 10_000, MaxDeliveries: 5, Overflow: task.OverflowBlock, IDsFor: time.Hour},
		{Name: "out", MaxMessages: 10_000, MaxDeliveries: 5, Overflow: task.OverflowBlock, IDsFor: time.Hour},
	}
	broker := New(Config{Store: &instant{}})
	broker.Define(queues, []task.Definition{def, sink})
	if err := broker.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	body := json.RawMessage(`{"user":12,"text":"` + strings.Repeat("x", 490) + `"}`)
	var ops []task.Op
	if emits {
		ops = []task.Op{{Kind: task.OpEmit, Output: "o", ID: "~x", Value: body}}
	}
	for _, d := range []*task.Definition{&def, &sink} {
		handle(broker, d, ops)
		ops = nil
	}
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var work sync.WaitGroup
	for i := range posters {
		work.Go(func() {
			m := task.NewMessage{Body: body, Key: strconv.Itoa(i)}
			for left.Add(-1) >= 0 {
				if _, err := broker.Post(context.Background(), "q", m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	for left := 1; left > 0; runtime.Gosched() {
		left = 0
		for _, s := range broker.Queues() {
			left += s.Messages
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}

// handle is a process whose handlers return at once.
func handle(broker *Broker, def *task.Definition, ops []task.Op) {
	arrived := make(chan []task.Delivery, 10_000)
	c := broker.Consume(def, "run", func(ds []task.Delivery) { arrived <- ds })
	c.Window(512)
	go func() {
		for ds := range arrived {
			tags := make([]uint64, 1)
			handled := []task.HandledMessage{{Status: task.StatusSucceeded}}
			for _, d := range ds {
				tags[0], handled[0].Tag = d.Tag, d.Tag
				c.Entered(tags)
				c.Handled(task.Handled{Messages: handled, Ops: ops})
			}
		}
	}()
}
