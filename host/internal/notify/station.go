package notify

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	stationBuffer = 4096             // events that wait for the machine
	batchSize     = 512              // events between two looks at the time
	saveEvery     = 10 * time.Second // for the place in the stream alone
	alignEvery    = 30 * time.Second
	againAfter    = time.Second // after a commit that failed, and while not every status is known
)

// station runs one notifier: one goroutine owns its machine, another sends.
type station struct {
	center *Center
	of     Notifier
	m      *machine
	out    sender

	unsent  []Message // made, and not committed
	saved   time.Time
	savedAt uint64 // place in the stream, as it is kept
	partial bool   // events are missing: the memory is to be aligned with the statuses
	aligned time.Time
	passed  atomic.Uint64 // the newest event that the machine does not look at
	changed atomic.Bool   // the tasks are others now

	follower, deliverer *runner

	mu       sync.Mutex
	sent     int
	failures int
	last     *Delivery
}

// open takes up what an earlier host kept of the notifier, and begins.
func (c *Center) open(n Notifier) (*station, error) {
	out, err := newSender(n, c.cfg.Run, c.cfg.Now)
	if err != nil {
		return nil, err
	}
	s := &station{center: c, of: n, out: out}
	text, there, err := c.cfg.Store.Load(c.life, owner, n.Name)
	if err != nil {
		return nil, err
	}
	var mem memory
	if there {
		if err := decodeKept(text, &mem); err != nil {
			c.cfg.Log.Error("what a notifier knew cannot be read; it begins anew", "notifier", n.Name, "err", err)
			there, mem = false, memory{}
		}
	}
	if !there {
		mem.Seq, s.partial = c.cfg.Store.LastEvent(), true
	}
	s.m, s.savedAt = newMachine(n, c.labels, mem), mem.Seq
	s.follower = start(c.life, s.follow)
	s.deliverer = start(c.life, s.deliver)
	return s, nil
}

func (s *station) end() {
	if s != nil {
		s.follower.end()
		s.deliverer.end()
	}
}

// look lets the machine see soon which tasks there are.
func (s *station) look() { s.changed.Store(true) }

// forget takes away what was kept of a notifier that is not declared any more. It has ended.
func (s *station) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.center.cfg.Queues.Commit(ctx, task.EmitCommit{Task: owner, Ops: []task.Op{{Kind: task.OpDelete, Key: s.of.Name}}})
	if err != nil {
		s.center.cfg.Log.Warn("what a notifier knew cannot be forgotten", "notifier", s.of.Name, "err", err)
	}
}

// follow feeds the machine with the stream, from the place where it was left.
func (s *station) follow(ctx context.Context) {
	for ctx.Err() == nil {
		reader := s.center.cfg.Feed.Subscribe(s.wants, stationBuffer)
		s.replay()
		err := s.live(ctx, reader)
		reader.Close()
		if errors.Is(err, feed.ErrClosed) {
			return
		}
	}
}

// wants says which events the machine looks at, and notes how far the stream has come otherwise: all that it looks at
// and that came before is on its way to it by then.
func (s *station) wants(e task.Event) bool {
	if takes(e) {
		return true
	}
	s.passed.Store(e.Seq)
	return false
}

// replay gives the machine what it missed, as far as that is known.
func (s *station) replay() {
	missed, whole := s.center.cfg.Store.EventsSince(s.m.mem.Seq)
	if !whole {
		s.m.mem.Seq, s.partial = max(s.m.mem.Seq, s.center.cfg.Store.LastEvent()), true
		return
	}
	for _, e := range missed {
		s.m.event(e)
	}
}

// live goes on until ctx ends or the reader was cut.
func (s *station) live(ctx context.Context, reader *feed.Reader) error {
	for {
		s.settle(ctx)
		wait, cancel := context.WithTimeout(ctx, s.pause())
		e, err := reader.Next(wait)
		cancel()
		passed := s.passed.Load()
		for n := 0; err == nil && n < batchSize; n++ {
			s.m.event(e)
			e, err = reader.Next(over)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, feed.ErrLagged) || errors.Is(err, feed.ErrClosed):
			s.settle(ctx)
			return err
		case err != nil: // nothing is left to read, so all up to there is taken in
			s.m.mem.Seq = max(s.m.mem.Seq, passed)
		}
	}
}

// over is a context that has ended: who reads with it takes what is there and does not wait.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// pause is how long nothing happens by time alone.
func (s *station) pause() time.Duration {
	if len(s.unsent) > 0 || s.partial {
		return againAfter
	}
	wait := saveEvery
	if at := s.m.wake(); !at.IsZero() {
		wait = min(wait, max(at.Sub(s.center.cfg.Now()), 10*time.Millisecond))
	}
	return wait
}

// settle aligns the machine where that is due, and commits what it has made.
func (s *station) settle(ctx context.Context) {
	now := s.center.cfg.Now()
	s.align(now)
	for _, m := range s.m.messages(now) {
		m.ID, m.Host = task.NewID(now), s.center.cfg.Host
		s.explain(ctx, &m)
		s.unsent = append(s.unsent, m)
	}
	moved := s.m.mem.Seq != s.savedAt && now.Sub(s.saved) >= saveEvery
	if !s.m.dirty && len(s.unsent) == 0 && !moved {
		return
	}
	if err := s.commit(ctx); err != nil {
		if ctx.Err() == nil {
			s.center.cfg.Log.Warn("notifications cannot be kept; they are tried again", "notifier", s.of.Name, "err", err)
		}
		return
	}
	s.unsent, s.m.dirty, s.saved, s.savedAt = nil, false, now, s.m.mem.Seq
}

// align looks for tasks that are gone and, where events are missing, at how all tasks are.
func (s *station) align(now time.Time) {
	if !s.changed.Swap(false) && !s.partial && now.Sub(s.aligned) < alignEvery && !now.Before(s.aligned) {
		return
	}
	statuses := s.center.cfg.Store.Statuses()
	if s.partial && len(statuses) < len(s.center.declared()) {
		return // the host is starting
	}
	s.m.align(statuses, !s.partial, now)
	s.aligned, s.partial = now, false
}

// explain adds the errors of runs that failed, which events do not tell.
func (s *station) explain(ctx context.Context, m *Message) {
	for i := range m.Items {
		item := &m.Items[i]
		if item.Kind != Failed || item.Run == "" || item.Text != "" {
			continue
		}
		if r, ok, err := s.center.cfg.Store.Run(ctx, item.Run); err == nil && ok && r.Error != nil {
			item.Text = clip(r.Error.Message)
		}
	}
}

// commit writes messages and memory: all of it or nothing.
func (s *station) commit(ctx context.Context) error {
	memory, err := encodeKept(s.m.mem)
	if err != nil {
		return err
	}
	c := task.EmitCommit{Task: owner, Outputs: map[string]string{"out": QueueName(s.of.Name)}, Ops: []task.Op{{Kind: task.OpSave, Key: s.of.Name, Value: memory}}}
	for _, m := range s.unsent {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		// One key for all: they go out in their order.
		c.Ops = append(c.Ops, task.Op{Kind: task.OpEmit, Output: "out", ID: m.ID, Key: s.of.Name, Value: body})
	}
	return s.center.cfg.Queues.Commit(ctx, c)
}

// deliver sends what the queue hands out, one message at a time.
func (s *station) deliver(ctx context.Context) {
	def := consumerOf(s.of)
	in := make(chan task.Delivery, 16)
	consumer := s.center.cfg.Queues.Consume(&def, "", func(ds []task.Delivery) {
		for _, d := range ds { // never more than the window, which has room
			in <- d
		}
	})
	defer consumer.Close("")
	consumer.Window(1)
	for {
		select {
		case d := <-in:
			s.deliverOne(ctx, consumer, d)
		case <-ctx.Done():
			return
		}
	}
}

func (s *station) deliverOne(ctx context.Context, consumer task.Consumer, d task.Delivery) {
	consumer.Entered([]uint64{d.Tag})
	var m Message
	err := json.Unmarshal(d.Message.Body, &m)
	if err != nil {
		err = permanent{err}
	} else {
		_, err = s.send(ctx, m, d.Attempt)
	}
	h := sentAs(d.Tag, err, s.center.cfg.Hide)
	if err != nil && ctx.Err() != nil {
		h.Status = task.StatusInterrupted // the host ends, which is nobody's failure
	}
	consumer.Handled(task.Handled{Messages: []task.HandledMessage{h}})
}

// send tries to send a message and keeps what became of it.
func (s *station) send(ctx context.Context, m Message, attempt int) (Delivery, error) {
	began := s.center.cfg.Now()
	err := s.out.send(ctx, m, attempt)
	d := Delivery{ID: m.ID, At: began.UTC(), Took: s.center.cfg.Now().Sub(began), Attempt: attempt}
	if err != nil {
		d.Error = clip(s.center.cfg.Hide(err.Error()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &d
	if err != nil {
		if s.failures++; ctx.Err() == nil {
			s.center.cfg.Log.Warn("a notification was not delivered", "notifier", s.of.Name, "message", m.ID, "attempt", attempt, "err", d.Error)
		}
		return d, err
	}
	s.sent++
	s.failures = 0
	return d, nil
}

func (s *station) figures() (sent, failures int, last *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.failures, s.last
}

// test sends a message that says so.
func (s *station) test(ctx context.Context) Delivery {
	m := Sample(s.of.Name, s.center.cfg.Now().UTC())
	m.ID, m.Host = task.NewID(m.At), s.center.cfg.Host
	d, _ := s.send(ctx, m, 1) // it holds the error
	return d
}
