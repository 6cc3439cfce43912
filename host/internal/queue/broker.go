package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Config is what a Broker works with.
type Config struct {
	Store  task.QueueStore
	Gate   task.Gate                              // nil: there are no groups
	Event  func(task.Event)                       // takes what happens to queues; it may block a little, and may call the store. nil: nobody
	Waited func(queue string) func(time.Duration) // gives what takes how long its messages waited for their first handler; nil: nobody
	Now    func() time.Time                       // nil: time.Now
	Log    hclog.Logger                           // nil: nowhere
}

// lookEvery bounds how long a step of the clock, or a machine that was asleep, goes unnoticed.
const lookEvery = 30 * time.Second

var (
	errNotOpen = errors.New("the queues are not open yet")
	errClosed  = errors.New("the queues are closed: the host is ending")
)

// Broker hands out the messages of all queues. Its methods are safe for concurrent use.
type Broker struct {
	cfg    Config
	life   context.Context // of the goroutines
	end    context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{} // holds a token while there may be something to do
	bodies chan struct{} // likewise, to read

	mu      sync.Mutex
	opened  bool
	closed  bool
	lines   map[string]*line
	workers map[string]*worker
	cache   cache
	last    uint64 // seq of the newest message
	tag     uint64
	dirty   []*line
	leaves  []uint64 // tickets to give back
	events  []task.Event
	out     outbox
	fence   fence
	dead    deadCounts
}

var _ task.Queues = (*Broker)(nil)

// New returns a Broker that knows no queues yet.
func New(cfg Config) *Broker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	b := &Broker{
		cfg: cfg, wake: make(chan struct{}, 1), bodies: make(chan struct{}, 1),
		lines: map[string]*line{}, workers: map[string]*worker{}, cache: cache{limit: maxCached},
	}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// Open reads which messages there are, without their bodies, and begins to hand out.
func (b *Broker) Open(ctx context.Context) error {
	dead, err := b.cfg.Store.DeadCounts(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.dead.set(dead, b.now())
	for name := range dead {
		b.line(name)
	}
	b.mu.Unlock()
	if err := b.cfg.Store.Backlog(ctx, b.recall); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	b.opened = true
	b.touchAll()
	b.work.Go(b.run)
	b.work.Go(b.readBodies)
	return nil
}

// recall takes one message of the backlog.
func (b *Broker) recall(m task.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.line(m.Queue)
	l.insert(newEntry(l, &m), b.now())
	b.last = max(b.last, m.Seq)
	return nil
}

// Close ends all handing out and waiting. What is settled and not written yet is given to the store, which
// writes it before it is closed.
func (b *Broker) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	for _, l := range b.lines {
		for len(l.waiters) > 0 {
			w := l.waiters[0]
			w.step()
			w.ready(errClosed)
		}
	}
	b.mu.Unlock()
	b.end()
	b.work.Wait()
	b.mu.Lock()
	t := &effects{writes: b.flush(b.now())}
	t.events, b.events = b.events, nil
	t.leave, b.leaves = b.leaves, nil
	b.mu.Unlock()
	b.perform(t)
}

func (b *Broker) now() int64 { return b.cfg.Now().UnixNano() }

// line finds a queue, or begins one that nobody has declared. The lock is held.
func (b *Broker) line(name string) *line {
	l := b.lines[name]
	if l == nil {
		l = newLine(name, &b.cache)
		if b.cfg.Waited != nil {
			l.waited = b.cfg.Waited(name)
		}
		b.lines[name] = l
	}
	return l
}

// touch has the queue looked at. The lock is held.
func (b *Broker) touch(l *line) {
	if !l.dirty {
		l.dirty = true
		b.dirty = append(b.dirty, l)
	}
	signal(b.wake)
}

func (b *Broker) touchAll() {
	for _, l := range b.lines {
		b.touch(l)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// effects are what a step brings about once the lock is free.
type effects struct {
	turn
	writes []*task.QueueWrite
	events []task.Event
}

// run is the goroutine that hands out, and writes what nobody waits for.
func (b *Broker) run() {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-b.wake:
		case <-timer.C:
		case <-b.life.Done():
			return
		}
		timer.Reset(b.step())
	}
}

// step does what is to be done now, and returns how long time alone brings nothing.
func (b *Broker) step() time.Duration {
	b.mu.Lock()
	now := b.now()
	t := &effects{turn: turn{now: now, tag: &b.tag}}
	for _, l := range b.lines {
		if l.wakeAt != 0 && l.wakeAt <= now {
			b.touch(l)
		}
	}
	dirty := b.dirty
	b.dirty = nil
	for _, l := range dirty {
		l.dirty = false
		b.look(l, &t.turn)
	}
	t.writes = b.flush(now)
	next := b.fence.at
	for _, l := range b.lines {
		next = sooner(next, l.wakeAt)
	}
	t.leave = append(t.leave, b.leaves...)
	b.leaves = b.leaves[:0]
	t.events, b.events = b.events, nil
	b.mu.Unlock()
	if t.fetch {
		signal(b.bodies)
	}
	b.perform(t)
	if next == 0 {
		return lookEvery
	}
	return max(0, min(lookEvery, time.Duration(next-now)))
}

// look lets a queue decide. The lock is held.
func (b *Broker) look(l *line, t *turn) {
	l.due(t.now)
	for _, e := range l.expire(t.now) {
		b.bury(e, task.DeadExpired, "it waited longer than max_age")
	}
	for _, e := range l.sweep(t.now) {
		b.save(e)
	}
	b.tellMore(l, t.now)
	l.wakeAt = sooner(l.wake(), sooner(l.drops.wake(), l.deaths.wake()))
	if b.fence.down {
		l.giveTicketsBack(t)
		return
	}
	l.handOut(t)
	for _, e := range t.spent {
		b.bury(e, task.DeadFailed, hostDied)
	}
	t.spent = t.spent[:0]
}

// perform carries out what was decided. Nothing is locked.
func (b *Broker) perform(t *effects) {
	for _, c := range t.to {
		if out := c.taken(); len(out) > 0 {
			c.deliver(out)
		}
	}
	for _, w := range t.writes {
		b.cfg.Store.WriteQueues(w)
	}
	if b.cfg.Gate != nil {
		for _, c := range t.join {
			b.join(c)
		}
		for _, ticket := range t.leave {
			b.cfg.Gate.Leave(ticket)
		}
	}
	for _, e := range t.events {
		b.cfg.Event(e)
	}
}

// join asks the groups of a consumer's task for a place.
func (b *Broker) join(c *consumer) {
	b.mu.Lock()
	ticket := c.ticket
	asks := c.joining
	b.mu.Unlock()
	if !asks {
		return
	}
	b.cfg.Gate.Join(ticket, c.worker.name, c.run, c.groups, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if c.joining && c.ticket == ticket {
			c.joining, c.through = false, true
			b.touch(c.line)
		}
	})
}

func random() float64 { return rand.Float64() }
